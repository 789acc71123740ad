"""The made-up exports: the same every time, read whole, and the record of their example."""

from pathlib import Path

from rapha.cli.demo import made_up_wearers
from rapha.cli.demo.made_up_wearers import MAPPING, deal_wearers
from rapha.cli.demo.records import record_of
from rapha.sources.apple_health import ingest

SECRET = b"a secret of this site: 32 bytes."


def test_the_same_every_time_and_no_two_hospitals_alike(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert deal_wearers(tmp_path / name, 2, seed) == [1]
    xml = {name: _xml(tmp_path / name / "wearer-1.zip") for name in "abc"}
    assert xml["a"] == xml["b"] != xml["c"]


def test_every_record_is_read_and_one_in_two_is_told_of_a_rhythm(tmp_path: Path) -> None:
    deal_wearers(tmp_path / "data", 4)
    (tmp_path / "m.yaml").write_text(MAPPING)
    told = ingest(tmp_path / "m.yaml", tmp_path / "data", tmp_path / "timeline", SECRET)
    assert (told.patients, told.set_aside, told.notes) == (4, 0, ())


def test_the_example_has_this_record() -> None:
    assert record_of(["sleep-and-heart-rate"]) is made_up_wearers


def _xml(path: Path) -> bytes:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return archive.read("apple_health_export/export.xml")
