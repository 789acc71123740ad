"""`make docs` writes the generated pages of docs/; `--check` writes nothing, and exits 1 where one is not current."""

import sys
from pathlib import Path

import commands
import evidence
import freezes
import performance
import receipts
import refusals
import states

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = {
    "states.md": states.page,
    "commands.md": commands.page,
    "performance.md": performance.page,
    "site-release-schema.json": receipts.site_page,
    "aggregation-schema.json": receipts.aggregation_page,
    "refusal-schema.json": refusals.page,
    "freeze-schema.json": freezes.page,
    "evidence-schema.json": evidence.page,
}


def main(arguments: list[str]) -> int:
    """Write, or compare with, every generated page."""
    stale = [name for name, page in PAGES.items() if not is_current(name, page())]
    for name in stale:
        if arguments == ["--check"]:
            print(f"docs/{name} is not current: run `make docs`", file=sys.stderr)
        else:
            (DOCS / name).write_text(PAGES[name]())
            print(f"docs/{name}: written")
    return 1 if stale and arguments == ["--check"] else 0


def is_current(name: str, text: str) -> bool:
    return (DOCS / name).is_file() and (DOCS / name).read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
