"""The log's second key, of ML-DSA-44: made and kept with the first, shown to readers, asked for by who wants it."""

from pathlib import Path

import pytest
from hub_at_hand import Clock, running
from test_hub_own_keys import delivered, north, of_role, wrong
from test_hub_site_keys import listed

from rapha.errors import ConfigurationError
from rapha.hub.log_keys import LogKeys, completed, made, read_log_keys
from rapha.proof import lasting
from rapha.records.wire import TrustedKeys, Window

ASKED = {"log_ml_dsa": True}


def as_before(home: Path) -> bytes:
    """The home's log key as a hub of an earlier version left it; its bytes."""
    alone = LogKeys(read_log_keys(home / "log-key.pem").private, None).as_pem()
    (home / "log-key.pem").write_bytes(alone)
    return alone


def test_a_reader_who_asks_for_it_is_shown_it(tmp_path: Path, clock: Clock, study_of) -> None:
    with running(tmp_path / "hub", clock) as hub:
        north(hub).join()
        folder = delivered(hub, study_of, tmp_path / "model")
        known = listed(hub)
    (second,) = of_role(known, lasting.ROLE_OF_LOG)
    asked = known.model_copy(update=ASKED)
    assert wrong(folder, known) == wrong(folder, asked) == []
    assert second in TrustedKeys.from_bytes((folder / "receipts" / "keys.json").read_bytes()).keys

    def having(key: object) -> TrustedKeys:
        return asked.model_copy(
            update={"keys": tuple(key if one is second else one for one in known.keys if one and key)}
        )

    stranger = made().trusted(second.owner)[1]
    for other, step in (
        (stranger, 14),
        (second.model_copy(update={"owner": "log.example/other"}), 14),
        (second.model_copy(update={"keyid": stranger.keyid}), 14),
        (second.model_copy(update={"window": Window(end="2026-11-01T00:00:00Z")}), 18),
    ):
        assert {number for _, number in wrong(folder, having(other))} == {step}


def test_a_home_of_before_has_one_from_its_next_start_on(tmp_path: Path, clock: Clock, study_of) -> None:
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        north(hub).join()
    alone = as_before(home)
    with running(home, clock) as hub:
        folder = delivered(hub, study_of, tmp_path / "model")
        known = listed(hub).model_copy(update=ASKED)
    assert wrong(folder, known) == []
    kept = (home / "log-key.pem").read_bytes()
    assert kept.startswith(alone) and (home / "log-key.pem").stat().st_mode & 0o777 == 0o600
    with running(home, clock):
        assert (home / "log-key.pem").read_bytes() == kept


@pytest.mark.parametrize(
    "spoil", [lambda pem: pem[:-30], lambda pem: pem + b"more", lambda pem: b"", lambda pem: pem * 2]
)
def test_a_file_that_was_spoilt_is_never_taken_for_one_without_a_second(tmp_path: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "log-key.pem"
    file.write_bytes(spoil(made().as_pem()))
    with pytest.raises(ConfigurationError, match="not as the hub wrote it"):
        completed(file)
