"""Foreign code in place of the workload, behind the walls: it tries to get out, and tells what it reached."""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox import started
from rapha.node.sandbox.bubblewrap import Bubblewrap
from rapha.node.sandbox.inside import attempts, holds
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.process import MAX_LOG_BYTES, Workload

pytestmark = pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed: see `rapha doctor`")
READY = '{"ok": true, "numerics": {"torch": "-", "python": "-", "threads": 1, "cpu_capability": "-", "deterministic": true}}'


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.under(tmp_path / "run")


def start(run: RunFolder, code: str, monkeypatch: pytest.MonkeyPatch, limits: SandboxLimits | None = None) -> Workload:
    """Start `code` where the workload would run: the package is bound read-only, so it comes by the input folder."""
    (run.input / "foreign.py").write_text(f"import sys\nprint('''{READY}''', flush=True)\n{code}\n")
    monkeypatch.setattr(started, "WORKLOAD", "foreign")
    monkeypatch.setattr("rapha.node.sandbox.bubblewrap.ENVIRONMENT", {"PYTHONPATH": "/in:/code:/site"})
    return Bubblewrap().start(run, limits or SandboxLimits())


def told(run: RunFolder, code: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """What the foreign code found out: it writes JSON to /out/found."""
    body = f"import json, os, socket\nfound = None\n{code}\njson.dump(found, open('/out/found', 'w'))\nprint('done')"
    workload = start(run, body, monkeypatch)
    assert workload._process.wait(30) == 0, run.log.read_text()
    workload.close()
    return json.loads((run.output / "found").read_text())


def test_it_sees_no_file_of_the_host(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "found = sorted(os.listdir('/'))"
    assert set(told(run, code, monkeypatch)) <= {  # type: ignore[call-overload]
        "code", "dev", "in", "lib", "lib64", "out", "proc", "python", "site", "tmp", "usr", "weights",
    }  # fmt: skip


def test_it_inherits_nothing_of_the_node(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPHA_CANARY", "must-not-pass")
    assert "must-not-pass" not in str(told(run, "found = dict(os.environ)", monkeypatch))
    code = "found = [open(f'/proc/{p}/environ').read() for p in os.listdir('/proc') if p.isdigit()]"
    assert "must-not-pass" not in str(told(run, code, monkeypatch))


def test_it_holds_no_open_file_of_the_node(run: RunFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "key.pem").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        code = (
            "found = []\nfor n in os.listdir('/proc/self/fd'):\n"
            "  try: found.append(os.readlink(f'/proc/self/fd/{n}'))\n  except OSError: pass"
        )
        assert "key.pem" not in str(told(run, code, monkeypatch))


def test_it_reaches_no_server_of_the_host(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = (
            "try:\n"
            f"  socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2); found = 'reached'\n"
            "except OSError as error:\n  found = type(error).__name__"
        )
        assert told(run, code, monkeypatch) != "reached"


def test_its_memory_and_its_processes_are_bounded(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = "try:\n  b = bytearray(20 * 2**30); found = 'got it'\nexcept MemoryError:\n  found = 'refused'"
    assert told(run, memory, monkeypatch) == "refused"
    if os.geteuid() == 0:
        return  # the kernel does not hold root to RLIMIT_NPROC: docs/boundaries.md says so
    forks = (
        "found = 0\ntry:\n  while found < 300:\n    if os.fork() == 0:\n      import time; time.sleep(30)\n    found += 1\n"
        "except OSError:\n  pass"
    )
    assert told(run, forks, monkeypatch) < 100  # type: ignore[operator]


def test_a_flood_of_words_is_cut(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = start(run, "for _ in range(4000):\n  sys.stderr.write('x' * 1000)", monkeypatch)
    assert workload._process.wait(30) == 0
    workload.close()
    assert run.log.stat().st_size <= MAX_LOG_BYTES
    flood = start(run, "sys.stdout.write('x' * 10_000_000)\nsys.stdout.flush()", monkeypatch)
    with pytest.raises(SandboxError, match="64 KiB"):
        flood.read(started.SelfTest, 30)


def test_a_wall_that_does_not_hold_ends_the_run(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "rapha.node.sandbox.bubblewrap._NAMESPACES",
        ["--unshare-user", "--unshare-pid", "--die-with-parent", "--clearenv", "--cap-drop", "ALL", "--uid", "65534"],
    )
    with pytest.raises(SandboxError, match="connect to a socket of the host"):
        start(run, "pass", monkeypatch)


def test_every_attempt_of_the_self_test_can_get_through_somewhere() -> None:
    """Without walls, as this very process, the attempts that this machine would let through are seen to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        tried = attempts(server.getsockname()[1])
        assert not holds(tried["connect to a socket of the host"])
    assert not holds(tried["list the host's variable data"])
    assert not holds(tried["see another process"])
    assert not holds(tried["inherit the environment"])
    assert not holds(tried["run without limits"])
