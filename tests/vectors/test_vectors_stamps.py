"""Proofs of OpenTimestamps as golden files: what holds, what does not, and why; and public ones that others made."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import stamp_samples

from rapha.errors import ConfigurationError, Unproven
from rapha.proof.anchor.bitcoin import EASIEST_IN_TESTS, Stamped, check_stamp, read_header
from rapha.proof.anchor.opentimestamps import APPEND, Branch, Step, read_stamp

HERE = Path(__file__).resolve().parent
EXPECTED: dict[str, Any] = json.loads((HERE / "stamps" / "expected.json").read_bytes())
PUBLIC: dict[str, Any] = json.loads((HERE / "public_stamps" / "proofs.json").read_bytes())


def judged(name: str) -> Stamped:
    case = json.loads((HERE / "stamps" / f"{name}.json").read_bytes())
    stamp = read_stamp(bytes.fromhex(case["proof"]))
    return check_stamp(case["checkpoint"].encode(), stamp, read_header(case["header"], EASIEST_IN_TESTS))


@pytest.mark.parametrize("name", stamp_samples.GOOD)
def test_a_good_proof_shows_the_block(name: str) -> None:
    shown = judged(name)
    assert {"height": shown.height, "time": int(shown.header.time.timestamp())} == EXPECTED[name]["shown"]


@pytest.mark.parametrize("name", stamp_samples.WRONG)
def test_a_wrong_proof_shows_nothing_and_why(name: str) -> None:
    with pytest.raises((Unproven, ConfigurationError)) as refused:
        judged(name)
    assert EXPECTED[name]["refused"] in str(refused.value)


def test_a_public_proof_leads_to_bitcoins_block() -> None:
    case = PUBLIC["hello-world"]
    data, stamp = bytes.fromhex(case["file"]), read_stamp(bytes.fromhex(case["proof"]))
    shown = check_stamp(data, stamp, read_header(case["header"]))
    said = (shown.height, shown.header.name, f"{shown.header.time:%Y-%m-%dT%H:%M:%SZ}")
    assert said == (case["height"], case["block"], case["time"])
    with pytest.raises(Unproven, match="of another file"):
        check_stamp(data + b"\n", stamp, read_header(case["header"]))


def test_a_public_proof_that_waits_names_its_calendar() -> None:
    stamp = read_stamp(bytes.fromhex(PUBLIC["incomplete"]["proof"]))
    assert stamp.calendars == (PUBLIC["incomplete"]["calendar"],)
    with pytest.raises(Unproven, match="is pending: no block yet, a promise alone of https://alice"):
        check_stamp(bytes.fromhex(PUBLIC["incomplete"]["file"]), stamp, read_header(PUBLIC["hello-world"]["header"]))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_proof_is_written_as_the_others_write_it(name: str) -> None:
    assert read_stamp(bytes.fromhex(PUBLIC[name]["proof"])).as_bytes().hex() == PUBLIC[name]["proof"]


@pytest.mark.parametrize("name", stamp_samples.GOOD)
def test_a_forked_proof_is_written_as_it_was_read(name: str) -> None:
    proof = json.loads((HERE / "stamps" / f"{name}.json").read_bytes())["proof"]
    assert read_stamp(bytes.fromhex(proof)).as_bytes().hex() == proof


@pytest.mark.parametrize("name", ["address-empty", "address-with-an-escape", "height-too-large"])
def test_what_is_malformed_is_refused_when_it_is_read(name: str) -> None:
    proof = json.loads((HERE / "stamps" / f"{name}.json").read_bytes())["proof"]
    with pytest.raises(Unproven):
        read_stamp(bytes.fromhex(proof))


def test_nothing_is_written_that_would_not_be_read() -> None:
    many = read_stamp(stamp_samples.branches(64))
    with pytest.raises(Unproven, match="more than 64 branches"):
        many.with_branches(stamp_samples.PROMISED.branches)
    long = (Branch((Step(APPEND, bytes([n]) * 4000),), b"", stamp_samples.in_block(n)) for n in range(20))
    with pytest.raises(Unproven, match="would have more than"):
        stamp_samples.PROMISED.with_branches(tuple(long)).as_bytes()


def test_no_header_of_a_chain_for_tests_passes_for_bitcoins() -> None:
    with pytest.raises(Unproven, match="easier than any block of Bitcoin"):
        read_header(stamp_samples.HEADER)


def test_no_byte_of_a_proof_can_be_changed() -> None:
    """Nor of the checkpoint: every byte of the branch counts, and of what is beside it none shows another thing."""
    data = stamp_samples.Stamp(stamp_samples.DIGEST, stamp_samples.DONE.in_blocks).as_bytes()
    block, height = read_header(stamp_samples.HEADER, EASIEST_IN_TESTS), len(stamp_samples.in_block(5 << 17).payload)
    for place in range(len(data) - height):
        edited = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(Unproven):
            check_stamp(stamp_samples.CHECKPOINT, read_stamp(edited), block)
    assert hashlib.sha256(stamp_samples.CHECKPOINT).digest() == stamp_samples.DIGEST
