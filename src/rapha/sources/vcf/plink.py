"""`format: plink`: the same way for genotypes in the files of PLINK 1."""

from pathlib import Path

from rapha.sources.vcf.ingest import ingest_as
from rapha.sources.vcf.mapping import PlinkMapping
from rapha.timeline.report import IngestReport, Progress


def ingest(
    mapping_path: Path, data: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`; `data` is the folder with .bed, .bim and .fam, the samples and the scoring files."""
    return ingest_as(PlinkMapping, mapping_path, data, timeline_dir, site_secret, progress)
