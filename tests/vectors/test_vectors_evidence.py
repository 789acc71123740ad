"""Every way in which hardware evidence can be wrong is refused for what is wrong with it; what holds is T2 of a trusted launch alone."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from evidence_samples import HOLDING, REFUSED, SAMPLES

from rapha.canonical import base64_bytes
from rapha.errors import Unproven
from rapha.proof.evidence.amd import Root, Sound, amd_roots
from rapha.proof.evidence.appraise import Roots, check_evidence, trusted_launch
from rapha.records.evidence import Evidence, TrustedLaunches

FILES = Path(__file__).resolve().parent / "evidence"


def read(name: str) -> dict[str, Any]:
    return dict(json.loads((FILES / f"{name}.json").read_bytes()))


def checked(value: dict[str, Any], roots: tuple[Root, ...] | None = None) -> Sound:
    given = tuple(Root(one["line"], base64_bytes(one["certificate"])) for one in value["roots"])
    evidence, at = Evidence.model_validate(value["evidence"]), datetime.fromisoformat(value["at"])
    sound = check_evidence(evidence, value["statement"].encode(), at, Roots(amd=roots or given)).processor
    assert isinstance(sound, Sound)
    return sound


def test_there_is_a_file_for_each() -> None:
    assert {path.stem for path in FILES.iterdir()} == set(SAMPLES)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_for_that(name: str) -> None:
    value = read(name)
    with pytest.raises(Unproven) as refused:
        checked(value)
    assert str(refused.value).startswith(value["expected"]["why"])


@pytest.mark.parametrize("name", HOLDING)
def test_what_holds_is_tier_2_of_a_trusted_launch_alone(name: str) -> None:
    value = read(name)
    sound, trusted = checked(value), TrustedLaunches.model_validate({"launches": value["launches"]})
    if value["expected"]["tier"] == "T2":
        assert trusted_launch(sound, trusted).name == "a made-up launch"
    else:
        with pytest.raises(Unproven) as refused:
            trusted_launch(sound, trusted)
        assert str(refused.value).startswith(value["expected"]["why"])


@pytest.mark.parametrize("name", HOLDING)
def test_a_made_up_root_is_not_one_of_amds(name: str) -> None:
    with pytest.raises(Unproven, match="is broken: a signature does not fit"):
        checked(read(name), amd_roots())
