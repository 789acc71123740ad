"""Records keep their bytes, and their digests with them: a format that drifts breaks every signature ever made."""

import json
from pathlib import Path

import make
import pytest
import record_samples

from rapha.canonical import digest

HERE = Path(__file__).resolve().parent
SAMPLES = record_samples.samples()


def test_every_golden_file_is_what_make_writes() -> None:
    there = {path.relative_to(HERE).as_posix() for name in make.FOLDERS for path in _files(HERE / name)}
    wanted = make.expected()
    assert there == set(wanted)
    assert [path for path, data in wanted.items() if (HERE / path).read_bytes() != data] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_golden_bytes_read_back_to_the_record(name: str) -> None:
    data = (HERE / "records" / f"{name}.json").read_bytes()
    record = type(SAMPLES[name]).from_bytes(data)
    assert record == SAMPLES[name]
    assert record.as_bytes() == data
    assert digest(data) == json.loads((HERE / "records" / "digests.json").read_bytes())[name]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
