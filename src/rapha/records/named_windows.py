"""Windows that a study names once and uses by their names.

    windows:
      baseline: {until: index, for: 1 year}
      stay:     {from: encounter start, until: index}
    features:
      - {last: creatinine, during: stay}
      - {ratio: creatinine, during: stay, baseline: {min: baseline}}
      - {count: admission, during: {until: start of baseline, for: 2 years}}

A name is a short form: what is validated, signed and run is the study with its windows written out. `start of` and `end of` a window
are moments where one can be written: `1 year before index` is the start of `baseline`.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from rapha.records.moments import Window

_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_-]{0,62}$")
_EDGE = re.compile(r"^\s*(start|end) of (\S+)\s*$")
_MOMENTS = ("until", "before", "from")
_WINDOWS = ("during", "first", "last", "min", "max", "mean")
"""The keys whose value may be a window: `during`, and in a baseline the number that is picked."""
PARTS = ("cohort", "outcome", "features")


def written_out(study: Any) -> Any:
    """The study, as its author gave it, with every name of a window replaced by the window. Without `windows`: as it is.

    Raises:
        PydanticCustomError: a name is no word, a window names itself or another, or what is named is not there.
    """
    if not isinstance(study, dict) or "windows" not in study:
        return study
    named = study["windows"]
    if not isinstance(named, Mapping):
        raise PydanticCustomError("windows", "`windows` reads like {{baseline: {{until: index, for: 1 year}}}}")
    for name in named:
        if not isinstance(name, str) or not _NAME.match(name):
            raise PydanticCustomError("windows", "windows: {name} is no name for a window", {"name": repr(name)[:60]})
    windows = {name: Window.model_validate(each) for name, each in named.items()}
    rest = {key: value for key, value in study.items() if key != "windows"}
    return rest | {part: _written(rest[part], windows, part) for part in PARTS if part in rest}


def _written(value: Any, windows: dict[str, Window], place: str, *, baseline: bool = False) -> Any:
    if isinstance(value, list | tuple):
        return [_written(each, windows, f"{place}.{at}") for at, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for key, each in value.items():
        here = f"{place}.{key}"
        if isinstance(each, str) and (key == "during" or (baseline and key in _WINDOWS)):
            found[key] = _named(each, windows, here).model_dump()
        elif isinstance(each, str) and key in _MOMENTS and (edge := _EDGE.match(each)):
            found[key] = _edge(edge[1], _named(edge[2], windows, here), here)
        else:
            found[key] = _written(each, windows, here, baseline=key == "baseline")
    return found


def _named(name: str, windows: dict[str, Window], place: str) -> Window:
    if name not in windows:
        raise PydanticCustomError(
            "windows",
            "{place}: there is no window {name} under `windows`; there are {known}",
            {"place": place, "name": repr(name[:60]), "known": ", ".join(windows)},
        )
    return windows[name]


def _edge(which: str, window: Window, place: str) -> str:
    """The moment at which a window starts or ends, as a study writes it."""
    anchored = "start" if window.relation in ("from", "between") else "end"
    if which == anchored:
        return str(window.anchor)
    if window.end is not None:
        return str(window.end)
    if window.length is None or window.anchor.offset is not None:
        raise PydanticCustomError(
            "windows", "{place}: the {which} of that window is no moment that can be written: name it otherwise",
            {"place": place, "which": which},
        )  # fmt: skip
    return f"{window.length} {'after' if anchored == 'start' else 'before'} {window.anchor}"
