"""The console script as a person meets it: help, exit codes, and what is said when something breaks."""

import errno
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from patience import until

from rapha import __version__, errors
from rapha.cli import main as cli
from rapha.clock import utc_now
from rapha.node.enrolment import make_home
from rapha.node.hub_line import HubLine
from rapha.node.keys import load_key
from rapha.records.wire import Poll

SECRET = "patient 4711 has 12.3"


def rapha(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from rapha.cli.main import run; run()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[BaseException], int]:
    """Run the script with a command that raises; its exit code. Defects are kept in `tmp_path`."""
    monkeypatch.setattr(cli.tempfile, "tempdir", str(tmp_path))

    def end(error: BaseException) -> int:
        def broken() -> None:
            raise error

        monkeypatch.setattr(sys.modules[__name__], "BROKEN", broken, raising=False)
        monkeypatch.setitem(cli.COMMANDS, "broken", (f"{__name__}:BROKEN", "Raises."))
        monkeypatch.setattr(sys, "argv", ["rapha", "broken"])
        with pytest.raises(SystemExit) as left:
            cli.run()
        return left.value.code if isinstance(left.value.code, int) else -1

    return end


def test_help_names_every_command() -> None:
    done = rapha("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in cli.COMMANDS)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_no_command_offers_a_completion_that_the_console_script_has_not(name: str) -> None:
    command = cli.LateCommand(name, *cli.COMMANDS[name]).load()
    assert not [param.name for param in command.params if "completion" in str(param.name)]


def test_version() -> None:
    done = rapha("--version")
    assert (done.returncode, done.stdout) == (0, f"rapha {__version__}\n")


def test_help_imports_no_command_and_no_heavy_library() -> None:
    asked = (
        "import sys, rapha.cli.main as m\n"
        "sys.argv = ['rapha', '--help']\n"
        "try: m.run()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert {name for name in loaded if name.startswith("rapha")} == {
        "rapha",
        "rapha.cli",
        "rapha.cli.main",
        "rapha.errors",
        "rapha.faults",
        "rapha.lean",
    }
    assert not loaded & {"torch", "duckdb", "pyarrow", "fastapi", "sqlalchemy", "pydantic", "httpx2", "numpy"}


def test_a_wrong_word_offers_the_nearest() -> None:
    done = rapha("stdy")
    assert done.returncode == 2
    assert "Did you mean 'study'?" in done.stderr


@pytest.mark.parametrize(
    "error", [errors.StudyError("s"), errors.Unreachable("u"), errors.EgressRefused("e", "internal")]
)
def test_our_errors_end_with_their_code(
    error: errors.RaphaError, ending: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(error) == error.exit_code
    assert capsys.readouterr().err == f"error: {error}\n"


def test_an_interrupt_is_130(ending: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]) -> None:
    assert ending(KeyboardInterrupt()) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_a_full_disk_is_said_with_its_folder(
    ending: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/somewhere/blobs/part")
    assert ending(full) == errors.DiskFull.exit_code
    assert "/somewhere/blobs:" in capsys.readouterr().err


def test_a_missing_extra_says_how_to_install_it(
    ending: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ending(ModuleNotFoundError("x", name="duckdb.sub")) == errors.ConfigurationError.exit_code
    assert "pip install 'rapha[node]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [ValueError(SECRET), OSError(errno.EIO, SECRET), ModuleNotFoundError(SECRET, name="x")]
)
def test_a_defect_shows_no_value_and_keeps_the_traceback_private(
    error: Exception, ending: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert ending(error) == cli.DEFECT
    shown = capsys.readouterr()
    assert SECRET not in shown.err + shown.out
    found = re.search(r"is in (\S+\.txt):", shown.err)
    assert found
    kept = Path(found[1])
    assert kept.parent == tmp_path
    assert SECRET in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--name", "Trial Hub"), "--name:"), (("--port", "99999"), "--port:"), (("--host", ""), "--host:")],
)
def test_a_hub_with_a_wrong_setting_is_not_made(tmp_path: Path, options: tuple[str, str], said: str) -> None:
    done = rapha("hub", "init", str(tmp_path / "hub"), *options)
    assert (done.returncode, done.stdout) == (errors.ConfigurationError.exit_code, "")
    assert done.stderr.startswith(f"error: {said}")
    assert not (tmp_path / "hub").exists()


def test_a_folder_that_is_not_ours_is_no_defect(ending: Callable[[BaseException], int], tmp_path: Path) -> None:
    refused = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "node.yaml"))
    assert ending(refused) == errors.ConfigurationError.exit_code
    assert not list(tmp_path.iterdir())


def test_a_hub_that_is_stopped_lets_its_nodes_go(tmp_path: Path) -> None:
    """A long poll that waits is answered, and nothing but sentences is on the screen."""
    home = tmp_path / "hub"
    assert rapha("hub", "init", str(home), "--port", "0").returncode == 0
    code = rapha("hub", "enrol", str(home), "north").stdout.strip()
    command = [sys.executable, "-m", "rapha.cli.main", "hub", "run", str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as hub:
        until(lambda: (home / "hub.url").exists())
        url = (home / "hub.url").read_text()
        made = make_home(tmp_path / "north", site="north", name="North", hub_url=url, code=code)
        line = HubLine(url, made.hub, "north", load_key(tmp_path / "north" / "key.pem"), utc_now)
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(line.poll, Poll(wait_seconds=50.0))
            until(lambda: waiting.running())
            hub.send_signal(signal.SIGTERM)
            said, _ = hub.communicate(timeout=30)
            assert waiting.exception() is None or isinstance(waiting.exception(), errors.Unreachable)
    assert hub.returncode == 0
    assert "Traceback" not in said and "ERROR" not in said, said
