"""Which record the demonstration deals to its hospitals: a real one where the study can be done on one, else a made-up one.

A record is a module with `deal(out_dir, hospitals)`, which writes one folder for each hospital with its tables and
`hospital.mapping.yaml` (and further `*.mapping.yaml`, read after it), and `ABOUT`, a line that says what it is and whether it is real.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from rapha.errors import ConfigurationError

REAL = "rapha.cli.demo.record"
MADE_UP = {
    "adapter-for-clinic-letters": "rapha.cli.demo.made_up_letters",
    "cancer-in-carriers": "rapha.cli.demo.made_up_exomes",
    "deterioration-multimodal": "rapha.cli.demo.made_up_ward",
    "discharge-destination": "rapha.cli.demo.made_up_discharges",
    "failure-said-in-letters": "rapha.cli.demo.made_up_letters",
    "gwas-cholesterol": "rapha.cli.demo.made_up_biobank",
    "gwas-infarction": "rapha.cli.demo.made_up_biobank",
    "heart-failure-from-clips": "rapha.cli.demo.made_up_clips",
    "nodule-classification": "rapha.cli.demo.made_up_scans",
    "nodule-segmentation": "rapha.cli.demo.made_up_segmentations",
    "nodule-uptake-pet-ct": "rapha.cli.demo.made_up_pairs",
    "polygenic-risk": "rapha.cli.demo.made_up_genomes",
    "report-classification": "rapha.cli.demo.made_up_reports",
    "sleep-and-heart-rate": "rapha.cli.demo.made_up_wearers",
}
"""Examples that no public record at hand can show, and the module that makes one up."""


class DemoRecord(Protocol):
    """A record to deal."""

    ABOUT: str

    def deal(self, out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
        """One folder for each hospital."""


def record_of(studies: Sequence[str]) -> DemoRecord:
    """The one record that all of these examples are done on.

    Raises:
        ConfigurationError: they need several.
    """
    wanted = {MADE_UP.get(study, REAL) for study in studies}
    if len(wanted) > 1:
        raise ConfigurationError(f"{' and '.join(studies)} need records of their own: run them one at a time")
    return cast(DemoRecord, import_module(wanted.pop()))
