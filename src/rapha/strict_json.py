"""JSON with no second reading: UTF-8, no key twice, no NaN, no infinity. Nothing of the text is ever in an error."""

import json
from typing import Any, NoReturn


class NotStrict(Exception):
    """The bytes are not strict JSON. Carries nothing."""


def strict_json(data: bytes | memoryview) -> Any:
    """The value the bytes stand for.

    Raises:
        NotStrict: not UTF-8, not JSON, a key twice, NaN or infinity, nested or long beyond reason.
    """
    try:
        return json.loads(str(data, "utf-8"), object_pairs_hook=_no_key_twice, parse_constant=_refuse)
    except (ValueError, RecursionError):
        pass
    raise NotStrict


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("not a number")
