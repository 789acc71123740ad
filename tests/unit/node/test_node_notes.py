"""What a node freezes of notes: names are hidden, those of its file too; or left, where its rules say so in so many words."""

from pathlib import Path

import pyarrow as pa
import pytest
from test_node_journey import BY_RULE, FakeLine, Isolating, dispatch_of

from rapha.clock import utc_now
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.node.identifiers import take_identifiers
from rapha.node.journey import Journey
from rapha.node.keys import make_secrets
from rapha.node.register import Register
from rapha.node.runs import Runs
from rapha.records.study import Study
from rapha.records.wire import Offer
from rapha.sources.tables import ingest

RULES = BY_RULE.replace("[ehr]", "[ehr, text]").replace("[logistic]", "[text-classifier]")
MAPPING = """\
source: ward
subjects: {file: people.csv, id: id}
observation: {start: {column: since}, end: {column: seen}}
events:
  - {file: notes.csv, id: patient, kind: note, time: {column: at}, available: same, system: local, code: letter, text: text}
  - {file: sick.csv, id: patient, kind: condition, time: {column: at}, available: same, system: local, code: sick}
"""
LETTER = {"system": "local", "codes": ["letter"]}
STUDY = Study.model_validate(
    {
        "study": "letters",
        "purpose": {"sentence": "See what a node freezes of notes.", "data_use": ["DUO:0000006"]},
        "data": {"modalities": ["ehr", "text"]},
        "concepts": {"letter": LETTER, "sick": {"system": "local", "codes": ["sick"]}},
        "cohort": {"index": {"first": ["letter"]}},
        "outcome": {"event": "sick", "during": {"from": "index", "for": "1 year"}, "unobserved": "exclude"},
        "features": [{"note": "letter", "during": {"until": "index"}, "at_most": 200}],
        "model": {"architecture": "text-classifier", "buckets": 64},
    }
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A node with 150 patients, each with a letter that names them in a way that only the hospital knows."""
    folder, data = tmp_path / "home", tmp_path / "data"
    folder.mkdir()
    data.mkdir()
    write_configuration(
        folder / "node.yaml",
        NodeConfiguration(site="north", name="North", hub_url="http://x:1", hub="hub", hub_key="-"),
    )
    (folder / "secret").write_bytes(b"s" * 32)
    make_secrets(folder)
    numbers = range(150)
    (data / "people.csv").write_text("id,since,seen\n" + "".join(f"p{n},2005-01-01,2015-01-01\n" for n in numbers))
    lines = "".join(f'p{n},2010-01-01,"Mr. Carrow saw zyx{n}q on 12/14/2009, frail"\n' for n in numbers)
    (data / "notes.csv").write_text("patient,at,text\n" + lines)
    (data / "sick.csv").write_text("patient,at\n" + "".join(f"p{n},2010-05-01\n" for n in numbers if n % 3))
    (data / "ward.mapping.yaml").write_text(MAPPING)
    (data / "who.csv").write_text("id,number\n" + "".join(f"p{n},zyx{n}q\n" for n in numbers))
    opened = Home(folder)
    ingest(data / "ward.mapping.yaml", data, opened.timeline, opened.secret)
    return opened


def frozen(home: Home, rules: str = RULES) -> list[str]:
    """The texts of the rows that the node freezes once it has approved."""
    home.rules.write_text(rules)
    register, line = Register(home.database, utc_now), FakeLine(home)
    dispatch = dispatch_of(STUDY)
    Journey(home, line, register, Isolating(), utc_now).consider(Offer(dispatch=dispatch, study=STUDY))
    entry = register.entry(dispatch.id)
    assert entry is not None and entry.state == "approved", line.heard
    run = Runs(home, line, register, Isolating()).open(entry)  # type: ignore[arg-type]
    with pa.memory_map(str(run.folder.input / "rows.arrow")) as source:
        column = pa.ipc.open_file(source).read_all()[STUDY.features[0].name]
        return [bytes(row).rstrip(b"\0").decode() for row in column.to_pylist()]


def test_names_are_hidden_without_a_word(home: Home) -> None:
    texts = frozen(home)
    assert len(texts) == 150 and all(
        text.startswith("[NAME] saw zyx") and "q on [DATE], frail" in text for text in texts
    )


def test_what_the_node_has_on_file_of_a_patient_is_hidden_in_their_notes(home: Home, tmp_path: Path) -> None:
    take_identifiers(home, tmp_path / "data" / "who.csv")
    assert set(frozen(home)) == {"[NAME] saw [ID] on [DATE], frail"}


def test_a_site_may_leave_them_in_so_many_words(home: Home) -> None:
    texts = frozen(home, RULES + "notes: {as_written: i-accept-that-a-model-sees-names-in-notes}\n")
    assert all(text.startswith("Mr. Carrow saw zyx") and "12/14/2009" in text for text in texts)
