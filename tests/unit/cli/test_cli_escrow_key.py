"""Which of a hospital's keys a deposit goes by."""

from pathlib import Path

import record_samples as made_up

from rapha.cli.escrow import _key_of
from rapha.proof import keys
from rapha.records.wire import TrustedKeys, Window


def test_of_a_hospital_that_went_over_to_another_key_it_is_the_one_without_an_end(tmp_path: Path) -> None:
    old = made_up.trusted("north").model_copy(update={"window": Window(end="2026-11-24T08:00:00Z")})
    new = made_up.trusted("next north").model_copy(update={"owner": "north"})
    path = tmp_path / "keys.json"
    path.write_bytes(TrustedKeys(keys=(old, new)).as_bytes())
    assert keys.keyid(_key_of(path, "north")) == new.keyid
