"""The lines of an NDJSON file: as a plain reading of the whole file has them, wherever the blocks happen to end."""

from pathlib import Path

import pytest
from fhir_clinic import Clinic, about, coded, observation, patient
from hypothesis import given
from hypothesis import strategies as st

from rapha.sources.fhir import export_files, sorting, staging, streams

LONGEST = 12
LINES = st.lists(
    st.one_of(
        st.text(alphabet="añ€ \r{", max_size=6).map(str.encode),
        st.sampled_from([b"", b"\xff", b"\xc3", b"x" * LONGEST, b"x" * (LONGEST + 1), b"y" * 40]),
    ),
    max_size=12,
)


def plainly(content: bytes) -> tuple[list[tuple[int, str]], set[tuple[int, str]]]:
    """Line by line: the texts, and what cannot be read."""
    texts, broken = [], set()
    for number, line in enumerate(content.removeprefix(export_files.MARK).split(b"\n"), 1):
        if len(line) > LONGEST + export_files.BLOCK_BYTES:
            broken.add((number, export_files.TOO_LONG))
            continue
        try:
            texts.append((number, line.decode()))
        except UnicodeDecodeError:
            broken.add((number, export_files.NOT_UTF8))
    return [(number, text) for number, text in texts if text], broken


@given(lines=LINES, block=st.integers(1, 30), mark=st.booleans(), whole_last_line=st.booleans())
def test_every_line_is_read_once_whatever_the_blocks(tmp_path_factory, lines, block, mark, whole_last_line):
    content = (export_files.MARK if mark else b"") + b"\n".join(lines) + (b"\n" if whole_last_line else b"")
    path = tmp_path_factory.mktemp("lines") / "a.ndjson"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(export_files, "BLOCK_BYTES", block)
        patched.setattr(export_files, "LONGEST_LINE", LONGEST)
        texts, broken = read(path)
        wanted, unread = plainly(content)
    long = {number for number, why in broken if why == export_files.TOO_LONG}
    # One that is longer than the limit by less than a block may be read, or not, by where the blocks end.
    assert {number for number, why in unread if why == export_files.TOO_LONG} <= long
    assert all(len(lines[number - 1]) + 3 > LONGEST for number in long)
    assert texts == [(number, text) for number, text in wanted if number not in long]
    assert {pair for pair in broken if pair[0] not in long} == {pair for pair in unread if pair[0] not in long}


def read(path: Path) -> tuple[list[tuple[int, str]], set[tuple[int, str]]]:
    broken: export_files.Broken = []
    texts = []
    for table in export_files.read(path, broken):
        texts += list(zip(table["line"].to_pylist(), table["text"].to_pylist(), strict=True))
    return [(number, text.removesuffix("\n")) for number, text in texts], set(broken)


def test_many_small_tables_become_the_same_events(tmp_path, monkeypatch):
    """Resources of all kinds beside one another, some with parts: what is asked about a line is told of that line."""
    resources = []
    for at in range(60):
        resources.append(patient(f"p{at}"))
        resources.append(observation(f"o{at}", valueQuantity={"value": at, "unit": "mg"}))
        parts = [{"code": coded("8480-6"), "valueQuantity": {"value": at, "unit": "mm[Hg]"}}]
        resources.append(observation(f"q{at}", component=parts))
        resources.append(observation(f"r{at}", valueInteger=at))
        resources.append(
            about("Procedure", f"x{at}", status="completed", performedDateTime="2019-05-02", code=coded("1"))
        )
    clinics = []
    for name, batch, most in (("whole", 1 << 19, 64 << 20), ("parts", 400, 500)):
        (tmp_path / name).mkdir()
        clinic = Clinic(tmp_path / name)
        monkeypatch.setattr(streams, "BATCH_BYTES", batch)
        monkeypatch.setattr(sorting, "TABLE_BYTES", most)
        monkeypatch.setattr(streams, "MOST_WAITING", most)
        monkeypatch.setattr(streams, "MOST_IN_VAIN", most // 2)
        clinic.ingest(*resources)
        clinics.append(clinic)
    columns = "source_ref, event_id, code, num, kind"
    first, second = (clinic.ask(columns) for clinic in clinics)
    assert len(first) == 60 * 5
    assert sorted(first) == sorted(second)
    assert {row[0].split("/")[1][0] for row in first} == {"o", "q", "r", "x"}
    assert staging.THREADS > 1
