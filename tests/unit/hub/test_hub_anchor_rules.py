"""What an anchor costs and when it is sent, as rows; the settings and the key; what a chain's node may not answer."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from rapha.errors import ConfigurationError, Conflict, NotPermitted, Unreachable
from rapha.hub.anchors import endpoint
from rapha.hub.anchors.endpoint import Endpoint
from rapha.hub.anchors.rules import NONE, Fees, Standing, fees, final_block, gas_for, next_step
from rapha.hub.anchors.settings import GWEI, KEY_VARIABLE, ChainSettings, read_key, read_settings

ROOT, OTHER = b"\x01" * 32, b"\x02" * 32
SETTINGS = ChainSettings(url="http://chain.test", chain_id=137, max_fee_gwei=1)


@pytest.mark.parametrize(
    ("found", "replace", "step"),
    [
        (Standing(ROOT, 5, 3, 3), False, "done"),
        (Standing(ROOT, 9, 3, 4), True, "done"),
        (Standing(NONE, 4, 3, 3), False, "send"),
        (Standing(NONE, 4, 3, 3), True, "send"),
        (Standing(NONE, 0, 3, 4), False, "wait"),
        (Standing(NONE, 0, 3, 4), True, "replace"),
        (Standing(OTHER, 5, 3, 3), False, "another root"),
        (Standing(NONE, 5, 3, 3), False, "anchored already"),
        (Standing(NONE, 6, 3, 4), True, "anchored already"),
    ],
)
def test_the_next_step(found: Standing, replace: bool, step: str) -> None:
    try:
        said = next_step(found, 5, ROOT, replace)
    except Conflict as refusal:
        assert step in str(refusal)
    else:
        assert said == step


@pytest.mark.parametrize(
    ("base", "tip", "most", "replace", "paid"),
    [
        (10 * GWEI, GWEI, 50, False, Fees(21 * GWEI, GWEI)),
        (30 * GWEI, GWEI, 50, False, Fees(50 * GWEI, GWEI)),
        (49 * GWEI, GWEI, 50, False, Fees(50 * GWEI, GWEI)),
        (10 * GWEI, GWEI, 50, True, Fees(50 * GWEI, 2 * GWEI + 1)),
        (49 * GWEI, GWEI, 50, True, Fees(50 * GWEI, GWEI)),
        (0, 0, 1, True, Fees(GWEI, 1)),
        (49 * GWEI, GWEI + 1, 50, False, None),
        (50 * GWEI, 1, 50, True, None),
    ],
)
def test_the_fee_stays_below_the_limit(base: int, tip: int, most: int, replace: bool, paid: Fees | None) -> None:
    if paid:
        assert fees(base, tip, most, replace) == paid
    else:
        with pytest.raises(Conflict, match="max_fee_gwei is 50"):
            fees(base, tip, most, replace)


def test_gas_and_final_blocks() -> None:
    assert [gas_for(*row) for row in ((1000, 2000), (1000, 1100), (1000, 1000))] == [1250, 1100, 1000]
    with pytest.raises(Conflict, match="use 1001 gas and gas_limit is 1000"):
        gas_for(1001, 1000)
    rows = ((7, 9, None), (None, 9, None), (7, 9, 3), (7, 2, 3), (None, 3, 3))
    assert [final_block(*row) for row in rows] == [7, None, 6, None, 0]


@pytest.mark.parametrize("variable", [True, False])
@pytest.mark.parametrize("text", ["0x" + "ab" * 32, "AB" * 32 + "\n"])
def test_a_key_is_read(tmp_path: Path, variable: bool, text: str) -> None:
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_text("0x" + "cd" * 32 if variable else text)
    settings = SETTINGS.model_copy(update={"key_file": str(file)})
    assert read_key(settings, {KEY_VARIABLE: text} if variable else {}).secret == b"\xab" * 32


@pytest.mark.parametrize("text", ["", "0x", "zz" * 32, "ab" * 31, "ab" * 33, "00" * 32, "ab" * 32 + " cd"])
def test_what_is_no_key_is_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_text(text)
    for environ, settings in (
        ({KEY_VARIABLE: text}, SETTINGS),
        ({}, SETTINGS.model_copy(update={"key_file": str(file)})),
    ):
        with pytest.raises(ConfigurationError) as raised:
            read_key(settings, environ)
        assert "does not hold a key" in str(raised.value)
        assert len(text) < 10 or text not in str(raised.value)


@pytest.mark.parametrize("rights", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, rights: int) -> None:
    file = tmp_path / "key"
    file.write_text("ab" * 32)
    file.chmod(rights)
    with pytest.raises(NotPermitted, match="chmod 600"):
        read_key(SETTINGS.model_copy(update={"key_file": str(file)}), {})


def test_no_key_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no key to sign with"):
        read_key(SETTINGS, {})
    with pytest.raises(ConfigurationError, match="no such file"):
        read_key(SETTINGS.model_copy(update={"key_file": str(tmp_path / "none")}), {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"url": "http://x", "chain_id": 137}', "max_fee_gwei: Field required"),
        ('{"url": "http://x", "chain_id": 137, "max_fee_gwei": 1, "gas": 1}', "gas: Extra"),
        ('{"url": "file:///etc", "chain_id": 137, "max_fee_gwei": 1}', "url: "),
        ('{"url": "http://x", "chain_id": 137, "max_fee_gwei": 1, "contract": "0xAB"}', "contract: "),
        ("[" * 70_000, "more than 65536 bytes"),
        ("[", "the file: "),
    ],
)
def test_wrong_settings_are_said(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "chain.json"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        read_settings(file)
    with pytest.raises(ConfigurationError, match="no such file"):
        read_settings(tmp_path / "none")


def answering(answer: Callable[[httpx2.Request], httpx2.Response]) -> Endpoint:
    return Endpoint("http://user:password@chain.test/key", httpx2.MockTransport(answer))


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, content=b""),
        httpx2.Response(200, content=b"[]"),
        httpx2.Response(200, content=b"[" * 100_000),
        httpx2.Response(200, content=b"\xff"),
        httpx2.Response(200, content=b'{"id":1}'),
        httpx2.Response(200, content=b'{"id":2,"result":"0x1"}'),
        httpx2.Response(200, content=b'{"id":1,"result":"0x1","error":null}'),
        httpx2.Response(200, content=b'{"id":1,"result":"0x1"}' + b" " * 1000),
        httpx2.Response(500, content=b'{"id":1,"result":"0x1"}'),
        httpx2.Response(302, headers={"location": "http://other.test"}),
        httpx2.Response(200, headers={"content-encoding": "gzip"}, content=gzip.compress(b'{"id":1,"result":"0x1"}')),
    ],
)
def test_what_no_node_may_answer(answer: httpx2.Response, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "MAX_ANSWER_BYTES", 150_000 if len(answer.content) > 2000 else 500)
    with pytest.raises(Unreachable, match=r"^chain\.test answered"):
        answering(lambda request: answer).ask("eth_chainId")


def test_its_words_are_cut_and_made_plain() -> None:
    said = httpx2.Response(200, json={"id": 1, "error": {"message": "no\x1b[31m\n" + "x" * 1000}})
    with pytest.raises(Conflict, match=r"^chain\.test refuses eth_chainId: no \[31m x{1,153}$"):
        answering(lambda request: said).ask("eth_chainId")
    for error in (None, [], {"message": 7}):
        with pytest.raises(Conflict, match="no reason given"):
            answering(lambda request, error=error: httpx2.Response(200, json={"id": 1, "error": error})).ask("x")


def test_web3_leaves_the_limit_of_nesting_as_it_was() -> None:
    told = "import sys; sys.setrecursionlimit(987); import rapha.hub.anchors.client; print(sys.getrecursionlimit())"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "987\n"
