"""A FHIRPath text -> its tokens."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*)
      | (?P<moment>@(?:\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?(?:Z|[+-]\d\d:\d\d)?)?)?
                 |T\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?))
      | (?P<number>\d{1,18}(?:\.\d{1,18})?(?![A-Za-z_\d]))
      | (?P<text>'(?:[^'\\]|\\.)*')
      | (?P<variable>%(?:[A-Za-z_]\w*|`[^`"\\]+`))
      | (?P<word>[A-Za-z_]\w*|`[^`"\\]+`|\$this)
      | (?P<sign><=|>=|!=|[.,()\[\]{}=<>+\-*/&|~])""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "'": "'", '"': '"', "`": "`", "\\": "\\", "/": "/"}


@dataclass(frozen=True)
class Token:
    """`kind`: moment, number, text, variable, word, sign, or `end`. `at` counts characters, from 1."""

    kind: str
    text: str
    at: int


class Unreadable(Exception):
    """What is wrong with a path, and where in it."""


def tokens(path: str) -> Iterator[Token]:
    """All tokens of a path and one `end`. Raises Unreadable."""
    at = 0
    while at < len(path):
        found = _TOKEN.match(path, at)
        if found is None:
            raise Unreadable(f"character {at + 1}: {path[at : at + 12]!r} begins no word, number, text or sign")
        kind = str(found.lastgroup)
        if kind != "blank":
            yield Token(kind, _plain(kind, found[0], at), at + 1)
        at = found.end()
    yield Token("end", "", len(path) + 1)


def _plain(kind: str, text: str, at: int) -> str:
    if kind == "text":
        return _ESCAPED.sub(lambda escape: _unescaped(escape[1], at), text[1:-1])
    if kind in ("word", "variable"):
        return text.removeprefix("%").strip("`")
    return text.removeprefix("@").removeprefix("T") if kind == "moment" else text


def _unescaped(escape: str, at: int) -> str:
    if escape[0] == "u" and len(escape) == 5:
        return chr(int(escape[1:], 16))
    if escape not in _ESCAPES:
        raise Unreadable(f"character {at + 1}: the escape \\{escape} in a text is not known")
    return _ESCAPES[escape]
