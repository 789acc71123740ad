"""`make bench` runs every claim of speed, `make bench NAME=round_small` one.

A claim is a file of this folder. It runs as a program of its own, at the size of the claim, and its last line is a
figure. A figure that is short of its target is said, not hidden; only a claim that breaks fails the command.
"""

import os
import subprocess
import sys
from pathlib import Path

from figure import LINE

KEPT = "figures.txt"
FOLDER = Path(__file__).resolve().parent
NOT_CLAIMS = {
    "run",
    "figure",
    "little_town",
    "many_events",
    "many_images",
    "round_large",
    "round_of_ten",
    "peer_rounds",
    "peer_run",
}


def main(arguments: list[str]) -> int:
    """Exit code 1 where a claim broke or gave no figure, 2 where there is none of that name."""
    claims = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NOT_CLAIMS)
    wanted = arguments or claims
    if unknown := [name for name in wanted if name not in claims]:
        print(f"error: no claim is called {unknown[0]}; there are: {', '.join(claims) or 'none yet'}", file=sys.stderr)
        return 2
    broken = [name for name in wanted if not run_claim(name)]
    for name in broken:
        print(f"error: {name} gave no figure", file=sys.stderr)
    return 1 if broken else 0


def run_claim(name: str) -> bool:
    """Run one, show what it says as it says it, and whether it ended with its figure."""
    last = ""
    command = [sys.executable, str(FOLDER / f"{name}.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip() or last
    found = LINE.fullmatch(last)
    if process.returncode != 0 or found is None or found["name"] != name:
        return False
    keep(FOLDER / KEPT, name, last)
    return True


def keep(file: Path, name: str, line: str) -> None:
    """Put the figure among those that docs/performance.md is written from, in place of an earlier one of this claim."""
    kept = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    others = [each for each in kept if f" | figure {name} " not in each]
    file.write_text("\n".join(sorted([*others, f"{machine()} | {line}"])) + "\n", encoding="utf-8")


def machine() -> str:
    """`2 cores, 24 GB`: what this process may use of the cores, and all the memory there is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{len(os.sched_getaffinity(0))} cores, {memory / 1e9:.0f} GB"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
