"""Notes as text files: whose they are and when they were known, what is set aside, and that nothing outside is read."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rapha.errors import ConfigurationError, SourceError
from rapha.sources import source_of
from rapha.sources.note_files import ingest
from rapha.timeline.assets import Assets
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."
MAPPING = """\
source: letters
format: note-files
people: ward
zone: Europe/Berlin
listing: {file: letters.csv, text: file, patient: pid, type: kind, written: at, known: filed}
"""
HEADER = "file,pid,kind,at,filed\n"


class Site:
    def __init__(self, folder: Path) -> None:
        self.data, self.timeline, self.mapping = folder / "data", folder / "timeline", folder / "letters.mapping.yaml"
        (self.data / "2020").mkdir(parents=True)
        self.mapping.write_text(MAPPING)
        (folder / "secret.txt").write_text("not of this folder")

    def text(self, name: str, content: bytes) -> None:
        (self.data / name).write_bytes(content)

    def read(self, *rows: str) -> object:
        (self.data / "letters.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
        return ingest(self.mapping, self.data, self.timeline, SECRET)

    def events(self) -> list[tuple[object, ...]]:
        """Patient, code, written, known, precision and text."""
        timeline = open_timeline(self.timeline)
        with timeline.connect() as connection:
            rows = connection.execute(
                "SELECT subject_key, code, t_start, t_available, precision, asset FROM events ORDER BY source_ref"
            ).fetchall()
            assets = Assets.of(timeline.folder, connection, "note")
            return [(*row[:5], assets.read(row[5]).decode()) for row in rows]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_text_is_a_note_of_its_patient_at_its_time_and_known_when_it_was_filed(site: Site) -> None:
    site.text("2020/a.txt", "\ufeffFühlt sich\nelend. ".encode())
    site.text("b.txt", b"Well.")
    report = site.read(
        "2020/a.txt,p1,discharge,2020-03-01 10:00,2020-03-02T08:00:00+00:00", "b.txt,p2,letter,2020-07-01,2020-07-01"
    )
    assert (report.patients, report.events, report.set_aside) == (2, 2, 0)
    one, two = (subject_key(SECRET, "ward", name) for name in ("p1", "p2"))
    assert site.events() == [
        (one, "discharge", datetime(2020, 3, 1, 9, tzinfo=UTC), datetime(2020, 3, 2, 8, tzinfo=UTC), "second", "Fühlt sich\nelend."),
        (two, "letter", datetime(2020, 6, 30, 22, tzinfo=UTC), datetime(2020, 6, 30, 22, tzinfo=UTC), "day", "Well."),
    ]  # fmt: skip


WRITTEN = MAPPING.replace("known: filed}", "known: filed, author: by, language: tongue, id: no, replaces: instead}")
WRITTEN_HEADER = "file,pid,kind,at,filed,by,tongue,no,instead\n"


def written(site: Site, *rows: str, more: str = "roles: {MD: physician}\n") -> list[tuple[object, ...]]:
    """Line, author, language and status of each note."""
    site.mapping.write_text(WRITTEN + more)
    site.text("a.txt", b"Well.")
    (site.data / "letters.csv").write_text(WRITTEN_HEADER + "".join(f"{row}\n" for row in rows))
    ingest(site.mapping, site.data, site.timeline, SECRET)
    with open_timeline(site.timeline).connect() as connection:
        return connection.execute(
            "SELECT source_ref, author, language, status FROM events LEFT JOIN notes USING (event_id) ORDER BY source_ref"
        ).fetchall()


def test_who_wrote_a_note_is_a_role_of_the_site_s_list_and_never_a_name(site: Site) -> None:
    note = "a.txt,p1,x,2020-01-01,2020-01-01"
    rows = written(site, f"{note},MD,en-GB,,", f"{note},Nurse,de_AT,,", f"{note},Dr Smith,,,", f"{note},,english,,")
    assert [row[1:3] for row in rows] == [("physician", "en"), ("nurse", "de"), (None, None), (None, None)]
    assert not any(b"Smith" in file.read_bytes() for file in site.timeline.rglob("*") if file.is_file())


def test_a_language_may_hold_for_all_notes_that_name_none(site: Site) -> None:
    note = "a.txt,p1,x,2020-01-01,2020-01-01,MD"
    rows = written(site, f"{note},en,,", f"{note},,,", more="language: de\n")
    assert [row[2] for row in rows] == ["en", "de"]


def test_a_note_that_another_replaces_counts_no_more(site: Site) -> None:
    """Of the same patient alone; and not where the one that replaces it cannot be read."""
    at = "x,2020-01-01,2020-01-01,,"
    rows = written(site, f"a.txt,p1,{at},1,", f"a.txt,p1,{at},2,1", f"a.txt,p2,{at},1,", f"a.txt,p2,{at},3,2")
    assert [row[3] for row in rows] == ["cancelled", "final", "final", "final"]
    rows = written(site, f"a.txt,p1,{at},1,", f"gone.txt,p1,{at},2,1")
    assert [row[3] for row in rows] == ["final"]


def test_an_id_that_a_patient_has_twice_and_notes_that_replace_one_another_are_set_aside(site: Site) -> None:
    at = "x,2020-01-01,2020-01-01,,"
    twice = (f"a.txt,p1,{at},1,", f"a.txt,p1,{at},1,", f"a.txt,p1,{at},,1", f"a.txt,p2,{at},1,")
    circle = (
        f"a.txt,p3,{at},1,3",
        f"a.txt,p3,{at},2,1",
        f"a.txt,p3,{at},3,2",
        f"a.txt,p3,{at},4,1",
        f"a.txt,p3,{at},5,4",
    )
    found = {str(row[0]).partition("#")[2]: row[3] for row in written(site, *twice, *circle)}
    assert found == {"2": "cancelled", "4": "final", "5": "final", "9": "cancelled", "10": "final"}
    (listing,) = site.timeline.glob("set-aside/*")
    told = [line.split(",", 1)[1] for line in listing.read_text().splitlines()[1:]]
    again, turn = "has the id of an earlier note of its patient", "replaces a note that replaces it in turn"
    assert told == [f"3,{again}", *(f"{line},{turn}" for line in (6, 7, 8))]


ASIDE = {
    "missing.txt,p1,x,2020-01-01,2020-01-01": "missing, too large or no text",
    "empty.txt,p1,x,2020-01-01,2020-01-01": "missing, too large or no text",
    "bytes.txt,p1,x,2020-01-01,2020-01-01": "missing, too large or no text",
    "../secret.txt,p1,x,2020-01-01,2020-01-01": "outside of the folder",
    "/etc/hostname,p1,x,2020-01-01,2020-01-01": "outside of the folder",
    "link.txt,p1,x,2020-01-01,2020-01-01": "outside of the folder",
    "ok.txt,,x,2020-01-01,2020-01-01": "names no file, no patient",
    "ok.txt,p1,,2020-01-01,2020-01-01": "no kind of note",
    "ok.txt,p1,x,yesterday,2020-01-01": "cannot be read",
    "ok.txt,p1,x,2020-01-02,2020-01-01": "known before it was written",
}


@pytest.mark.parametrize("row", ASIDE)
def test_what_cannot_be_used_is_set_aside_and_told_without_a_cell(site: Site, row: str) -> None:
    site.text("ok.txt", b"Well.")
    site.text("empty.txt", b" \n")
    site.text("bytes.txt", b"\xff\xfe\x00")
    (site.data / "link.txt").symlink_to(site.data.parent / "secret.txt")
    report = site.read(row, "ok.txt,p2,letter,2020-01-01,2020-01-01")
    assert report.events == 1 and [event[5] for event in site.events()] == ["Well."]
    ((reason, count),) = report.files[0].set_aside.items()
    assert ASIDE[row] in reason and count == 1
    listing = (site.timeline / report.set_aside_file).read_text()
    assert "letters.csv,2," in listing and "p1" not in listing and "secret" not in listing


def test_the_same_again_changes_nothing_and_another_text_does(site: Site) -> None:
    site.text("a.txt", b"Well.")
    row = "a.txt,p1,letter,2020-01-01,2020-01-01"
    assert not site.read(row).unchanged
    before = open_timeline(site.timeline).digest
    assert site.read(row).unchanged and open_timeline(site.timeline).digest == before
    site.text("a.txt", b"Ill.")
    assert not site.read(row).unchanged
    assert [event[5] for event in site.events()] == ["Ill."]
    assert len(list((site.timeline / "contents").rglob("*"))) == 2  # the folder, and the one text


def test_no_note_leaves_an_empty_batch(site: Site) -> None:
    report = site.read()
    assert (report.patients, report.events) == (0, 0) and site.events() == []


def test_a_mapping_or_list_that_is_wrong_is_told(site: Site) -> None:
    assert source_of(site.mapping) is ingest
    (site.data / "letters.csv").write_text("file,pid,kind,at\n")
    with pytest.raises(SourceError, match="no column 'filed'"):
        ingest(site.mapping, site.data, site.timeline, SECRET)
    site.mapping.write_text(MAPPING.replace("Europe/Berlin", "Mars/Olympus"))
    with pytest.raises(ConfigurationError, match="no such time zone"):
        ingest(site.mapping, site.data, site.timeline, SECRET)
