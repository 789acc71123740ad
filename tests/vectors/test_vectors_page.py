"""In a real browser the page says of every folder what `rapha receipt verify` says, step by step, and asks no network."""

import json
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import receipt_faults
import receipt_samples
from browser import CheckingPage, browser
from window_faults import ENDED_LATER

from rapha.proof.page import receipt_page
from rapha.proof.verify import judge
from rapha.records.study import Study
from rapha.sdk.folder import read_folder, read_keys

pytestmark = pytest.mark.slow
FOLDERS = Path(__file__).resolve().parent / "receipts"
PINNED = FOLDERS / "pinned.json"
EXPECTED = json.loads((FOLDERS / "expected.json").read_bytes())
GOOD = (
    "good",
    "refused",
    "frozen",
    "best-round",
    "stopped-early",
    "mode-b",
    "mode-c",
    "freeze-asked-for",
    *ENDED_LATER,
)
NORTH, AGGREGATION = "receipts/north.json", "receipts/aggregation.json"
NO_ED25519 = """const real = crypto.subtle.importKey.bind(crypto.subtle);
    crypto.subtle.importKey = (form, bytes, kind, ...rest) => kind.name === "Ed25519"
        ? Promise.reject(new DOMException("", "NotSupportedError")) : real(form, bytes, kind, ...rest);"""
TO_NETWORK = """async (address) => {
    const image = await new Promise((done) => { const one = new Image(); one.onload = () => done("loaded"); one.onerror = () => done("refused"); one.src = address; });
    return [image, await fetch(address).then(() => "loaded", () => "refused")];
}"""


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "receipt.html"
    path.write_text(receipt_page(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def opened() -> Iterator[Callable[..., CheckingPage]]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(opened: Callable[..., CheckingPage], html: Path) -> CheckingPage:
    return opened(html)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(FOLDERS / "good", tmp_path / "folder")


def in_python(folder: Path, pinned: Path | None = None) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    outcome = {True: "passed", False: "failed"}
    verdicts = judge(read_folder(folder, read_keys(pinned) if pinned else None))
    return {v.subject: (outcome[v.ok], [(s.check, outcome[s.passed]) for s in v.steps]) for v in verdicts}


def in_browser(
    page: CheckingPage, folder: Path, pinned: Path | None = None
) -> dict[str, tuple[str, list[tuple[str, str]]]]:
    return {
        subject: (outcome, [(check, taken) for check, taken, _ in steps])
        for subject, (outcome, steps) in page.judge(folder, pinned).items()
    }


@pytest.mark.parametrize("name", [*GOOD, *EXPECTED])
def test_the_page_says_what_the_command_says(page: CheckingPage, name: str) -> None:
    found = in_browser(page, FOLDERS / name)
    assert found == in_python(FOLDERS / name)
    good = name in GOOD
    assert good or found[EXPECTED[name]["receipt"]][1][-1][1] == "failed"
    assert page.sentence().startswith("VERIFIED" if good else "NOT VERIFIED")


def test_pinned_keys_are_the_only_ones_that_count(page: CheckingPage, tmp_path: Path) -> None:
    assert in_browser(page, FOLDERS / "good", PINNED) == in_python(FOLDERS / "good", PINNED)
    assert "who signed" not in page.page.inner_text(".remarks")
    keys = json.loads(PINNED.read_bytes())
    keys["keys"] = [key for key in keys["keys"] if key["owner"] != "north"]
    fewer = tmp_path / "fewer.json"
    fewer.write_text(json.dumps(keys))
    assert page.judge(FOLDERS / "good", fewer)[NORTH][1][-1][:2] == ["The signing key is known", "failed"]


def test_without_pinned_keys_it_says_that_they_show_no_identity(page: CheckingPage) -> None:
    page.judge(FOLDERS / "good")
    remarks = page.page.inner_text(".remarks")
    assert "not who signed" in remarks and "README.md" in remarks


def test_more_witnesses_than_there_are_is_refused_as_in_python(page: CheckingPage, tmp_path: Path) -> None:
    keys = {**json.loads(PINNED.read_bytes()), "witnesses_at_least": 9}
    asking = tmp_path / "asking.json"
    asking.write_text(json.dumps(keys))
    assert in_browser(page, FOLDERS / "good", asking) == in_python(FOLDERS / "good", asking)


def test_single_files_are_put_where_they_belong(page: CheckingPage, folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    shared = [path for path in files if path.parent.name == "metrics"]
    found = page.judge_files(*(path for path in files if path not in shared))
    assert {outcome for outcome, _ in found.values()} == {"failed"}, "the hospitals' figures are not there"
    assert found[NORTH][1][-1][2] == "metrics/north.json is not in this folder"


def test_what_the_browser_cannot_do_is_never_a_tick(opened: Callable[..., CheckingPage], html: Path) -> None:
    page = opened(html, before=NO_ED25519)
    found = page.judge(FOLDERS / "good")
    assert {outcome for outcome, _ in found.values()} == {"not checked here"}
    assert [check for check, outcome, _ in found[NORTH][1] if outcome != "passed"] == [
        "The log's checkpoint is signed by a known log",
        "As many witnesses as asked for have seen the log",
        "The log holds it under its certificate too",
        "A known time stamper has seen the signature while its key was good",
    ]
    assert page.sentence().startswith("NOT WHOLLY CHECKED")
    assert page.judge(FOLDERS / "swapped-weights")[NORTH][0] == "failed"


def test_hardware_evidence_is_left_to_the_command_and_is_never_tier_2(page: CheckingPage) -> None:
    found = in_browser(page, FOLDERS / "hardware-evidence")
    assert found == in_python(FOLDERS / "hardware-evidence")
    said = page.page.inner_text("#verdicts")
    assert "Hardware evidence (sev-snp) is with it, and is not checked by this page" in said
    assert "hardware evidence is with the receipt, and counts for whoever checked it" in said
    assert "T2" not in said


def test_nothing_is_asked_of_any_network(page: CheckingPage, html: Path) -> None:
    page.judge(FOLDERS / "good")
    assert page.asked == [html.as_uri()]
    assert page.faults == []


def test_its_own_rules_forbid_it_to_ask(opened: Callable[..., CheckingPage], html: Path) -> None:
    page = opened(html)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/x"
        assert page.page.evaluate(TO_NETWORK, address) == ["refused", "refused"]
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert sum("Content Security Policy" in said for said in page.faults) >= 2


@pytest.mark.parametrize(
    "hostile",
    [
        b"[" * 200_000 + b"]" * 200_000,
        b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        b'{"mediaType": "x", "mediaType": "y"}',
        b"\xff\xfe\x00",
        b'{"__proto__": {"dsseEnvelope": 1}, "constructor": null}',
        b"null",
    ],
    ids=["deep list", "deep object", "a key twice", "not UTF-8", "prototype", "null"],
)
def test_hostile_json_fails_the_first_step(page: CheckingPage, folder: Path, hostile: bytes) -> None:
    (folder / NORTH).write_bytes(hostile)
    outcome, steps = page.judge(folder)[NORTH]
    assert (outcome, len(steps)) == ("failed", 1)
    assert page.judge(FOLDERS / "good")[NORTH][0] == "passed", "the page was broken by it"


def test_a_file_that_is_too_large_is_not_read(page: CheckingPage, folder: Path) -> None:
    with (folder / NORTH).open("r+b") as file:
        file.truncate((33 << 20) + 1)
    assert page.judge(folder) == {}
    assert page.sentence() == f"NOT VERIFIED: north.json is larger than {33 << 20} bytes: no file of this kind is"


def test_weights_too_large_for_a_browser_are_not_a_tick(page: CheckingPage, folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate((1 << 30) + 1)  # sparse: nothing is written
    outcome, steps = page.judge(folder)[NORTH]
    assert outcome == "not checked here"
    assert [taken for check, taken, _ in steps if check.startswith("The files it vouches for")] == ["not checked here"]


def test_names_are_text_and_never_markup(page: CheckingPage, folder: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    (folder / name).write_text("x")
    (folder / "receipts" / "<script>alert(1)<:script>.json").write_text("x")
    found = page.judge(folder)
    assert found["receipts/<script>alert(1)<:script>.json"][0] == "failed"
    assert name in page.page.inner_text(".remarks")
    assert page.page.evaluate("document.querySelectorAll('#verdicts img, #verdicts script').length") == 0


def test_a_missing_hospital_is_a_stated_gap_as_in_python(page: CheckingPage, folder: Path) -> None:
    (folder / NORTH).unlink()
    assert in_browser(page, folder) == in_python(folder)
    assert "no valid receipt" in page.page.inner_text(".remarks")


def test_keys_that_cannot_be_read_give_no_verdict(page: CheckingPage, folder: Path) -> None:
    (folder / "receipts" / "keys.json").write_text('{"keys": [], "more": 1}')
    assert page.judge(folder) == {}
    assert page.sentence().startswith("NOT VERIFIED: keys.json is not a keys file")


@pytest.mark.parametrize(
    ("spent", "holds"),
    [({}, True), ({"epsilon": 3.5}, False), ({"noise_multiplier": 0.0}, False), ({"delta": 2e-05}, False)],
)
def test_privacy_is_judged_as_in_python(
    page: CheckingPage, tmp_path: Path, spent: dict[str, float], holds: bool
) -> None:
    """Reals of every size: they stand in statements as Python writes them."""
    asked = {"epsilon": 3.0, "delta": 1e-05, "clip": 1.0, "sampling_rate": 0.01}
    full = {**asked, "epsilon": 2.9375, "noise_multiplier": 123456789.125, "mechanism": "dp-sgd"}

    def private(parts: receipt_samples.Parts) -> None:
        stated = json.loads(parts.files["study.json"])
        ranges = {name: [1, 500] for name in (*stated["concepts"], "age", "sex") if name != "diabetes"}
        stated["privacy"]["differential_privacy"] = {**asked, "ranges": ranges}
        study = Study.model_validate(stated)
        parts.files["study.json"] = study.as_bytes()
        steps = study.training.rounds * study.training.local_epochs * 100
        for site, release in parts.releases.items():
            update = {**full, "steps": steps, "accountant": "pld", "unit": "patient", **spent}
            privacy = release.privacy.model_copy(update=update)
            cohort = release.cohort.model_copy(update={"study_digest": study.digest})
            changes = {"study_digest": study.digest, "privacy": privacy, "cohort": cohort, "transcript": None}
            parts.releases[site] = release.model_copy(update=changes)
        parts.aggregation = parts.aggregation.model_copy(update={"study_digest": study.digest})

    folder = tmp_path / "folder"
    for path, data in receipt_samples.folder(receipt_samples.Fault(NORTH, 10, before=private)).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    found = in_browser(page, folder)
    assert found == in_python(folder)
    assert (found[NORTH][0], len(found[NORTH][1])) == (("passed", 19) if holds else ("failed", 10))


def _statement_changes() -> dict[str, Callable[[dict[str, Any]], None]]:
    def cohort(value: dict[str, Any]) -> Any:
        return value["predicate"]["buildDefinition"]["internalParameters"]["cohort"]

    return {
        "a count twice": lambda value: cohort(value)["patients"].update(about=1700, below=25),
        "no count": lambda value: cohort(value)["patients"].update(about=None, below=None),
        "one more word": lambda value: value["predicate"].update(more="a word"),
        "another order": lambda value: value["subject"].reverse(),
        "a file more": lambda value: value["subject"].append({**value["subject"][0], "name": "z"}),
        "another builder": lambda value: value["predicate"]["runDetails"]["builder"].update(id="https://x"),
        "another time": lambda value: value["predicate"]["runDetails"]["metadata"].update(finishedOn="2026-11-23"),
    }


@pytest.mark.parametrize("change", _statement_changes())
def test_a_statement_that_is_not_understood_whole_fails_as_in_python(
    page: CheckingPage, tmp_path: Path, change: str
) -> None:
    after = receipt_faults.restated(NORTH, "north", _statement_changes()[change])
    for path, data in receipt_samples.folder(receipt_samples.Fault(NORTH, 8, after=after)).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    found = in_browser(page, tmp_path)
    assert found == in_python(tmp_path)
    assert (found[NORTH][0], len(found[NORTH][1])) == ("failed", 8)
