"""A rehearsal runs what a hospital would run, on people who do not exist, and says what a hospital would refuse."""

import subprocess
import sys
from random import Random

import pytest
from made_up_people import write_study

from rapha.records.dense import NoteFeature
from rapha.records.metrics import Count
from rapha.records.study import Study
from rapha.sdk.rehearsal import profiles_for, rehearse
from rapha.sdk.rehearsal.made_up_assets import give_assets
from rapha.sdk.study_file import read_study
from rapha.timeline.assets import Contents


@pytest.fixture
def study_of(tmp_path):
    def make(**changes):
        return read_study(write_study(tmp_path / "study.yaml", **changes))

    return make


def test_a_good_study_runs_to_its_end_at_every_made_up_site(study_of, tmp_path):
    study = study_of(rounds=2)
    done = rehearse(study, profiles_for(study), tmp_path / "run")
    assert [site.ok for site in done] == [True, True], [site.words for site in done]
    assert all(site.cohort and site.metrics and site.cohort.patients > 100 for site in done)
    assert {e.model for site in done if site.metrics for e in site.metrics.evaluations} == {"federated", "local"}


def test_the_same_rehearsal_again_makes_up_the_same_people(study_of, tmp_path):
    study = study_of(rounds=1)
    once, again = (rehearse(study, profiles_for(study)[:1], tmp_path / name) for name in ("a", "b"))
    assert once[0].cohort == again[0].cohort


def test_as_many_people_as_the_profile_tells_and_no_code_that_it_does_not_list(study_of, tmp_path):
    study = study_of()
    profile = profiles_for(study)[0]
    small = profile.model_copy(update={"patients": Count(about=200), "coverage": profile.coverage[:1]})
    done = rehearse(study, [small], tmp_path / "run")[0]
    assert (done.people, done.ok, done.reason) == (200, False, "unknown-concept")
    assert "nobody here has an event of" in str(done.words)


def test_a_cohort_nobody_can_be_in_is_refused_as_a_hospital_would(study_of, tmp_path):
    study = study_of(**{"age: {at_least: 18}": "age: {at_least: 130}"})
    done = rehearse(study, profiles_for(study), tmp_path / "run")
    assert {site.reason for site in done} == {"cohort-empty"}


def test_notes_are_made_up_that_say_what_a_study_asks(study_of, tmp_path):
    written = study_of(rounds=1).as_json()
    mention = {"phrases": ["gout", "heart failure"], "notes": ["hdl"], "about": ["family"], "polarity": ["negated"]}
    features = [*written["features"], {"any": "said", "during": {"until": "index"}}]
    said = {"concepts": written["concepts"] | {"said": {"mention": mention}}, "features": features}
    study = Study.model_validate(written | said | {"data": {"modalities": ["ehr", "text"]}})
    done = rehearse(study, profiles_for(study)[:1], tmp_path / "run")
    assert done[0].ok, done[0].words


@pytest.mark.parametrize("had", [{}, {"genotype": ["reference"]}])
def test_samples_are_made_up_that_were_called_where_a_study_asks(study_of, tmp_path, had):
    """One person in ten was never read: of them nothing is known, unless they carry one."""
    written = study_of(rounds=1).as_json()
    rule = {"variant": {"build": "GRCh38", "genes": ["BRCA1", "BRCA2"], "called": {"at_least": 0.9}} | had}
    features = [*written["features"], {"any": "lof", "during": {"until": "index"}}]
    said = {"concepts": written["concepts"] | {"lof": rule}, "features": features}
    study = Study.model_validate(written | said | {"data": {"modalities": ["ehr", "genomics"]}})
    done = rehearse(study, profiles_for(study)[:1], tmp_path / "run")
    assert done[0].ok, done[0].words
    assert done[0].cohort.set_apart["uncalled"] > 0 and done[0].metrics.set_apart["uncalled"] is not None


def rapha(*words):
    command = [sys.executable, "-m", "rapha.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_tells_and_judges(tmp_path):
    good = rapha("study", "rehearse", str(write_study(tmp_path / "good.yaml", rounds=1)))
    assert good.returncode == 0, good.stderr
    assert "would run at 2 of 2 sites" in good.stdout
    bad = write_study(tmp_path / "bad.yaml", **{"age: {at_least: 18}": "age: {at_least: 130}"})
    told = rapha("study", "rehearse", str(bad))
    assert told.returncode == 8
    assert "0 of 2 rehearsed sites could run made-up" in told.stderr and "Traceback" not in told.stderr


def test_several_arrays_are_made_up_where_a_study_reads_them(study_of, tmp_path):
    plain = study_of(rounds=1).as_json()
    dense = [{"note": "hdl", "during": {"until": "index"}, "at_most": 200}]
    dense += [{"image": "hdl", "during": {"until": "index"}, "shape": [8, 8], "spacing": [1, 1], "window": [0, 1]}]
    model = {"architecture": "late-fusion", "note": {"buckets": 64}, "image": {"channels": [4]}}
    study = Study.model_validate(
        plain
        | {"data": {"modalities": ["ehr", "text", "imaging"]}, "features": [*plain["features"], *dense], "model": model}
    )
    contents = Contents(tmp_path, "made-up", "b")
    system, code = next(iter(study.concepts["hdl"].written_codes()))
    give_assets(study, [{"system": system, "code": code, "subject_key": 1} for _ in range(40)], contents, Random(1))
    assert set(contents.table()["kind"].to_pylist()) == {"note", "volume"}
    done = rehearse(study, profiles_for(study)[:1], tmp_path / "run")
    assert done[0].ok, done[0].words


def test_notes_are_made_up_where_a_study_reads_them(study_of, tmp_path):
    study = study_of(rounds=1)
    note = NoteFeature.model_validate({"of": "hdl", "during": {"until": "index"}, "at_most": 200})
    reading = Study.model_validate(
        study.as_json()
        | {
            "data": {"modalities": ["ehr", "text"]},
            "features": [*study.as_json()["features"], note.as_json()],
            "model": {"architecture": "text-classifier", "buckets": 64},
        }
    )
    done = rehearse(reading, profiles_for(reading)[:1], tmp_path / "run")
    assert done[0].ok, done[0].words
