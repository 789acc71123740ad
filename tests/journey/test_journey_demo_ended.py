"""A demonstration that is told to end leaves nothing running."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from patience import until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_demonstration_that_is_ended_leaves_nothing(how: signal.Signals, tmp_path: Path) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed: see `rapha doctor`")
    home = tmp_path / "home"
    command = [sys.executable, "-m", "rapha.cli.main", "demo", "--home", str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as demo:
        try:
            until(lambda: bool(running(home)), seconds=120.0)
            demo.send_signal(how)
            assert demo.wait(timeout=60) != 0
            until(lambda: not running(home))
        finally:
            for process in running(home):
                subprocess.run(["kill", "-9", process], check=False)


def running(home: Path) -> list[str]:
    """Processes of the town in this folder."""
    found = subprocess.run(
        ["pgrep", "-f", f"rapha.cli.main (hub|node) .*{home}"], capture_output=True, text=True, check=False
    )
    return found.stdout.split()
