"""Every way in which a device's report can be wrong is refused for what is wrong with it; what holds is T2 of a trusted machine with trusted devices alone."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from gpu_samples import HOLDING, REFUSED, SAMPLES

from rapha.canonical import base64_bytes
from rapha.errors import Unproven
from rapha.proof.evidence.amd import Root
from rapha.proof.evidence.appraise import Held, Roots, check_evidence, trusted_launches
from rapha.proof.evidence.nvidia.check import nvidia_root
from rapha.records.evidence import Evidence, TrustedLaunches

FILES = Path(__file__).resolve().parent / "evidence-devices"


def read(name: str) -> dict[str, Any]:
    return dict(json.loads((FILES / f"{name}.json").read_bytes()))


def checked(value: dict[str, Any], nvidia: bytes | None = None) -> Held:
    given = value["roots"]
    amd = tuple(Root(one["line"], base64_bytes(one["certificate"])) for one in given["amd"])
    roots = Roots(amd, base64_bytes(given["intel"]), nvidia or base64_bytes(given["nvidia"]))
    evidence, at = Evidence.model_validate(value["evidence"]), datetime.fromisoformat(value["at"])
    return check_evidence(evidence, value["statement"].encode(), at, roots)


def test_there_is_a_file_for_each() -> None:
    assert {path.stem for path in FILES.iterdir()} == set(SAMPLES)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_for_that(name: str) -> None:
    value = read(name)
    with pytest.raises(Unproven) as refused:
        checked(value)
    assert str(refused.value).startswith(value["expected"]["why"])


@pytest.mark.parametrize("name", HOLDING)
def test_what_holds_is_tier_2_of_a_trusted_state_alone(name: str) -> None:
    value = read(name)
    held, trusted = checked(value), TrustedLaunches.model_validate({"launches": value["launches"]})
    if value["expected"]["tier"] == "T2":
        assert [one.name for one in trusted_launches(held, trusted)][1:] == ["a made-up GPU"] * len(held.devices)
    else:
        with pytest.raises(Unproven) as refused:
            trusted_launches(held, trusted)
        assert str(refused.value).startswith(value["expected"]["why"])


@pytest.mark.parametrize("name", HOLDING)
def test_a_made_up_root_is_not_nvidias(name: str) -> None:
    with pytest.raises(Unproven, match="does not begin at the root of NVIDIA"):
        checked(read(name), nvidia_root())
