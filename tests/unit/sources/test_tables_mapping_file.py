"""A mapping with a mistake is refused by file, line and key, with the nearest word."""

import pytest

from rapha.errors import ConfigurationError
from rapha.sources import source_of
from rapha.sources.tables import Mapping, ingest
from rapha.timeline.mapping_file import parse_mapping, read_mapping

MAPPING = """\
source: ward
origin: 2000-01-01
subjects:
  file: people.csv
  id: id
  birth: {age: age, at: {day: 0}}
  sex: {column: sex, values: {1: male, 0: female}}
observation:
  start: [first event, {day: 0}]
  end: {days: futime}
events:
  - file: labs.csv
    id: patient
    kind: measurement
    time: {column: taken, zone: Europe/Berlin}
    available: same
    system: local
    code: {column: test}
    value: value
"""


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            "source: ward",
            "source: The Ward",
            "m.yaml:1: source: expected lower-case letters, digits and hyphens, at most 63",
        ),
        ("source: ward\n", "", "m.yaml:1: `source` is missing"),
        (
            "    kind: measurement",
            "    kind: labs",
            "m.yaml:14: events.0.kind: expected one of: measurement, condition",
        ),
        ("    available: same\n", "", "m.yaml:12: events.0: `available` is missing"),
        (
            "available: same",
            "available: later",
            "m.yaml:16: events.0.available: expected 'same', or a time such as {column: reported}",
        ),
        ("    value: value", "    valeu: value", "m.yaml:19: events.0.valeu: no such key; did you mean `value`?"),
        ("{day: 0}}", "{dya: 0}}", "m.yaml:6: subjects.birth.at: a time reads like"),
        ("{day: 0}}", "{day: soon}}", "m.yaml:6: subjects.birth.at.day: "),
        ("1: male", "1: man", "m.yaml:7: subjects.sex.values.1: expected one of: female, male, other"),
        ("first event", "last event", "m.yaml:9: observation.start.0: expected 'first event'"),
        ("  end: {days: futime}", "  end: futime", "m.yaml:10: observation.end: a time reads like"),
        ("code: {column: test}", "{}", ": not readable as YAML"),
        ("    code: {column: test}\n", "", "m.yaml:12: events.0: events have either `code` or `wide`"),
        ("value: value", "wide: [{column: a, code: b}]", "m.yaml:12: events.0: events have either `code` or `wide`"),
        ("origin: 2000-01-01\n", "", "so `origin: 2000-01-01` must say what day 0 is"),
        ("origin: 2000-01-01", "origin: someday", "m.yaml:2: origin: "),
        ("  id: id\n", "  id: id\n  id: id\n", "m.yaml:6: the key `id` is there twice"),
        ("  file: people.csv", "  ? [file]\n  : people.csv", "m.yaml:4: a key that is no word"),
        ("{1: male, 0: female}", "none", "m.yaml:7: subjects.sex.values: expected keys with values"),
        ("{column: test}\n    value: value", "{column: test}\n    value: [a]", "m.yaml:19: events.0.value"),
        ("events:\n", "units: mg\nevents:\n", "m.yaml:11: units: expected a list"),
        ("file: labs.csv", "file: ../labs.csv", "m.yaml:12: events.0.file: "),
    ],
)
def test_mistakes(right, wrong, message):
    assert right in MAPPING
    with pytest.raises(ConfigurationError) as refused:
        parse_mapping(MAPPING.replace(right, wrong, 1), "m.yaml", Mapping)
    assert message in str(refused.value)


def test_every_mistake_is_told_at_once():
    wrong = MAPPING.replace("kind: measurement", "kind: x").replace("source: ward", "source: W")
    with pytest.raises(ConfigurationError) as refused:
        parse_mapping(wrong, "m.yaml", Mapping)
    assert [line.split(":")[1] for line in str(refused.value).splitlines()] == ["1", "14"]


def test_numbers_and_words_of_cells_are_taken_as_written():
    assert parse_mapping(MAPPING, "m.yaml", Mapping).subjects.sex.values == {"1": "male", "0": "female"}
    odd = MAPPING.replace("1: male, 0: female", "01: male, no: female, 1.0: other")
    assert parse_mapping(odd, "m.yaml", Mapping).subjects.sex.values == {"01": "male", "no": "female", "1.0": "other"}
    yes = MAPPING.replace("code: {column: test}", "code: 007").replace("system: local", "system: true")
    assert (
        parse_mapping(yes, "m.yaml", Mapping).events[0].code,
        parse_mapping(yes, "m.yaml", Mapping).events[0].system,
    ) == (
        "007",
        "true",
    )


@pytest.mark.parametrize(
    "text", ["", "- a", "just a word", "a: [", "a: \x01", "&a [*a]", "? [a]\n: b", "a: !!python/object:os.system x"]
)
def test_what_is_no_mapping(text):
    with pytest.raises(ConfigurationError, match=r"m\.yaml"):
        parse_mapping(text, "m.yaml", Mapping)


def test_a_file_that_would_grow_when_it_is_read():
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    with pytest.raises(ConfigurationError, match="more than 20000 values"):
        parse_mapping(bomb, "m.yaml", Mapping)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_mapping(tmp_path / "none.yaml", Mapping)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_mapping(tmp_path / "bytes.yaml", Mapping)


def test_a_zone_that_is_none(hospital):
    hospital.mapping = hospital.mapping.replace("{column: taken}", "{column: taken, zone: Europe/Berln}")
    with pytest.raises(ConfigurationError, match="'Europe/Berln' is not known; did you mean Europe/Berlin"):
        hospital.ingest()


@pytest.mark.parametrize("line", ["", "format: tables\n"])
def test_the_format_names_the_source(tmp_path, line):
    (tmp_path / "m.yaml").write_text(line + MAPPING)
    assert source_of(tmp_path / "m.yaml") is ingest


@pytest.mark.parametrize(("word", "said"), [("tabels", "did you mean `tables`"), ("[a]", "one of .*tables")])
def test_a_format_nobody_reads_is_refused(tmp_path, word, said):
    (tmp_path / "m.yaml").write_text(f"format: {word}\n{MAPPING}")
    with pytest.raises(ConfigurationError, match=said):
        source_of(tmp_path / "m.yaml")
