"""The page's scripts say of every folder what `rapha receipt verify` says, step by step, where there is Node.js and no browser:
the same modules, in the same order, without what draws. What a browser adds is tried in test_vectors_page.py."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import record_samples as made_up

from rapha.canonical import base64_bytes, base64_text
from rapha.proof import page
from rapha.proof.bundle import read_bundle
from rapha.proof.claim import EVIDENCE_NOT_SHOWN
from rapha.proof.envelope import unverified_payload
from rapha.proof.freeze import NOT_FROZEN_BEFORE
from rapha.proof.repeat import raised, signed_repeat
from rapha.proof.shown import BAD_EVIDENCE_NOT_SHOWN
from rapha.proof.verify import judge
from rapha.sdk.folder import read_folder, read_keys

FOLDERS = Path(__file__).resolve().parent / "receipts"
NODE = shutil.which("node")
DRAWING = ("view", "main")
EVIDENCED = {"hardware-evidence": "sev-snp", "hardware-evidence-with-a-device": "intel-tdx"}
OPENING = r"""
const {File} = require("node:buffer"), fs = require("node:fs"), path = require("node:path");
const filesBelow = (top) => fs.readdirSync(top, {recursive: true, withFileTypes: true}).filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .map((file) => ({path: path.relative(top, file), file: new File([fs.readFileSync(file)], path.basename(file))}));
"""
JUDGING = r"""
(async () => {
    const judged = {};
    for (const name of fs.readdirSync(process.argv[2])) {
        const top = path.join(process.argv[2], name);
        if (!fs.statSync(top).isDirectory()) continue;
        const verdicts = await verify_js.judge(await files_js.folderOf(filesBelow(top), null));
        judged[name] = verdicts.map(({subject, outcome, tier, claimed, steps, notShown, found, flagged}) =>
            [subject, outcome, steps.map((step) => [step.check, step.outcome]), tier, claimed, notShown.slice(0, -1), found, flagged]);
    }
    console.log(JSON.stringify(judged));
})();
"""

RAISING = r"""
(async () => {
    const [top, pinned, ...words] = process.argv.slice(2), opened = (file) => new File([fs.readFileSync(file)], path.basename(file));
    const folder = await files_js.folderOf(filesBelow(top), opened(pinned));
    const verdicts = await repeat_js.raisedBy(await verify_js.judge(folder), folder, await files_js.wordsOf(words.map(opened)));
    console.log(JSON.stringify(verdicts.map(({subject, outcome, tier, steps, notShown}) => [subject, outcome, tier, steps.at(-1).detail, notShown])));
})().catch((problem) => console.log(JSON.stringify(problem.message)));
"""
SECOND = "second machine"


def run_in_node(folder: Path, ending: str, *arguments: Path) -> Any:
    """What the page's scripts, with this ending, say of these."""
    if NODE is None or int(subprocess.check_output([NODE, "--version"], text=True)[1:].split(".")[0]) < 20:
        pytest.skip("Node.js 20 or later is not installed")
    modules = {name: (page.HERE / f"{name}.js").read_text() for name in page.ORDER if name not in DRAWING}
    script = folder / "judge.cjs"
    script.write_text(page.assembled(modules) + ending)
    done = subprocess.run([NODE, str(script), *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    return dict(run_in_node(tmp_path_factory.mktemp("page"), OPENING + JUDGING, FOLDERS))


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDERS.iterdir() if path.is_dir()))
def test_the_scripts_say_what_the_command_says(judged: dict[str, list[Any]], name: str) -> None:
    """The page has one remark more, the last: how much of the study it reads."""
    outcome = {True: "passed", False: "failed"}
    said = [
        [
            verdict.subject,
            outcome[verdict.ok],
            [[step.check, outcome[step.passed]] for step in verdict.steps],
            verdict.tier,
            verdict.claimed,
            *map(list, (verdict.not_shown, verdict.found, verdict.flagged)),
        ]
        for verdict in judge(read_folder(FOLDERS / name))
    ]
    assert judged[name] == said if name not in EVIDENCED else unchecked(judged[name], said, EVIDENCED[name])


def test_what_is_not_there_to_look_with_is_never_a_tick(tmp_path: Path) -> None:
    without = """
const real = crypto.subtle.importKey.bind(crypto.subtle);
crypto.subtle.importKey = (form, bytes, kind, ...rest) => kind.name === "Ed25519"
    ? Promise.reject(new DOMException("", "NotSupportedError")) : real(form, bytes, kind, ...rest);
"""
    for name in ("good", "swapped-weights"):
        shutil.copytree(FOLDERS / name, tmp_path / "folders" / name)
    judged = run_in_node(tmp_path, without + OPENING + JUDGING, tmp_path / "folders")
    assert {(one[1], *(check for check, outcome in one[2] if outcome != "passed")) for one in judged["good"]} == {
        (
            "not checked here",
            "The log's checkpoint is signed by a known log",
            "As many witnesses as asked for have seen the log",
            "The log holds it under its certificate too",
            "A known time stamper has seen the signature while its key was good",
        )
    }
    assert judged["swapped-weights"][0][1] == "failed"


@pytest.mark.parametrize(("name", "outcome"), [("frozen", "not checked here"), ("freeze-of-other-patients", "failed")])
def test_a_freeze_is_compared_also_where_its_signatures_cannot_all_be_looked_at(
    name: str, outcome: str, tmp_path: Path
) -> None:
    """Keys that ask for a witness in ML-DSA-44, which no page can look at."""
    keys = tmp_path / "asking.json"
    keys.write_bytes(read_keys(FOLDERS / "pinned.json").model_copy(update={"ml_dsa_at_least": 1}).as_bytes())
    north, *_ = run_in_node(tmp_path, OPENING + RAISING, FOLDERS / name, keys)
    assert north[1] == outcome
    assert NOT_FROZEN_BEFORE not in north[4]


def unchecked(page_says: list[Any], command_says: list[Any], kind: str) -> bool:
    """The one thing that the page leaves to the command is hardware evidence: it says so, and judges everything else alike."""
    (north, *rest), (said, *others) = page_says, command_says
    *found, last = north[-2]
    assert (
        last
        == f"Hardware evidence ({kind}) is with it, and is not checked by this page: rapha receipt verify --launches does."
    )
    assert any("hardware evidence that does not hold" in flag for flag in said[-1]), "the made-up maker is nobody else"
    for whole in (
        north,
        said,
    ):  # neither takes such evidence for a sign of anything; the command says that it did not hold
        assert len({EVIDENCE_NOT_SHOWN, BAD_EVIDENCE_NOT_SHOWN} & set(whole[-3])) == 1
        whole[-3] = [remark for remark in whole[-3] if remark not in (EVIDENCE_NOT_SHOWN, BAD_EVIDENCE_NOT_SHOWN)]
    return [*north[:-2], found, []] == [*said[:-1], []] and rest == others


def pins(where: Path, role: str = "repeater", owner: str = "north") -> Path:
    keys = read_keys(FOLDERS / "pinned.json")
    more = made_up.trusted(SECOND).model_copy(update={"owner": owner, "role": role})
    where.write_bytes(keys.model_copy(update={"keys": (*keys.keys, more)}).as_bytes())
    return where


def word(where: Path, signer: str = SECOND, payload: bytes | None = None) -> Path:
    stated = payload or unverified_payload(
        read_bundle((FOLDERS / "good" / "receipts" / "north.json").read_bytes()).dsseEnvelope
    )
    made = made_up.transcript("north")
    signed = signed_repeat(stated, made.root, made.waypoints, made_up.AT, made_up.private_key(signer))
    where.write_bytes(signed.as_bytes())
    return where


def test_a_pinned_repeaters_word_makes_t1_in_the_page_too(tmp_path: Path) -> None:
    keys, said = pins(tmp_path / "pins.json"), word(tmp_path / "word.json")
    folder = read_folder(FOLDERS / "good", read_keys(keys))
    expected = [raised(v, folder, said.read_bytes()) if "north" in v.subject else v for v in judge(folder)]
    found = run_in_node(tmp_path, OPENING + RAISING, FOLDERS / "good", keys, said)
    assert [one[2] for one in found] == ["T1", "T0", "T0"]
    assert [(one[0], one[2], one[4][:-1]) for one in found] == [
        (v.subject, v.tier, list(v.not_shown)) for v in expected
    ]
    assert found[0][3] == expected[0].steps[-1].detail


@pytest.mark.parametrize(
    ("pinned", "signer", "why"),
    [
        ({"role": "node"}, SECOND, "not pinned as that of a repeater"),
        ({"owner": "south"}, SECOND, "pinned for south"),
        ({}, "a stranger", "not pinned as that of a repeater"),
    ],
)
def test_any_other_word_fails_the_receipt_in_the_page_too(
    tmp_path: Path, pinned: dict[str, str], signer: str, why: str
) -> None:
    keys, said = pins(tmp_path / "pins.json", **pinned), word(tmp_path / "word.json", signer)
    north = run_in_node(tmp_path, OPENING + RAISING, FOLDERS / "good", keys, said)[0]
    assert (north[1], north[2]) == ("failed", "T0")
    assert why in north[3]


def test_a_second_word_that_fails_takes_the_tier_away_in_the_page_too(tmp_path: Path) -> None:
    keys, good, bad = (
        pins(tmp_path / "pins.json"),
        word(tmp_path / "word.json"),
        word(tmp_path / "bad.json", "a stranger"),
    )
    folder = read_folder(FOLDERS / "good", read_keys(keys))
    expected = judge(folder)[0]
    for said in (good, bad):
        expected = raised(expected, folder, said.read_bytes())
    north = run_in_node(tmp_path, OPENING + RAISING, FOLDERS / "good", keys, good, bad)[0]
    assert [north[1], north[2], north[3], north[4][:-1]] == [
        "failed",
        "T0",
        expected.steps[-1].detail,
        list(expected.not_shown),
    ]


def test_an_edited_word_fails_the_receipt_in_the_page_too(tmp_path: Path) -> None:
    keys, said = pins(tmp_path / "pins.json"), word(tmp_path / "word.json")
    envelope = json.loads(said.read_bytes())
    envelope["payload"] = base64_text(base64_bytes(envelope["payload"]).replace(b'"waypoints":40', b'"waypoints":41'))
    said.write_text(json.dumps(envelope))
    north = run_in_node(tmp_path, OPENING + RAISING, FOLDERS / "good", keys, said)[0]
    assert (north[1], north[2]) == ("failed", "T0")
    assert "signature" in north[3]


def test_a_word_with_a_name_twice_is_no_word_in_the_page_either(tmp_path: Path) -> None:
    keys, said = pins(tmp_path / "pins.json"), word(tmp_path / "word.json")
    said.write_bytes(said.read_bytes().replace(b'"payload":', b'"payload":"AAAA","payload":', 1))
    found = run_in_node(tmp_path, OPENING + RAISING, FOLDERS / "good", keys, said)
    assert found == "this is not a DSSE envelope as rapha node reexecute signs one"


def test_a_log_that_is_to_sign_with_ml_dsa_is_not_checked_by_the_page(tmp_path: Path) -> None:
    keys = tmp_path / "pins.json"
    keys.write_bytes(read_keys(FOLDERS / "pinned.json").model_copy(update={"log_ml_dsa": True}).as_bytes())
    said = run_in_node(tmp_path, OPENING + RAISING, FOLDERS / "good", keys, word(tmp_path / "word.json"))
    assert {one[1] for one in said} == {"not checked here"}
