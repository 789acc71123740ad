"""Lists of changes of keys, as golden files: what is followed and to which windows, what is refused and why."""

import json
from pathlib import Path
from typing import Any

import key_change_samples
import pytest

from rapha.errors import Unproven
from rapha.records.key_change import KeyChanges
from rapha.sdk.folder import read_key_changes

HERE = Path(__file__).resolve().parent / "key-changes"
EXPECTED: dict[str, Any] = json.loads((HERE / "expected.json").read_bytes())


def listed(name: str) -> KeyChanges:
    return read_key_changes(HERE / f"{name}.json")


@pytest.mark.parametrize("name", key_change_samples.GOOD)
def test_what_is_followed(name: str) -> None:
    assert key_change_samples.changed(listed(name)) == EXPECTED[name]["changed"]


@pytest.mark.parametrize("name", [*key_change_samples.REFUSED, key_change_samples.NAMED_TWICE])
def test_what_is_refused_and_why(name: str) -> None:
    with pytest.raises(Unproven) as refused:
        key_change_samples.changed(listed(name))
    assert EXPECTED[name]["refused"] in str(refused.value)


def test_no_list_is_left_out() -> None:
    assert {path.stem for path in HERE.iterdir()} == {*EXPECTED, "expected"}
    assert set(EXPECTED) == {*key_change_samples.GOOD, *key_change_samples.REFUSED, key_change_samples.NAMED_TWICE}
