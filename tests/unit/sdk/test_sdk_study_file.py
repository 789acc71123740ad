"""Wrong study files, and the exact sentence each gets."""

import re
from pathlib import Path

import delivered_sample as sample
import pytest

import rapha
from rapha.errors import Conflict, NotYetPossible, StudyError
from rapha.sdk.study_file import LIMIT_BYTES, parse_study, read_study, write_template

GOOD = (sample.CHECKOUT / "examples/diabetes-within-5-years/study.yaml").read_text()
TO_DEATH = (sample.CHECKOUT / "examples/time-to-death/study.yaml").read_text()
AGE = "{age: {at_least: 18}}"
HDL = "{last: hdl,         during: {until: index, for: 2 years}}"

WRONG = [
    # keys
    ("at_least: 18", "atleast: 18", "18: cohort.include[0].age: unknown key 'atleast'; did you mean 'at_least'?"),
    ("privacy:", "priwacy:", "39: unknown key 'priwacy'; did you mean 'privacy'?"),
    ("outcome:\n", "outcomes:\n", "21: unknown key 'outcomes'; did you mean 'outcome'?"),
    ("{until: index}", "{untill: index}", "19: cohort.include[1].during: unknown key 'untill'; did you mean 'until'?"),
    (HDL, HDL.replace("last", "lst"), "29: features[1]: unknown key 'lst'; did you mean 'last'?"),
    ("{first: [chol", "{frst: [chol", "16: cohort.index: unknown key 'frst'; did you mean 'first'?"),
    (AGE, "{age: {at_least: 18}, zz: 1}", "18: cohort.include[0]: unknown key 'zz'; known here: at_least and at_most"),
    (AGE, "{any_of: [hdl]}", "18: cohort.include[0]: the key 'during' is missing: say in which time, such as `during: {until: index,"
     " for: 1 year}` before the index, or `{from: index, for: 1 year}` after it"),
    (AGE, "{any_of: [hdl], during: {until: index}, value: {above: 2}}", "18: cohort.include[0].value: the key 'unit' is missing: say"
     " in which unit, such as `unit: mg/dL`; `unit: any` takes numbers whatever their unit"),
    (AGE, "{any_of: [hdl], during: {from: index, until: 1 day before index}}", "18: cohort.include[0].during: a window from index"
     " until 1 days before index ends before it begins, whatever the patient: nothing can be in it"),
    (AGE, "{any_of: [hdl], during: {from: next hdl, until: index}}", "18: cohort.include[0].during: a window from next hdl until"
     " index ends before it begins, whatever the patient: nothing can be in it"),
    ("first: [cholesterol, hdl]", "first: [death]", "16: cohort.index: `death` cannot be the index: nobody is observed after it, so"
     " no outcome can follow"),
    (AGE, "{any_of: [diabetes], during: {until: index, for: 1 year}}", "19: cohort.include[1]: no patient can meet this and what"
     " cohort.include[0] says: one needs a record of `diabetes`, the other allows none in that same time; leave one out, or give it"
     " another time"),
    (AGE, "{and: [{any_of: [hdl], during: {until: index}}, {none_of: [hdl], during: {until: index}}]}", "18: cohort.include[0]: no"
     " patient can meet this and what else is asked here: one needs a record of `hdl`, the other allows none in that same time; leave"
     " one out, or give it another time"),
    ("  unobserved: exclude ", "  # ", "21: outcome: the key 'unobserved' is missing: say what becomes of who is not watched to the end"
     " of the window; `unobserved: exclude` sets them apart as unknown, not well, and `unobserved: censor` is for a time to an event"),
    ("split: ", "study: again\nsplit: ", "38: the key 'study' is here twice, first in line 1"),
    ("split: ", "7: again\nsplit: ", "38: the key '7' is not a word; write it in quotes"),
    # words of a closed set
    ("mlp,", "mpl,", "36: model: 'mpl' is not known here; did you mean 'mlp'?"),
    ("architecture: mlp, ", "", "36: model: the key 'architecture' is missing; it is one of logistic, linear, mlp, cox,"
     " deep-survival, gru, text-classifier, image-classifier, variant-classifier, segmenter, gwas, late-fusion, exported, script or causal-lora"),
    ("aggregation: fedavg", "aggregation: {mu: 0.1}", "37: training.aggregation: the key 'kind' is missing; it is one of fedprox, fedavgm,"
     " fedadam, fedyogi, median, trimmed-mean, norm-clip, scaffold or sum"),
    ("{demographic: age}", "{demographic: agee}", "33: features[5].demographic: 'agee' is not known here; did you mean"
     " 'age'?"),
    (AGE, "{sex: femal}", "18: cohort.include[0].sex: 'femal' is not known here; did you mean 'female'?"),
    ("weights, metrics]", "weights, rows]", "41: release[1]: 'rows' is not known here; expected weights or metrics"),
    # concepts
    ("event: diabetes", "event: diabete", "22: outcome.event: the concept 'diabete' is not declared under concepts; did"
     " you mean 'diabetes'?"),
    ("none_of: [diabetes]", "none_of: [zz]", "19: cohort.include[1].none_of[0]: the concept 'zz' is not declared under"
     " concepts"),
    ("concepts:\n", "concepts:\n  death: {system: local, codes: [x]}\n", "8: concepts.death: `death` is built in: it"
     " cannot be declared as a concept"),
    ("codes: [chol]", "codes: [44054006]", "8: concepts.cholesterol.codes[0]: expected text (put a number in quotes);"
     " found 44054006"),
    ("codes: [chol]", "codes: chol", "8: concepts.cholesterol.codes: expected a list, such as [a, b]; found 'chol'"),
    # types and ranges
    ("rounds: 20", "rounds: '20x'", "37: training.rounds: expected a whole number; found '20x'"),
    ("rounds: 20", "rounds: 2.5", "37: training.rounds: expected a whole number; found 2.5"),
    ("rounds: 20", "rounds: .nan", "37: training.rounds: expected a finite number; found nan"),
    ("rounds: 20", "rounds: true", "37: training.rounds: this key does not take true; if a word is meant, write it in quotes"),
    ("rounds: 20", "rounds: " + "9" * 5000, f"37: training.rounds: expected a whole number; found '{'9' * 60}'"),
    ("0.003", "yes", "37: training.learning_rate: expected a number; found 'yes'"),
    ("min_cohort: 25", "min_cohort: 5", "39: privacy.min_cohort: 5 is out of range: at least 10"),
    ("[32, 16]", "[]", "36: model.hidden: too short: at least 1"),
    ("study: diab", "study: Diab", "1: study: 'Diabetes-within-5-years' is not lower-case letters, digits and hyphens,"
     " at most 63"),
    ("DUO:0000006", "GRU", "4: purpose.data_use[0]: 'GRU' is not a Data Use Ontology term such as DUO:0000006"),
    ("for: 5 years", "for: 5 yeers", "23: outcome.during.for: a duration reads like '30 days', '6 months' or"
     " '5 years'"),
    ("{until: index}", "last year", "19: cohort.include[1].during: expected keys under it (until, before, from and"
     " for); found 'last year'"),
    ("{architecture: mlp, hidden: [32, 16]}", "mlp", "36: model: expected keys under it (architecture); found 'mlp'"),
    (AGE, "{age: 18}", "18: cohort.include[0].age: expected at_least and at_most under it, as in {at_least: ...}"),
    (AGE, "{observed: 2 years}", "18: cohort.include[0].observed: expected before under it, as in {before: ...}"),
    (AGE, "3", "18: cohort.include[0]: expected a mapping, such as {key: value}; found 3"),
    # what does not go together
    (AGE, "{age: {at_least: 70, at_most: 60}}", "18: cohort.include[0].age: at_least is above at_most: nobody can have"
     " this age"),
    (AGE, "{any_of: [hdl], none_of: [hdl], during: {until: index}}", "18: cohort.include[0]: a criterion has one of:"
     " age, sex, observed, within, any_of, all_of, none_of, and, or, not; here are any_of and none_of"),
    ("architecture: mlp, hidden: [32, 16]", "architecture: cox", "36: model: `cox` learns a time-to-event outcome; the"
     " outcome is binary, which is learnt by logistic, mlp, gru, text-classifier, image-classifier,"
     " variant-classifier, gwas, late-fusion, exported, script, causal-lora"),
    ("competing: death", "competing: diabetes", "21: outcome: the competing event is the outcome itself"),
    ("unobserved: exclude", "unobserved: censor", "21: outcome: a binary outcome needs `unobserved: exclude`"),
    (HDL, "{last: hdl, during: {from: index}}", "29: features[1]: a feature may not look past the index: use until or"
     " before, and end at the index, before it, at the start of the encounter or at the last event of a concept"),
    (HDL, "{slope: hdl, during: {until: index}}", "29: features[1]: a slope, and only a slope, has `per: day` or `per:"
     " year`"),
    ("{first: [chol", "{evry: [chol", "16: cohort.index: unknown key 'evry'; did you mean 'every'?"),
    ("from: index", "from: encounter", "23: outcome.during.from: a moment reads like 'index', '24 hours after index',"
     " 'encounter start', 'encounter end', 'next stroke' or 'last surgery', where stroke and surgery are concepts; not"
     " 'encounter'"),
    (AGE, "{any_of: [hdl], during: {until: encounter start}}", "18: cohort.include[0]: a window at an encounter needs"
     " `encounter: [...]` under cohort: the concepts that are stays"),
    (AGE, "{any_of: [hdl], during: {until: last hdk}}", "18: cohort.include[0]: the concept `hdk` is not declared under"
     " concepts; did you mean 'hdl'?"),
    (AGE, "{or: [{none_of: [hdk], during: {until: index}}]}", "18: cohort.include[0].or[0].none_of[0]: the concept"
     " 'hdk' is not declared under concepts; did you mean 'hdl'?"),
    ("  event: diabetes", "  event: {rise: diabete, unit: any, ratio: 2, within: 1 day}", "22: outcome.event.rise: the"
     " concept 'diabete' is not declared under concepts; did you mean 'diabetes'?"),
    ("  event: diabetes", "  event: {rise: diabetes, ratio: 2, within: 1 day}", "22: outcome.event: the key 'unit' is"
     " missing: say in which unit, such as `unit: mg/dL`; `unit: any` takes numbers whatever their unit"),
    ("  event: diabetes", "  kind: numeric\n  event: diabetes", "21: outcome: a numeric outcome is given by `value`, and"
     " by nothing else"),
    ("  event: diabetes", "  kind: numeric\n  value: {slope: hdl, unit: any}", "23: outcome.value: a slope, and only a slope,"
     " has `per: day` or `per: year`"),
    ("  event: diabetes", "  kind: numeric\n  value: {last: hdl, unit: any, per: year}", "23: outcome.value: a slope, and only a"
     " slope, has `per: day` or `per: year`"),
    ("  event: diabetes", "  kind: categorical\n  events: [diabetes, diabetes]", "21: outcome: a categorical outcome chooses"
     " between two events or more, each once"),
    ("{demographic: sex}", "{demographic: age}", "27: features: `age` is asked for twice"),
    # not the YAML that is read
    ("  index:", "\tindex:", "16: a tab where spaces belong; indent with two spaces"),
    ("[DUO:0000006]", "&a [DUO:0000006]", "4: anchors and aliases (&a, *a) are not read: write it out"),
    ("rounds: 20", "rounds: !!python/name:os.system 20", "37: the tag 'tag:yaml.org,2002:python/name:os.system' is not"
     " read: leave it out"),
]  # fmt: skip

NOT_YET = [
    ("min_cohort: 25", "min_cohort: 25, secure_aggregation: true", "39: privacy: secure aggregation is"),
    ("min_cohort: 25", "min_cohort: 25, secure_aggregation: true", "39: privacy: secure aggregation is"),
    ("architecture: mlp", "architecture: transformer", "36: model: the architecture `transformer` is"),
    ("fedavg", "krum", "37: training: the aggregation `krum` is"),
]  # fmt: skip


def refusal(text: str) -> str:
    with pytest.raises(StudyError) as raised:
        parse_study(text)
    return str(raised.value)


@pytest.mark.parametrize(("right", "wrong", "said"), WRONG, ids=[row[2][:50] for row in WRONG])
def test_a_wrong_file_is_told_line_key_and_nearest_word(right: str, wrong: str, said: str) -> None:
    assert right in GOOD
    assert refusal(GOOD.replace(right, wrong, 1)) == f"study.yaml:{said}"


@pytest.mark.parametrize(("right", "wrong", "said"), NOT_YET, ids=[row[2] for row in NOT_YET])
def test_what_is_not_yet_possible_is_refused_by_name(right: str, wrong: str, said: str) -> None:
    assert right in GOOD
    with pytest.raises(NotYetPossible) as raised:
        parse_study(GOOD.replace(right, wrong, 1))
    assert f"study.yaml:{said} not yet possible in this version" in str(raised.value).splitlines()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: the file is empty; `rapha study new` writes one to start from"),
        ("# only a comment\n", "1: the file is empty; `rapha study new` writes one to start from"),
        ("- a\n- b\n", "1: expected keys such as `study:` and `cohort:` at the top"),
        ("seventeen\n", "1: expected keys such as `study:` and `cohort:` at the top"),
        ("a: 1\n---\nb: 2\n", "2: a second document starts here (---); a study file holds one study"),
        ("a: \x01\n", "1: a character that YAML does not allow; save the file as plain text"),
        ("a: " + "[" * 30, "1: nested deeper than 20 levels; no study needs that"),
    ],
)
def test_what_is_no_study_at_all(text: str, said: str) -> None:
    assert refusal(text) == f"study.yaml:{said}"


def test_a_bracket_left_open_is_told_with_its_line() -> None:
    assert refusal(GOOD.replace("[ehr]", "[ehr")).startswith("study.yaml:5: not readable as YAML: ")


def test_every_fault_of_a_file_is_listed_in_the_order_of_lines() -> None:
    text = GOOD
    for right, wrong in [("at_least: 18", "atleast: 18"), ("event: diabetes", "event: diabete"), ("mlp,", "mpl,")]:
        text = text.replace(right, wrong, 1)
    text = text.replace("min_cohort: 25", "min_cohort: 1").replace("DUO:0000006", "GRU")
    assert [line.split(":")[1] for line in refusal(text).splitlines()] == ["4", "18", "22", "36", "39"]


def test_no_message_speaks_of_pydantic() -> None:
    for right, wrong, _ in WRONG:
        text = GOOD.replace(right, wrong, 1)
        try:
            parse_study(text)
        except StudyError as error:
            assert not re.search(
                r"input should|extra inputs|validation|tuple|dictionary|\{\{", str(error), re.IGNORECASE
            )


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in refusal(GOOD.replace("study: diab", 'study: "\\e[31mdiab"', 1))
    assert "\x1b" not in refusal(GOOD.replace("concepts:\n", 'concepts:\n  "\\e[31m": 3\n', 1))


def test_both_examples_are_read(tmp_path: Path) -> None:
    assert parse_study(GOOD).study == "diabetes-within-5-years"
    assert parse_study(TO_DEATH).outcome.kind == "time-to-event"


def test_a_file_with_a_byte_order_mark_and_windows_lines_is_read(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert read_study(path) == parse_study(GOOD)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a: \xff\n", ":1: not UTF-8 text; save the file as UTF-8"),
        (b"#" * (LIMIT_BYTES + 1), " is larger than 1 MiB; a study file is a page or two of text"),
    ],
)
def test_files_that_are_not_read_as_text(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(data)
    with pytest.raises(StudyError) as raised:
        read_study(path)
    assert str(raised.value) == f"{path}{said}"


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="cannot be read: No such file"):
        read_study(tmp_path / "none.yaml")
    with pytest.raises(StudyError, match="is a folder; name the study file in it"):
        read_study(tmp_path)


def test_the_template_is_a_study_of_that_name(tmp_path: Path) -> None:
    write_template(tmp_path / "mine.yaml", "mine")
    assert read_study(tmp_path / "mine.yaml").study == "mine"
    with pytest.raises(Conflict, match="already there"):
        write_template(tmp_path / "mine.yaml", "mine")
    with pytest.raises(StudyError, match="lower-case letters"):
        write_template(tmp_path / "other.yaml", "Not A Name")
    assert not (tmp_path / "other.yaml").exists()


def test_a_study_is_built_in_python_from_the_short_forms() -> None:
    study = rapha.Study(
        study="diabetes",
        purpose={"sentence": "Predict new diabetes.", "data_use": ["DUO:0000006"]},
        data={"modalities": ["ehr"]},
        concepts={"hdl": {"system": "local", "codes": ["hdl"]}, "diabetes": {"system": "local", "codes": ["dm"]}},
        cohort={"index": {"first": ["hdl"]}, "include": [{"age": {"at_least": 18}}]},
        outcome={"event": "diabetes", "during": {"from": "index", "for": "5 years"}, "unobserved": "exclude"},
        features=[{"last": "hdl", "during": {"until": "index"}}],
        model={"architecture": "logistic"},
    )
    assert study.features[0].name == "last_hdl_until_ever"
