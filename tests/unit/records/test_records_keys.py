"""A keys file is asked by role and by id, and another one made of it answers for itself."""

import record_samples as made_up

from rapha.records.wire import TrustedKeys

HUB, NORTH, SOUTH = made_up.trusted("example-hub", "hub"), made_up.trusted("north"), made_up.trusted("south")


def test_keys_are_found_by_role_and_by_id_in_their_order() -> None:
    known = TrustedKeys(keys=(SOUTH, HUB, NORTH, NORTH))
    assert known.of_role("node") == (SOUTH, NORTH, NORTH)
    assert known.of_role("witness") == ()
    assert known.of_id(NORTH.keyid) == (NORTH, NORTH)
    assert known.of_id("") == ()


def test_a_copy_with_other_keys_finds_those() -> None:
    known = TrustedKeys(keys=(HUB, NORTH))
    assert known.of_role("node") == (NORTH,)
    assert known.of_id(NORTH.keyid) and known.digest
    other = known.model_copy(update={"keys": (HUB, SOUTH)})
    assert other.of_role("node") == (SOUTH,)
    assert not other.of_id(NORTH.keyid)
    assert other.digest == TrustedKeys(keys=(HUB, SOUTH)).digest != known.digest
    assert other == TrustedKeys(keys=(HUB, SOUTH)), "what was worked out is no part of it"
