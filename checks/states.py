"""The text of `docs/states.md`, drawn from the tables of `rapha.records.lifecycle`."""

from rapha.records.lifecycle import FINAL, TABLES, Move

HEAD = """# States

Written by `make docs` from `src/rapha/records/lifecycle.py`; do not edit. Every move has one owner and writes one audit
event, in the same transaction; a move that is not here is refused as a conflict.
"""
SUBJECTS = {
    "study": "A study, on the hub.",
    "dispatch": "One study on its way to one site: the site's decision, and what became of it.",
    "task": "One site's work in one round.",
}


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(noun, table) for noun, table in TABLES.items())])


def section(noun: str, table: tuple[Move, ...]) -> str:
    """One noun: a Mermaid diagram, then the same as a table."""
    lines = [f"## {noun}", "", SUBJECTS[noun], "", "```mermaid", "stateDiagram-v2", f"    [*] --> {table[0].source}"]
    lines += [f"    {move.source} --> {move.target}: {move.owner}" for move in table]
    lines += [f"    {state} --> [*]" for state in sorted(FINAL[noun])]
    lines += ["```", "", "| from | to | who | audit event |", "|---|---|---|---|"]
    lines += [f"| {move.source} | {move.target} | {move.owner} | `{move.event}` |" for move in table]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(page())
