"""What a run sees of the host, the same for every backend that isolates: an allow-list of places under neutral names."""

import sys
import sysconfig
from pathlib import Path

import rapha
from rapha.node.sandbox.port import RunFolder
from rapha.training.profile import ENVIRONMENT, PLACING


def libraries() -> list[tuple[str, str]]:
    """Folders of shared libraries (`folder`, path), and the links that stand for one (`link`, path)."""
    found = []
    for library in ("/usr/lib", "/usr/lib64", "/lib", "/lib64"):
        place = Path(library)
        if place.is_symlink():
            found.append(("link", library))
        elif place.is_dir():
            found.append(("folder", library))
    return found


def target(link: str) -> str:
    """What such a link points to."""
    return str(Path(link).readlink())


def program() -> list[tuple[str, str]]:
    """(host folder, name inside), all read-only: interpreter, installed packages, this package."""
    package = str(Path(rapha.__file__).parent)
    return [(sys.base_prefix, "/python"), (sysconfig.get_path("purelib"), "/site"), (package, "/code/rapha")]


def readable(run: RunFolder) -> list[tuple[str, str]]:
    """(host folder, name inside) of what this run may read. Beside them it may write to `run.output`, as `/out`."""
    return [(str(run.input), "/in"), (str(run.weights), "/weights")]


def environment() -> dict[str, str]:
    """The allow-list: nothing is inherited."""
    return {
        "PATH": "/usr/bin",
        "HOME": "/tmp",  # noqa: S108
        "PYTHONPATH": "/code:/site",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_LIBRARY_PATH": "/python/lib",
        **ENVIRONMENT,
        **PLACING,
    }


def interpreter() -> list[str]:
    """The command that runs `inside.py`, inside."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [f"/python/bin/{version}", "-s", "-P", "/code/rapha/node/sandbox/inside.py"]
