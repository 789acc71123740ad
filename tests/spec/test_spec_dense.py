"""Which asset a dense feature picks, and what of it stands in the frozen rows."""

import hashlib
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from asking import KEY, ask, study_of
from little_timeline import Event, Person, write_timeline

from rapha.cohort.engine import freeze
from rapha.errors import ConfigurationError
from rapha.records.study import Study
from rapha.timeline.assets import FOLDER
from rapha.training.dataset import read_dataset

DENSE = {"data": {"modalities": ["ehr", "text"]}, "model": {"architecture": "text-classifier", "buckets": 64}}
SICK_AT = timedelta(days=100)


def of_note(pick: str = "last", at_most: int = 32) -> Study:
    note = {"note": "b", "during": {"until": "index", "for": "1 year"}, "pick": pick, "at_most": at_most}
    return study_of(features=[note, {"demographic": "age"}], **DENSE)


def named(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("pick", "events", "text"),
    [
        ("last", [Event("b", "2010-01-01", note="old"), Event("b", "2010-02-01", note="new")], "new"),
        ("first", [Event("b", "2010-01-01", note="old"), Event("b", "2010-02-01", note="new")], "old"),
        # written after the index, or before it and filed after it: not known yet
        ("last", [Event("b", "2010-05-01", note="in time"), Event("b", "2010-07-01", note="late")], "in time"),
        ("last", [Event("b", "2010-05-01", note="filed late", known="2010-07-01")], None),
        # out of the window, of another concept, without an asset
        ("last", [Event("b", "2008-05-01", note="long ago"), Event("c", "2010-05-01", note="of another")], None),
        ("last", [Event("b", "2010-04-01", note="there"), Event("b", "2010-05-01")], "there"),
        ("last", [Event("b", "2010-05-01", note="mistaken", status="entered-in-error")], None),
    ],
)
def test_the_asset_of_the_event_that_the_window_knows(
    tmp_path: Path, pick: str, events: list[Event], text: str | None
) -> None:
    study = of_note(pick)
    (row,) = ask(tmp_path, study, [Person()], [Event("a", "2010-06-01"), *events])
    assert row[study.features[0].name] == (named(text) if text else None)


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_at_one_moment_the_order_of_rows_does_not_choose(tmp_path: Path, turned: bool) -> None:
    events = [Event("b", "2010-05-01", note=text) for text in ("one", "two", "three")]
    study = of_note()
    rows = ask(tmp_path, study, [Person()], [Event("a", "2010-06-01"), *(events[::-1] if turned else events)])
    assert rows[0][study.features[0].name] == max(named(text) for text in ("one", "two", "three"))


def test_an_event_that_points_at_what_is_not_here_is_passed_over(tmp_path: Path) -> None:
    events = [Event("b", "2010-04-01", note="here"), Event("b", "2010-05-01", asset="f" * 64)]
    (row,) = ask(tmp_path, of_note(), [Person()], [Event("a", "2010-06-01"), *events])
    assert row[of_note().features[0].name] == named("here")


FUSION = {"data": {"modalities": ["ehr", "text", "imaging"]}, "model": {"architecture": "late-fusion", "head": []}}
WINDOW = {"until": "index"}
PICTURE = {"during": WINDOW, "shape": [8, 8], "spacing": [2, 2], "window": [0, 100]}


def of_many() -> Study:
    """The last and the first letter, and a picture of the same concept as them and of another."""
    dense = [
        {"note": "b", "during": WINDOW, "at_most": 32},
        {"note": "b", "during": WINDOW, "at_most": 16, "pick": "first"},
    ]
    dense += [{"image": "b"} | PICTURE, {"image": "c"} | PICTURE]
    return study_of(features=[*dense, {"demographic": "age"}], **FUSION)


def test_each_of_several_picks_by_its_own_window_and_kind(tmp_path: Path) -> None:
    events = [
        Event("b", "2010-02-01", note="old"),
        Event("b", "2010-04-01", note="new"),
        Event("b", "2010-03-01", picture=7),
    ]
    events += [
        Event("b", "2010-05-01", picture=9),
        Event("c", "2010-05-01", note="a letter where a picture is asked for"),
    ]
    study = of_many()
    (row,) = ask(tmp_path, study, [Person()], [Event("a", "2010-06-01"), *events])
    contents = [events[1].content, events[0].content, events[3].content, None]
    expected = [content and hashlib.sha256(content).hexdigest() for content in contents]
    assert [row[feature.name] for feature in study.features[:4]] == expected


def test_several_arrays_lie_side_by_side_in_the_frozen_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people, events = town()
    shown = [p.key for p in people if p.key % 5]
    for event in [event for event in events if event.code == "b"]:
        if event.patient in shown:
            events.append(Event("c", event.at, patient=event.patient, picture=float(event.patient)))
    timeline, study = write_timeline(tmp_path / "t", people, events), of_many()
    once = freeze(timeline, study, KEY, tmp_path / "a", tmp_path / "p")
    monkeypatch.setattr("rapha.cohort.dense.BATCH_BYTES", 8 * 8 * 4 * 7)
    again = freeze(timeline, study, KEY, tmp_path / "b", tmp_path / "q")
    assert again.rows == once.rows == 120
    whole, cut = (read_dataset(study, tmp_path / name / "rows.arrow") for name in ("a", "b"))
    letter, first, of_letters, picture = (feature.name for feature in study.features[:4])
    for name in (letter, first, of_letters, picture):
        every = list(range(len(whole.train)))
        assert (whole.train.arrays[name].batch(every) == cut.train.arrays[name].batch(every)).all()
        assert (whole.train.arrays[name].present == cut.train.arrays[name].present).all()
    texts, pictures = whole.train.arrays[letter], whole.train.arrays[picture]
    assert not whole.train.arrays[of_letters].present.any()  # letters only: a picture of this concept there is none
    assert 0 < texts.present.sum() < len(texts) and 0 < pictures.present.sum() < len(pictures)
    for row in range(len(whole.train)):
        if texts.present[row] and pictures.present[row]:
            patient = int(texts.batch([row])[0].tobytes().decode().split(":")[0].removeprefix("Letter of "))
            assert pictures.batch([row])[0].max() == np.float32(min(patient / 100, 1))


def town(patients: int = 120) -> tuple[list[Person], list[Event]]:
    """Of three patients one is sick later, and their letter says so; every fourth has no letter."""
    people = [Person(key, birth="1960-01-01") for key in range(1, patients + 1)]
    events: list[Event] = []
    for person in people:
        index, sick = date(2010, 1, 1) + timedelta(days=person.key), person.key % 3 == 0
        events.append(Event("a", str(index), patient=person.key))
        if sick:
            events.append(Event("sick", str(index + SICK_AT), patient=person.key))
        if person.key % 4:
            text = f"Letter of {person.key}: {'fühlt sich elend' if sick else 'is well'}, {'x' * person.key}"
            events.append(Event("b", str(index - timedelta(days=9)), patient=person.key, note=text))
        else:
            events.append(Event("b", str(index - timedelta(days=9)), patient=person.key))
    return people, events


def test_frozen_rows_hold_the_texts_cut_at_a_whole_character(tmp_path: Path) -> None:
    study = of_note(at_most=22)
    freeze(write_timeline(tmp_path / "t", *town()), study, KEY, tmp_path, tmp_path)
    with pa.memory_map(str(tmp_path / "rows.arrow")) as source:
        column = pa.ipc.open_file(source).read_all()[study.features[0].name]
    assert column.type == pa.list_(pa.uint8(), 22)
    assert column.null_count == 30
    texts = {bytes(row).rstrip(b"\0").decode() for row in column.to_pylist() if row}
    assert "Letter of 99: fühlt s" in texts  # ü is two bytes: 22 in all
    assert "Letter of 101: is well" in texts
    assert all(len(text.encode()) <= 22 for text in texts)


def test_a_note_that_is_copied_forward_is_on_one_side_of_the_split(tmp_path: Path) -> None:
    """Day after day the same words: were days dealt and not patients, the model would be tested on what it had learnt."""
    people, events = town(360)
    copied = [
        Event(each.code, str(date.fromisoformat(each.at) + timedelta(days=day)), patient=each.patient, note=each.note)
        for each in events
        if each.code != "sick" and each.at
        for day in (1, 2, 3)
    ]
    note = of_note().features[0].model_dump(mode="json")
    study = study_of(features=[note, {"demographic": "age"}], cohort={"index": {"every": ["a"]}}, **DENSE)
    freeze(write_timeline(tmp_path / "t", people, events + copied), study, KEY, tmp_path, tmp_path)
    with pa.memory_map(str(tmp_path / "rows.arrow")) as source:
        rows = pa.ipc.open_file(source).read_all()
    sides: dict[bytes, list[object]] = {}
    for text, side in zip(rows[study.features[0].name].to_pylist(), rows["split"].to_pylist(), strict=True):
        if text is not None:
            sides.setdefault(bytes(text), []).append(side)
    assert len(sides) == 270 and all(len(of) == 4 and len(set(of)) == 1 for of in sides.values())
    assert len({side for of in sides.values() for side in of}) == 3


def test_the_same_timeline_gives_the_same_bytes_and_batches_do_not_change_the_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, timeline = of_note(), write_timeline(tmp_path / "t", *town())
    once = freeze(timeline, study, KEY, tmp_path / "a", tmp_path / "p")
    again = freeze(timeline, study, KEY, tmp_path / "b", tmp_path / "q")
    assert once == again
    monkeypatch.setattr("rapha.cohort.dense.BATCH_BYTES", 32 * 7)
    freeze(timeline, study, KEY, tmp_path / "c")
    whole, cut = (read_dataset(study, tmp_path / name / "rows.arrow") for name in ("a", "c"))
    name = study.features[0].name
    for split in ("train", "validation", "test"):
        rows, others = getattr(whole, split).arrays[name], getattr(cut, split).arrays[name]
        every = list(range(len(rows)))
        assert (rows.batch(every) == others.batch(every)).all()
        assert (rows.present == others.present).all()
    assert len(cut.train.arrays[name].chunks) > 1


def test_a_damaged_content_stops_the_freeze_and_leaves_no_file(tmp_path: Path) -> None:
    timeline = write_timeline(tmp_path / "t", *town())
    content = next((tmp_path / "t" / FOLDER).glob("*/*"))
    content.write_bytes(b"something else")
    with pytest.raises(ConfigurationError, match="missing or damaged"):
        freeze(timeline, of_note(), KEY, tmp_path / "run")
    assert not (tmp_path / "run" / "rows.arrow").exists()
