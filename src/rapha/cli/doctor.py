"""`rapha doctor`: what this machine can and cannot do, and how to mend it. It changes nothing."""

import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rapha.clock import Clock, stamp, utc_now
from rapha.errors import ConfigurationError, RaphaError

if TYPE_CHECKING:
    from rapha.node.sandbox.port import Backend

State = Literal["ok", "weak", "bad"]
EXTRAS = {
    "hub": "run a hub",
    "node": "run a hospital's node",
    "train": "train in the sandbox",
    "demo": "deal the demonstration's data",
}
NODE_EXTRA = "pip install 'rapha[node]'"
DISK_NEEDED_MB, MEMORY_ADVISED_MB, CORES_ADVISED = 1000, 4000, 2
LOCKS = ("landlock", "seccomp", "process limit")
_MARKS: dict[State, str] = {"ok": "[green]ok[/]", "weak": "[yellow]weak[/]", "bad": "[red]bad[/]"}


class Finding(NamedTuple):
    """One thing looked at. `bad` keeps the demonstration from running, `weak` makes it slow or less well walled."""

    subject: str
    state: State
    found: str
    mend: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON, for a program.")] = False,
) -> None:
    """What this machine can and cannot do, and how to mend it. Exit code 0 when `rapha demo` can run here, else 4."""
    findings = examine()
    can_run = all(finding.state != "bad" for finding in findings)
    if as_json:
        print(json.dumps({"demo_can_run": can_run, "findings": [f._asdict() for f in findings]}, indent=2))
    else:
        show(findings, can_run)
    if not can_run:
        raise typer.Exit(ConfigurationError.exit_code)


def examine() -> list[Finding]:
    """Every finding, in the order in which one would mend them."""
    looks: list[Callable[[], list[Finding]]] = [look_at_python, look_at_extras, look_at_torch, look_at_sandbox]
    looks += [look_at_machine, look_at_loopback, look_at_clock]
    return [finding for look in looks for finding in look()]


def show(findings: list[Finding], can_run: bool) -> None:
    """A table on standard output, then the verdict in one line."""
    table = Table("what", "", "found", "how to mend it", box=None, pad_edge=False)
    for finding in findings:
        table.add_row(finding.subject, _MARKS[finding.state], escape(finding.found), escape(finding.mend))
    console = Console()
    console.print(table)
    bad = ", ".join(finding.subject for finding in findings if finding.state == "bad")
    console.print("\n`rapha demo` can run here." if can_run else f"\n`rapha demo` cannot run here yet: {bad}.")


def look_at_python() -> list[Finding]:
    found = (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    return [Finding("python", "ok", found)]  # pip refuses to install rapha on an older one


def look_at_extras() -> list[Finding]:
    """Which of rapha's extras are installed, by the packages that they name."""
    findings = []
    for extra, use in EXTRAS.items():
        lines = [line for line in requires("rapha") or () if line.endswith(f'extra == "{extra}"')]
        missing = [name for name in map(_package_name, lines) if not _is_installed(name)]
        if missing:
            mend = f"pip install 'rapha[{extra}]'"
            findings.append(Finding(f"extra {extra}", "bad", f"missing: {', '.join(missing)}", mend))
        else:
            findings.append(Finding(f"extra {extra}", "ok", f"installed: can {use}"))
    return findings


def _package_name(requirement: str) -> str:
    return next(requirement[:at] for at, letter in enumerate(requirement) if letter in "[<>=;! ")


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def look_at_torch() -> list[Finding]:
    """Whether torch can be imported, and which instructions of this processor it will use."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return [Finding("torch", "bad", f"cannot be imported ({type(error).__name__})", "pip install 'rapha[train]'")]
    capability = torch.backends.cpu.get_cpu_capability()
    state: State = "ok" if capability != "DEFAULT" else "weak"
    mend = "" if state == "ok" else "training will be slow: this processor has no AVX2"
    return [Finding("torch", state, f"{torch.__version__}, processor capability {capability}", mend)]


def look_at_sandbox() -> list[Finding]:
    """Whether the kernel lets us make namespaces, and which backends really isolate: each is tried. One is enough."""
    try:
        from rapha.node.sandbox.choose import ISOLATING
    except ModuleNotFoundError as error:
        return [_namespaces(), Finding("sandbox", "bad", f"cannot be tried: {error.name} is missing", NODE_EXTRA)]
    tried = [_backend(backend()) for backend in ISOLATING]
    if any(finding.state != "bad" for finding in tried):
        tried = [finding._replace(state="weak" if finding.state == "bad" else finding.state) for finding in tried]
    return [_namespaces(), *tried]


def _backend(backend: "Backend") -> Finding:
    subject = f"sandbox {backend.name}"
    try:
        backend.check()
    except RaphaError as error:
        message, _, mend = str(error).partition(": ")
        return Finding(subject, "bad", message, mend)
    missing = sorted(set(LOCKS) - set(backend.layers))
    if missing:
        return Finding(subject, "weak", f"isolates: tried; without {', '.join(missing)}", "see docs/security.md")
    return Finding(subject, "ok", f"isolates: tried; {len(backend.layers)} layers")


def _namespaces() -> Finding:
    """Three switches of Linux can forbid user namespaces; the last two do not bind root."""
    switches = (
        ("user.max_user_namespaces", 0, 10_000, True),
        ("kernel.unprivileged_userns_clone", 0, 1, False),
        ("kernel.apparmor_restrict_unprivileged_userns", 1, 0, False),
    )
    for switch, forbidding, allowing, binds_root in switches:
        place = Path("/proc/sys", *switch.split("."))
        if (binds_root or os.geteuid() != 0) and place.is_file() and place.read_text().strip() == str(forbidding):
            return Finding("user namespaces", "weak", f"{switch} is {forbidding}", f"sysctl -w {switch}={allowing}")
    return Finding("user namespaces", "ok", "no switch of the kernel forbids them")


def look_at_machine() -> list[Finding]:
    """Disk where demonstrations work, memory, cores. Megabytes are millions of bytes."""
    free_mb = shutil.disk_usage(tempfile.gettempdir()).free // 10**6
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10**6
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    disk_state: State = "ok" if free_mb >= DISK_NEEDED_MB else "bad"
    return [
        Finding("disk", disk_state, f"{free_mb} MB free", "" if disk_state == "ok" else f"free {DISK_NEEDED_MB} MB"),
        _advised("memory", memory_mb, MEMORY_ADVISED_MB, "MB"),
        _advised("cores", cores, CORES_ADVISED, "usable"),
    ]


def _advised(subject: str, found: int, advised: int, unit: str) -> Finding:
    if found >= advised:
        return Finding(subject, "ok", f"{found} {unit}")
    return Finding(subject, "weak", f"{found} {unit}", f"{advised} or more: with fewer, try `rapha demo --hospitals 2`")


def look_at_loopback() -> list[Finding]:
    """Hub and nodes meet on a free port of 127.0.0.1."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            return [Finding("loopback", "ok", f"port {server.getsockname()[1]} could be opened")]
    except OSError as error:
        return [Finding("loopback", "bad", f"no port can be opened ({error.strerror})", "allow 127.0.0.1 to programs")]


def look_at_clock(clock: Clock = utc_now) -> list[Finding]:
    """Tokens live for a minute, so hub and node must agree on the time. The clock cannot be before our own files."""
    written = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    now = clock()
    if now < written:
        return [Finding("clock", "bad", f"{stamp(now)} is before rapha was installed", "set the clock, or run NTP")]
    return [Finding("clock", "ok", stamp(now))]
