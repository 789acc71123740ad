"""Foreign code in place of the workload, behind the walls of each backend: it tries to get out, and tells what it reached."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox import layers, places, started
from rapha.node.sandbox.bubblewrap import Bubblewrap
from rapha.node.sandbox.layers import TMP_BYTES, plan_of
from rapha.node.sandbox.namespaces import Namespaces
from rapha.node.sandbox.port import Backend, RunFolder
from rapha.node.sandbox.process import MAX_LOG_BYTES, Workload
from rapha.records.outputs import OUTPUTS

ATTACKS = Path(__file__).with_name("attacks.py")
READY = '{"ok": true, "numerics": {"torch": "-", "python": "-", "threads": 1, "cpu_capability": "-", "deterministic": true}}'
LIMITS = SandboxLimits(memory_mb=2048, file_mb=16)


@pytest.fixture(scope="module", params=[Bubblewrap, Namespaces], ids=["bubblewrap", "namespaces"])
def backend(request: pytest.FixtureRequest) -> Backend:
    made: Backend = request.param()
    try:
        made.check()
    except SandboxError as error:
        pytest.skip(str(error))
    return made


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.under(tmp_path / "run")


def start(backend: Backend, run: RunFolder, code: str, monkeypatch: pytest.MonkeyPatch) -> Workload:
    """Start `code` where the workload would run: the package is bound read-only, so it comes by the input folder."""
    (run.input / "foreign.py").write_text(f"import sys\nprint('''{READY}''', flush=True)\n{code}\n")
    monkeypatch.setattr(started, "WORKLOAD", "foreign")
    monkeypatch.setattr(places, "ENVIRONMENT", {"PYTHONPATH": "/in:/code:/site"})
    workload = backend.start(run, LIMITS)
    assert isinstance(workload, Workload)
    return workload


def told(backend: Backend, run: RunFolder, code: str, monkeypatch: pytest.MonkeyPatch) -> object:
    """What the foreign code found out: it writes JSON to the one place it may write to."""
    body = f"import json, os\nfound = None\n{code}\njson.dump(found, open('/out/figures.json', 'w'))"
    workload = start(backend, run, body, monkeypatch)
    assert workload._process.wait(30) == 0, run.log.read_text()
    workload.close()
    return json.loads((run.output / "figures.json").read_text())


@pytest.fixture(scope="module")
def outcomes(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Every attack of `attacks.py`, made once behind this backend's walls."""
    folder = tmp_path_factory.mktemp("attacked")
    run, other = RunFolder.under(folder / "run"), RunFolder.under(folder / "other")
    (other.input / "rows.arrow").write_bytes(b"rows of another run")
    (folder / "key.pem").write_text("a key")
    met = {"limits": LIMITS.as_json(), "listener": 1, "abstract": "rapha-nobody"}
    told_names = {"other_run": str(other.input), "key": str(folder / "key.pem")}
    (run.input / "plan.json").write_text(json.dumps({**plan_of(backend.layers), **met, **told_names}))
    with pytest.MonkeyPatch.context() as monkeypatch:
        workload = start(backend, run, ATTACKS.read_text(), monkeypatch)
        assert workload._process.wait(120) == 0, run.log.read_text()
        workload.close()
    yield json.loads((run.output / "figures.json").read_text())


def test_no_attack_gets_through(outcomes: dict[str, str]) -> None:
    assert len(outcomes) > 90
    assert [name for name, outcome in outcomes.items() if outcome != "held"] == []


def test_the_page_lists_every_attack(outcomes: dict[str, str], checkout: Path) -> None:
    page = (checkout / "docs" / "boundaries.md").read_text()
    assert [name for name in outcomes if name.removeprefix("again: ") not in page] == []


def test_the_32_bit_way_in_is_death(backend: Backend, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    if "seccomp" not in backend.layers or os.uname().machine != "x86_64":
        pytest.skip("the filter of x86-64 is what kills it")
    old_way = (
        "import ctypes, mmap\npage = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(bytes.fromhex('b814000000cd80c3'))\n"  # mov eax, 20 (getpid); int 0x80; ret
        "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()"
    )
    workload = start(backend, run, old_way, monkeypatch)
    assert workload._process.wait(30) in (-signal.SIGSYS, 128 + signal.SIGSYS, 256 - signal.SIGSYS)
    workload.close()


def test_it_sees_no_file_of_the_host(backend: Backend, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "PLACES", {**layers.PLACES, "/": "read"})
    monkeypatch.setattr(started, "check_walls", lambda *_: None)
    assert set(told(backend, run, "found = sorted(os.listdir('/'))", monkeypatch)) <= {  # type: ignore[call-overload]
        "code", "dev", "in", "lib", "lib64", "out", "proc", "python", "site", "tmp", "usr", "weights",
    }  # fmt: skip


def test_it_inherits_nothing_of_the_node(
    backend: Backend, run: RunFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAPHA_CANARY", "must-not-pass")
    monkeypatch.setattr(layers, "PLACES", {**layers.PLACES, "/proc": "read"})
    with (tmp_path / "key.pem").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        code = (
            "found = [dict(os.environ)]\n"
            "for n in os.listdir('/proc/self/fd'):\n"
            "  try: found.append(os.readlink(f'/proc/self/fd/{n}'))\n  except OSError: pass\n"
            "for p in os.listdir('/proc'):\n"
            "  try: found.append(open(f'/proc/{p}/environ').read() if p.isdigit() else '')\n  except OSError: pass\n"
        )
        with pytest.raises(SandboxError, match="list the processes"):  # /proc is not readable where Landlock is whole
            told(backend, run, code, monkeypatch)
    monkeypatch.setattr(started, "check_walls", lambda *_: None)
    found = str(told(backend, run, code, monkeypatch))
    assert "PYTHONPATH" in found and "must-not-pass" not in found and "key.pem" not in found


def test_it_can_fill_only_the_files_laid_for_it(
    backend: Backend, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "landlock" not in backend.layers:
        pytest.skip("this kernel has no Landlock")
    told(
        backend,
        run,
        "for n in ('figures.json', 'x'):\n  try: open(f'/out/{n}', 'w')\n  except OSError: pass",
        monkeypatch,
    )
    assert sorted(path.name for path in run.output.iterdir()) == sorted(OUTPUTS)


def test_a_flood_of_words_is_cut(backend: Backend, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    workload = start(backend, run, "for _ in range(4000):\n  sys.stderr.write('x' * 1000)", monkeypatch)
    assert workload._process.wait(30) == 0
    workload.close()
    assert run.log.stat().st_size <= MAX_LOG_BYTES
    flood = start(backend, run, "sys.stdout.write('x' * 10_000_000)\nsys.stdout.flush()", monkeypatch)
    with pytest.raises(SandboxError, match="64 KiB"):
        flood.read(started.SelfTest, 30)


@pytest.mark.parametrize(
    ("layer", "without", "could"),
    [
        ("landlock", lambda plan: plan.pop("landlock"), "read the list of mounts"),
        ("seccomp", lambda plan: plan.pop("seccomp"), "open a socket (hypervisor)"),
        ("sized memory disk", lambda plan: plan.update(tmp_bytes=1), "fill the machine's memory through /tmp"),
    ],
    ids=["landlock", "seccomp", "memory-disk"],
)
def test_a_layer_that_is_stated_and_does_not_hold_ends_the_run(
    backend: Backend, run: RunFolder, monkeypatch: pytest.MonkeyPatch, layer: str, without: object, could: str
) -> None:
    def broken(stated: tuple[str, ...]) -> dict[str, object]:
        plan = plan_of(stated)
        without(plan)  # type: ignore[operator]
        return plan

    if layer not in backend.layers:
        pytest.skip(f"this machine gives no {layer}")
    monkeypatch.setattr(started, "plan_of", broken)
    with pytest.raises(SandboxError) as refusal:
        start(backend, run, "pass", monkeypatch)
    assert could in str(refusal.value)


def test_a_missing_namespace_ends_the_run(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed: see `rapha doctor`")
    monkeypatch.setattr(
        "rapha.node.sandbox.bubblewrap._NAMESPACES",
        ["--unshare-user", "--unshare-pid", "--die-with-parent", "--clearenv", "--cap-drop", "ALL", "--uid", "65534"],
    )
    with pytest.raises(SandboxError, match="connect to a socket of the host"):
        start(Bubblewrap(), run, "pass", monkeypatch)


def test_a_stated_layer_that_nobody_tried_ends_the_run(
    backend: Backend, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(backend), "layers", property(lambda _: (*layers.given_layers(), "dragons")))
    with pytest.raises(SandboxError, match="not tried: dragons"):
        start(backend, run, "pass", monkeypatch)


def test_where_no_namespace_may_be_made_both_refuse_and_say_what_to_allow() -> None:
    """In a user namespace of its own that allows no further one, as a hardened host does."""
    code = (
        "import ctypes, os\nfrom pathlib import Path\n"
        "assert ctypes.CDLL(None).unshare(0x10000000) == 0\n"
        "Path('/proc/sys/user/max_user_namespaces').write_text('0')\n"
        "from rapha.errors import SandboxError\nfrom rapha.node.sandbox.choose import ISOLATING\n"
        "for backend in ISOLATING:\n"
        "  try: backend().check(); print('isolated')\n"
        "  except SandboxError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if "AssertionError" in done.stderr:
        pytest.skip("this machine itself allows no user namespace")
    said = done.stdout.splitlines()
    assert len(said) == 2, done.stderr
    assert all("max_user_namespaces" in line or "not installed" in line for line in said)


def test_every_attempt_of_the_self_test_can_get_through_somewhere() -> None:
    """Without walls, in a process of its own, what this machine lets through is seen to: no attempt only ever holds."""
    code = (
        "import json, os, socket, tempfile\nfrom rapha.node.sandbox import escapes\n"
        "one = socket.create_server(('127.0.0.1', 0)); two = socket.socket(socket.AF_UNIX)\n"
        "two.bind('\\0rapha-test'); two.listen()\n"
        "plan = {'limits': {'memory_mb': 512, 'file_mb': 1, 'open_files': 20, 'processes': 8}, 'tmp_bytes': 1,\n"
        "        'listener': one.getsockname()[1], 'abstract': 'rapha-test'}\n"
        "stages = (escapes.in_the_group, escapes.before_the_locks, escapes.behind_landlock, escapes.behind_the_filter)\n"
        "print(json.dumps([e.name for stage in stages for e in stage(plan) if e.held()]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "STRAY": "1"}
    )
    places_only_inside = {
        "climb out of the dataset", "write to the dataset", "write to the weights", "write to the program",
        "write to the interpreter",
    }  # fmt: skip
    held = {name for name in json.loads(done.stdout) if " output" not in name and "hostile name" not in name}
    needs_root = {
        "read the host's password hashes", "list the host's home folders", "write to the root", "write among the devices", "mount",
        "mount a file system", "hold a capability", "open a socket (packet)", "make a device", "clone a mount",
        "open a file system", "change the root", "load a program into the kernel", "measure the processor",
    }  # fmt: skip
    needs_kernel = {
        "open a socket (bluetooth)", "open a socket (hypervisor)", "open a socket (kernel cryptography)",
        "send a datagram to the internet", "read another process's environment", "find a network interface", "handle page faults",
    }  # fmt: skip
    assert held - places_only_inside - needs_kernel - (set() if os.geteuid() == 0 else needs_root) == set()


def test_the_memory_disk_is_the_size_that_is_stated() -> None:
    assert TMP_BYTES == 256 * 2**20


def test_empty_files_do_not_fill_the_kernels_memory(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a kilobyte that no size of a disk counts. Bubblewrap cannot limit them: docs/boundaries.md says so."""
    made = Namespaces()
    try:
        made.check()
    except SandboxError as error:
        pytest.skip(str(error))
    flood = "found = 0\ntry:\n  while found < 20_000: os.mkdir(f'/tmp/{found}'); found += 1\nexcept OSError: pass"
    assert told(made, run, flood, monkeypatch) in range(1000, 4097)
