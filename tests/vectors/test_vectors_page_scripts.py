"""The page's scripts say of every folder what `rapha receipt verify` says, step by step, where there is Node.js and no browser:
the same modules, in the same order, without what draws. What a browser adds is tried in test_vectors_page.py."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rapha.proof import page
from rapha.proof.verify import judge
from rapha.sdk.folder import read_folder

FOLDERS = Path(__file__).resolve().parent / "receipts"
NODE = shutil.which("node")
DRAWING = ("view", "main")
JUDGING = r"""
const {File} = require("node:buffer"), fs = require("node:fs"), path = require("node:path");
const filesBelow = (top) => fs.readdirSync(top, {recursive: true, withFileTypes: true}).filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name))
    .map((file) => ({path: path.relative(top, file), file: new File([fs.readFileSync(file)], path.basename(file))}));
(async () => {
    const judged = {};
    for (const name of fs.readdirSync(process.argv[2])) {
        const top = path.join(process.argv[2], name);
        if (!fs.statSync(top).isDirectory()) continue;
        const verdicts = await verify_js.judge(await files_js.folderOf(filesBelow(top), null));
        judged[name] = verdicts.map(({subject, outcome, steps}) => [subject, outcome, steps.map((step) => [step.check, step.outcome])]);
    }
    console.log(JSON.stringify(judged));
})();
"""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    if NODE is None or int(subprocess.check_output([NODE, "--version"], text=True)[1:].split(".")[0]) < 20:
        pytest.skip("Node.js 20 or later is not installed")
    modules = {name: (page.HERE / f"{name}.js").read_text() for name in page.ORDER if name not in DRAWING}
    script = tmp_path_factory.mktemp("page") / "judge.cjs"
    script.write_text(page.assembled(modules) + JUDGING)
    done = subprocess.run([NODE, str(script), str(FOLDERS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDERS.iterdir() if path.is_dir()))
def test_the_scripts_say_what_the_command_says(judged: dict[str, list[Any]], name: str) -> None:
    outcome = {True: "passed", False: "failed"}
    said = [
        [verdict.subject, outcome[verdict.ok], [[step.check, outcome[step.passed]] for step in verdict.steps]]
        for verdict in judge(read_folder(FOLDERS / name))
    ]
    assert judged[name] == said
