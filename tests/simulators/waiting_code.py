"""Foreign code in the place of a workload that waits: bound beside the package, since the folders of one that waits are empty."""

from pathlib import Path

import pytest

from rapha.node.sandbox import places, started

READY = '{"ok": true, "numerics": {"torch": "-", "python": "-", "threads": 1, "cpu_capability": "-", "deterministic": true}}'
FRAME = """import json, os, sys
def tried(what):
    try:
        return what()
    except OSError as error:
        return type(error).__name__
def look():
    {look}
{at_once}
print('{ready}', flush=True)
seen = [look()]
for line in sys.stdin:
    if line == 'begin\\n':
        print('{ready}', flush=True)
        continue
    seen.append(look())
    json.dump(seen, open('/out/figures.json', 'w'))
    print('{{"ok": true}}', flush=True)
"""


def put_in_place(monkeypatch: pytest.MonkeyPatch, folder: Path, look: str, at_once: str = "") -> None:
    """Every sandbox started from now on runs it: `at_once` when it starts, `look` then and at each command; what `look`
    returned, each time, goes to the run's `figures.json`."""
    code = folder / "foreign"
    code.mkdir(parents=True)
    (code / "__init__.py").touch()
    (code / "__main__.py").write_text(FRAME.format(look=look, at_once=at_once, ready=READY))
    bound = [*places.program(), (str(code), "/code/foreign")]
    monkeypatch.setattr(places, "program", lambda: bound)
    monkeypatch.setattr(started, "WORKLOAD", "foreign")
