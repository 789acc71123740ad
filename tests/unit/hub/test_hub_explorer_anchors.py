"""Anchors at `/explore`: what lies in the hub's `anchors/`, held against its log; and how each file can be wrong."""

from pathlib import Path
from typing import Any

import pytest
import small_chain
from hub_at_hand import HubAtHand

from rapha.hub.explorer.anchors import MAX_SHOWN
from rapha.proof.merkle import root
from rapha.proof.tiles import TileReader


@pytest.fixture
def filled(hub: HubAtHand) -> HubAtHand:
    """A hub whose log has nine entries, and a folder for anchors."""
    hub.hub.desk.log.add([b"entry %d" % number for number in range(9)])
    hub.hub.configuration.anchors.mkdir()
    return hub


def lay(hub: HubAtHand, name: str, size: int, **changed: Any) -> str:
    """A proof that fits, unless changed; the hash of its block."""
    log = hub.hub.desk.log
    at = root(size, TileReader(log.read, log.checkpoint.size).node) if size <= log.checkpoint.size else b"\x07" * 32
    said = {"origin": log.origin, "size": size, "root": at, **changed}
    proof, block_hash = small_chain.anchored(**said)
    (hub.hub.configuration.anchors / name).write_bytes(proof.as_bytes())
    return "0x" + block_hash.hex()


def page(hub: HubAtHand, address: str) -> str:
    answer = hub.http.get(address)
    assert answer.status_code == 200
    return answer.text


def test_a_hub_without_anchors_says_so(hub: HubAtHand) -> None:
    assert "No anchor is shown here" in page(hub, "/explore/anchors")


def test_anchors_are_shown_the_largest_first_and_can_be_kept(filled: HubAtHand) -> None:
    hashes = [lay(filled, f"2026-0{size}.json", size) for size in (2, 5)]
    text = page(filled, "/explore/anchors")
    assert text.index(hashes[1]) < text.index(hashes[0])
    assert text.count("begins with it") == 2
    assert str(small_chain.BLOCK) in text
    kept = filled.http.get("/explore/anchors/2026-05.json")
    assert kept.content == (filled.hub.configuration.anchors / "2026-05.json").read_bytes()
    assert "attachment" in kept.headers["content-disposition"]


def test_an_entry_names_the_first_anchor_over_it(filled: HubAtHand) -> None:
    two, five = lay(filled, "a.json", 2), lay(filled, "b.json", 5)
    assert two in page(filled, "/explore/entry/1")
    assert five in page(filled, "/explore/entry/2") and two not in page(filled, "/explore/entry/2")
    assert "not under an" in page(filled, "/explore/entry/5")


@pytest.mark.parametrize(
    "changed", [{"root": b"\x05" * 32}, {"origin": "rapha.dev/log/another"}, {"size": 10}], ids=lambda c: next(iter(c))
)
def test_an_anchor_that_does_not_fit_is_shown_as_one_that_does_not(filled: HubAtHand, changed: dict[str, Any]) -> None:
    lay(filled, "a.json", **{"size": 5, **changed})
    text = page(filled, "/explore/anchors")
    assert "has another past" in text and "begins with it" not in text
    assert "not under an" in page(filled, "/explore/entry/0")


def test_what_is_no_proof_is_counted_and_not_given_out(filled: HubAtHand) -> None:
    folder = filled.hub.configuration.anchors
    lay(filled, "good.json", 5)
    lay(filled, "failed.json", 5, done=False)
    (folder / "broken.json").write_bytes(b"{")
    (folder / "long.json").write_bytes(b" " * (1 << 20))
    (folder / "folder.json").mkdir()
    (folder / "key.pem").write_bytes(b"secret")
    assert "4 of the files that lie here" in page(filled, "/explore/anchors")
    for name in ("broken.json", "failed.json", "key.pem", "..%2Fhub.json", "none.json"):
        assert filled.http.get(f"/explore/anchors/{name}").status_code == 404


def test_a_link_out_of_the_folder_is_no_way_out(filled: HubAtHand, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    (filled.hub.configuration.anchors / "x.json").symlink_to(tmp_path / "secret.json")
    assert filled.http.get("/explore/anchors/x.json").status_code == 404, "it is no proof"


def test_a_folder_of_very_many_is_read_as_far_as_the_limit(filled: HubAtHand) -> None:
    for number in range(MAX_SHOWN + 3):
        (filled.hub.configuration.anchors / f"{number:04d}.json").write_bytes(b"{}")
    assert f"{MAX_SHOWN} of the files" in page(filled, "/explore/anchors")
