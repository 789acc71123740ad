"""What tests compare us with, installed beside us: once on a machine, and kept for the next run.

It lies under the user's cache folder (`rapha-tests`, which may be deleted whenever no test runs), in a folder named by the digest of what
was asked for. A folder without the mark that is written last was left by an install which did not end: it is made again from nothing.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

WHOLE = "whole"
SIGNING = ("sigstore==4.5.1", "model-signing==1.1.1", "pyOpenSSL")
INSTALLS_SECONDS = 900


def python_with(*requirements: str, options: tuple[str, ...] = ()) -> Path | None:
    """The Python of an environment that has these; `options`: further words for pip. None: they cannot be installed here."""
    base = sys._base_executable  # not this checkout's: another one finds what this one kept
    python = [base, sys.implementation.name, platform.python_version(), sysconfig.get_platform()]

    def make(place: Path) -> bool:
        made = [base, "-m", "venv", "--without-pip", place]
        own = [sys.executable, "-m", "pip", "--python", place / "bin" / "python"]
        wanted = ["install", "--quiet", "--no-compile", "--disable-pip-version-check", *options, *requirements]
        return _done(made, place.parent) and _done([*own, *wanted], place.parent)

    place = kept(["python", *python, *options, *requirements], make)
    return place / "bin" / "python" if place else None


def node_with(*packages: str) -> Path | None:
    """A folder with these packages of npm's under `node_modules`. None: npm is not here, or cannot fetch them."""
    if not shutil.which("npm"):
        return None
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *packages]
    return kept(["npm", sysconfig.get_platform(), *packages], lambda place: _done(command, place))


def kept(what: list[str], make: Callable[[Path], bool]) -> Path | None:
    """The folder that `make` filled, now or once before; None where it says that it could not. Others that want the same wait."""
    place = cache() / hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]
    with place.with_suffix(".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not (place / WHOLE).exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            if not make(place):
                shutil.rmtree(place)
                return None
            (place / WHOLE).write_text(json.dumps(what))
    return place


def cache() -> Path:
    place = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rapha-tests"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    return place


def _done(command: list[str | Path], place: Path) -> bool:
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, check=False, timeout=INSTALLS_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
