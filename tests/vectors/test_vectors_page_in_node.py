"""The page's modules say of every folder what `rapha receipt verify` says, step by step, in Node.js too: where there is no browser to try them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from window_faults import ENDED_LATER

from rapha.proof import page
from rapha.proof.page import said, shapes
from rapha.proof.verify import judge
from rapha.sdk.folder import read_folder

pytestmark = pytest.mark.slow
FOLDERS = Path(__file__).resolve().parent / "receipts"
EXPECTED = json.loads((FOLDERS / "expected.json").read_bytes())
GOOD = ("good", "refused", "best-round", "mode-b", "mode-c", *ENDED_LATER)
NAMES = (*GOOD, *EXPECTED)
OLDEST_NODE = 20
"""The first whose `File` and Ed25519 need no flag."""


@pytest.fixture(scope="module")
def in_node(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, tuple[str, list[list[str]]]]]:
    """Folder -> receipt -> outcome and steps of (check, outcome)."""
    node = shutil.which("node")
    if node is None or int(subprocess.check_output([node, "--version"], text=True)[1:].split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"no Node.js {OLDEST_NODE} on this machine")
    modules = tmp_path_factory.mktemp("modules")
    for module in Path(page.__file__).parent.glob("*.js"):
        shutil.copy(module, modules)
    stated = f"export const said = {json.dumps(said())}, shapes = {json.dumps(shapes())};"
    (modules / "stated.js").write_text(stated, encoding="utf-8")
    (modules / "package.json").write_text('{"type":"module"}', encoding="utf-8")
    script = Path(__file__).with_name("judged_in_node.mjs")
    done = subprocess.run(
        [node, str(script), str(modules), *(str(FOLDERS / name) for name in NAMES)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(NAMES, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_node_says_what_the_command_says(in_node: dict[str, dict[str, tuple[str, list[list[str]]]]], name: str) -> None:
    outcome = {True: "passed", False: "failed"}
    assert in_node[name] == {
        verdict.subject: [outcome[verdict.ok], [[step.check, outcome[step.passed]] for step in verdict.steps]]
        for verdict in judge(read_folder(FOLDERS / name))
    }
    assert name in GOOD or in_node[name][EXPECTED[name]["receipt"]][0] == "failed"
