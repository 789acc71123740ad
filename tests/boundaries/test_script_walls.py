"""A researcher's script that tries to get out: of its sandbox, into another call, past the node. On both backends, through the real run."""

from pathlib import Path

import numpy as np
import pytest
from script_site import ScriptSite, script_study

from rapha.errors import SandboxError, TrainingFailed
from rapha.node.sandbox.bubblewrap import Bubblewrap
from rapha.node.sandbox.namespaces import Namespaces
from rapha.node.sandbox.port import Backend
from rapha.node.scripts import SCRIPT_LOG

TRIES = """
import ctypes, glob, os, socket, subprocess, sys, threading, urllib.request

def reach(host, port, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_STREAM) as line:
        line.settimeout(1)
        line.connect((host, port))

def fork():
    if os.fork() == 0:
        os._exit(0)

def unclean(path):
    found = open(path, "rb").read()
    assert found

def other_output():
    open("/out/rows.txt", "w").write("a row")

def left_before():
    assert os.path.exists("/tmp/left") or os.path.exists("/dev/shm/left")

def a_patient_list():
    assert glob.glob("/**/patients.arrow", recursive=True) or glob.glob("/in/../*/patients*")

def more_than_its_rows():
    assert sorted(os.listdir("/in")) != ["rows.arrow", "study.json", "train.py"]

def held_out():
    import pyarrow
    assert pyarrow.ipc.open_file("/in/rows.arrow").read_all()["split"].to_pylist().count(0) != len(DATA["label"])

def speak_for_the_node():
    for number in range(3, 20):
        try:
            os.write(number, b'{"ok": true}\\n' * 3)
        except OSError:
            pass
    raise OSError("written, and to no avail")

TRIES = [
    lambda: reach("1.1.1.1", 53), lambda: reach("127.0.0.1", 80), lambda: socket.socketpair(),
    lambda: urllib.request.urlopen("http://example.org", timeout=1), lambda: socket.getaddrinfo("example.org", 80),
    fork, lambda: subprocess.run(["/bin/true"], check=True), lambda: os.execv("/python/bin/python3", ["python3"]),
    lambda: unclean("/etc/shadow"), lambda: unclean("/root/.bashrc"), lambda: unclean("/proc/1/environ"),
    lambda: os.listdir("/home"), other_output, lambda: open("/in/rows.arrow", "r+b"), lambda: os.symlink("/in/rows.arrow", "/out/a"),
    lambda: os.kill(1, 9) or os._exit(7), lambda: os.memfd_create("x"), lambda: os.setuid(0) or 1 / (os.getuid() != 0),
    left_before, a_patient_list, more_than_its_rows, held_out,
]

def train(data, weights, settings):
    global DATA
    DATA = data
    got = []
    for number, attempt in enumerate(TRIES):
        try:
            attempt()
            got.append(number)
        except BaseException as error:
            print(number, type(error).__name__)
    for path in ("/tmp/left", "/dev/shm/left"):
        try:
            open(path, "w").write("a row")
        except OSError:
            pass
    return {"line": [len(got), max(got, default=-1), len(TRIES)]}
"""
ANSWERS_FIRST = """
import os, time
for number in range(3, 10):
    try:
        os.write(number, b'{"ok": true}\\n')
    except OSError:
        pass
time.sleep(60)
"""
NEVER_ENDS = "def train(data, weights, settings):\n    while True: pass\n"
FLOODS = "import sys\ndef train(data, weights, settings):\n    while True: sys.stdout.write('a row of a patient\\n' * 1000)\n"


@pytest.fixture(scope="module", params=[Bubblewrap, Namespaces], ids=["bubblewrap", "namespaces"])
def backend(request: pytest.FixtureRequest) -> Backend:
    made: Backend = request.param()
    try:
        made.check()
    except SandboxError as error:
        pytest.skip(str(error))
    return made


def test_no_attempt_of_a_script_gets_through_nor_leaves_anything_for_the_next(backend: Backend, tmp_path: Path) -> None:
    site, study = ScriptSite(tmp_path), script_study(TRIES)
    run = site.run(TRIES, study, backend)
    for _ in range(2):
        run.train(site.command(study), site.counted())
        through, last, tried = site.left(study)["line"]
        assert (through, last, tried) == (0, -1, 22), (tmp_path / SCRIPT_LOG).read_text()
        site.folder.lay_outputs()


@pytest.mark.parametrize(
    ("script", "reasons"),
    [
        (NEVER_ENDS, {"deadline"}),
        (FLOODS, {"deadline"}),
        (ANSWERS_FIRST, {"weights-unreadable", "script-failed", "deadline"}),
    ],
    ids=["never ends", "floods", "answers first"],
)
def test_a_script_that_does_not_keep_to_its_part_ends_in_a_code(
    backend: Backend, tmp_path: Path, script: str, reasons: set[str]
) -> None:
    site, study = ScriptSite(tmp_path), script_study(script, seconds=4)
    run = site.run(script, study, backend)
    with pytest.raises(Exception) as refused:
        run.train(site.command(study), site.counted())
    assert getattr(refused.value, "reason", "") in reasons and "row of a patient" not in str(refused.value)
    assert not (tmp_path / "script").exists()
    assert (tmp_path / SCRIPT_LOG).stat().st_size <= 256 * 1024


def test_in_mode_b_no_shard_finds_what_another_left(backend: Backend, tmp_path: Path) -> None:
    looks = (
        "import os\ndef train(d, w, s):\n"
        " seen = os.path.exists('/tmp/left')\n open('/tmp/left', 'w').write('x')\n"
        " return {'line': [1e5 if seen else 0, 0, 0]}\n"
    )
    site, study = ScriptSite(tmp_path), script_study(looks, "B", shards=3, seconds=20)
    noted: list[np.ndarray | None] = []
    run = site.run(looks, study, backend)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rapha.node.scripts.noised_mean", lambda updates, *_: noted.extend(updates) or np.zeros(3))
        run.train(site.command(study), site.counted())
    assert len(noted) == 3 and all(update is not None and not update.any() for update in noted)


def test_a_machine_without_walls_runs_no_script(tmp_path: Path) -> None:
    from rapha.node.sandbox.unisolated import Unisolated

    site, study = ScriptSite(tmp_path), script_study(NEVER_ENDS)
    with pytest.raises(TrainingFailed) as refused:
        site.run(NEVER_ENDS, study, Unisolated())
    assert refused.value.reason == "sandbox-layer-missing"
