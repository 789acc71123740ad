"""Every field of a receipt file changed, one at a time."""

import copy
from collections.abc import Iterator
from typing import Any

Path_ = tuple[str | int, ...]


def mutations(bundle: Any) -> list[tuple[Path_, Any]]:
    """Each field changed near its beginning and in its middle; of the checkpoint, the log's three lines."""
    found = []
    for path, text in leaves(bundle):
        length = text.index("\n\n") if path[-1] == "envelope" else len(text)
        found += [(path, changed(bundle, path, other(text, at))) for at in {0, length // 3, length // 2}]
    return found


def leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    """Every text in it, and where."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, (*path, name))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from leaves(item, (*path, at))
    else:
        yield path, value


def changed(value: Any, path: Path_, new: str) -> Any:
    """A copy with another text there."""
    value = copy.deepcopy(value)
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = new
    return value


def other(text: str, at: int) -> str:
    """Another text of the same kind: a number one higher, base64 with one character changed."""
    if text.isdigit() and len(text) < 20:
        return str(int(text) + 1)
    return text[:at] + ("B" if text[at] != "B" else "C") + text[at + 1 :]
