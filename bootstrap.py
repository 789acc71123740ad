"""Make `.venv` ready for this checkout: `python3 bootstrap.py`. Needs Python 3.11 or later and nothing else. With `tools`
after it, install what slow tests hold the project against instead: a browser, servers, toolchains, from Debian's packages.

A stamp (digest of pyproject.toml, this file, the interpreter and this folder) makes the second run a no-op. torch goes
first and alone, so that pip takes the build meant for this machine before anything else can pull in another.
bubblewrap, which the sandbox stands on, is installed where we may; where we may not, this says how.
"""

import hashlib
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".stamp"
EXTRAS = "hub,node,postgres,s3,train,genomics,imaging,onnx,chain,cedar,demo,dev"
TORCH_INDEX = "RAPHA_TORCH_INDEX_URL"
"""Environment: a package index to take torch from, in the place of pip's own."""
OLDEST = (3, 11)
TOOLS = {
    "bwrap": ("bubblewrap",),
    "chromium": ("chromium",),
    "npm": ("nodejs", "npm"),
    "openssl": ("openssl",),
    "psql": ("postgresql",),
    "Orthanc": ("orthanc", "orthanc-dicomweb"),
    "slurmctld": ("slurm-wlm", "munge"),
    "tc": ("iproute2",),
}
"""Programs that slow tests start, and the Debian packages that bring each."""


def main() -> int:
    """Exit code 0 with a ready `.venv`, 1 with a message that says what to do."""
    if sys.version_info < OLDEST:
        return go_on_with_newer_python()
    if sys.argv[1:] == ["tools"]:
        return install_tools()
    digest = digest_of_inputs()
    if read_stamp() == digest:
        return 0
    try:
        make_venv()
        torch = pinned_torch()
        say(f"installing {torch} (the largest part, some 200 MB) ...")
        pip("install", torch, *index_for_torch())
        say("installing rapha and what it needs ...")
        pip("install", "--editable", f"{ROOT}[{EXTRAS}]")
    except Failed as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    offer_bubblewrap()
    STAMP.write_text(digest)
    say("ready: .venv/bin/rapha")
    return 0


class Failed(Exception):
    """Setting up cannot go on; the message says why and what to do."""


def say(line: str) -> None:
    print(f"rapha: {line}", flush=True)


def go_on_with_newer_python() -> int:
    from shutil import which

    for minor in range(OLDEST[1], OLDEST[1] + 5):
        found = which(f"python3.{minor}")
        if found:
            os.execv(found, [found, str(ROOT / "bootstrap.py")])  # noqa: S606
    here = ".".join(str(part) for part in sys.version_info[:2])
    print(
        f"error: Python 3.11 or later is needed, this is {here}. On Debian 12: apt-get install python3", file=sys.stderr
    )
    return 1


def digest_of_inputs() -> str:
    state = hashlib.sha256(f"{sys.version}\n{ROOT}\n".encode())
    for name in ("pyproject.toml", "bootstrap.py"):
        state.update((ROOT / name).read_bytes())
    return state.hexdigest()


def read_stamp() -> str:
    try:
        return STAMP.read_text()
    except FileNotFoundError:
        return ""


def make_venv() -> None:
    """A virtual environment with this interpreter; one that is there and works is kept.

    Debian splits `ensurepip` off into python3-venv: without it the machine's own pip installs into the environment.
    """
    from importlib.util import find_spec

    if run(str(PYTHON), "-c", "") == 0:
        return
    say("creating .venv ...")
    without_pip = [] if find_spec("ensurepip") else ["--without-pip"]
    if run(sys.executable, "-m", "venv", "--clear", *without_pip, str(VENV)) != 0:
        raise Failed("Python could not create .venv. On Debian and Ubuntu: apt-get install python3-venv")


def pinned_torch() -> str:
    """`torch==...` as pyproject.toml has it."""
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    return next(line for line in extras["train"] if line.startswith("torch=="))


def index_for_torch() -> list[str]:
    """On Linux x86-64 an ordinary index gives torch with CUDA, gigabytes of it: whoever wants the small build, and whose
    pip does not find it by itself, names the index that has it."""
    told = os.environ.get(TORCH_INDEX)
    return ["--index-url", told] if told else []


def pip_command() -> list[str]:
    if run(str(PYTHON), "-c", "import pip") == 0:
        return [str(PYTHON), "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", str(PYTHON)]


def pip(*arguments: str) -> None:
    quiet = [] if sys.stdout.isatty() else ["-qq"]
    command = [*pip_command(), "--disable-pip-version-check", *arguments, *quiet]
    if run(*command, show=True) != 0:
        raise Failed(
            "pip could not install this; its own words are above. If this machine has no network, install once where "
            "there is one, or point pip at a folder of wheels: pip config set global.find-links FOLDER. Then run again"
        )


def offer_bubblewrap() -> None:
    """Install Debian's bubblewrap where we may. Where we may not, say how: `rapha demo` decides what follows."""
    from shutil import which

    if sys.platform != "linux" or which("bwrap"):
        return
    say("installing bubblewrap, the sandbox's walls ...")
    if not install("bubblewrap"):
        say("bubblewrap is not installed, and the sandbox stands on it. With root: apt-get install bubblewrap")


def install_tools() -> int:
    """Those that are missing. Exit code 0 also where some could not be had: their tests are skipped, and each says for what."""
    from shutil import which

    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in TOOLS if not which(name, path=path)]
    packages = [package for name in missing for package in TOOLS[name]]
    if packages:
        say(f"installing {' '.join(packages)} for the tests ...")
        if not install("--no-install-recommends", *packages):
            say(f"not installed, so tests that need them are skipped. With root: apt-get install {' '.join(packages)}")
    return 0


def install(*packages: str) -> bool:
    """By Debian's apt-get, as root or with a sudo that asks nothing."""
    from shutil import which

    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not which("apt-get") or (root and not (which("sudo") and run("sudo", "-n", "true") == 0)):
        return False
    apt_get = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    installing = [*apt_get, "install", "--yes", "--quiet", *packages]
    return run(*installing) == 0 or (run(*apt_get, "update") == 0 and run(*installing) == 0)


def run(*command: str, show: bool = False) -> int:
    """Exit code; 127 where there is no such program."""
    import subprocess

    out = None if show else subprocess.DEVNULL
    try:
        return subprocess.run(command, stdout=out, stderr=out, check=False).returncode
    except FileNotFoundError:
        return 127


if __name__ == "__main__":
    sys.exit(main())
