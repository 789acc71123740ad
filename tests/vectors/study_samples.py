"""Studies of samples: copies of some examples."""

from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from rapha.records.study import Study

STUDIES = Path(__file__).resolve().parent / "studies"


def example(name: str) -> Study:
    """A copy of one of the examples, so that these may change without the format seeming to."""
    return Study.from_bytes(_example(name))


@cache
def _example(name: str) -> bytes:
    """Read once a process: of some 170 folders of receipts each has it, and to read YAML is slow."""
    text = (STUDIES / f"{name}.yaml").read_text()
    return Study.model_validate(YAML(typ="safe").load(text)).as_bytes()
