"""An ACES task -> a study. What ACES cannot say is asked of the researcher; what the language cannot say is refused.

Source of the rules: es-aces 0.7.3, `config.py`, `aggregate.py`, `extract_subtree.py`. Windows here are open at their start
and closed at their end, which is ACES's `start_inclusive: False, end_inclusive: True`.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from rapha.errors import StudyError
from rapha.sdk.importers.aces_moments import Moment, Window, read_windows, said
from rapha.sdk.importers.aces_predicates import Predicates
from rapha.sdk.importers.draft import Draft, Rule, Untranslated, refuse, slug
from rapha.sdk.marked_yaml import Marked, Unreadable, read_marked

LIMIT_BYTES = 1 << 20
_TOP = ("predicates", "patient_demographics", "trigger", "windows", "description", "metadata")
_COUNTS = re.compile(r"^\s*[(\[]\s*(None|null|\d+)\s*,\s*(None|null|\d+)\s*[)\]]\s*$")
_NOW = timedelta(0)


@dataclass(frozen=True)
class AcesChoices:
    """What an ACES task leaves open. `codes`: the data's, for patterns. `paired`: every event that the index is the next of
    follows a trigger of its own. `no_ties`: no event that bounds a window falls on the moment from which it is looked for (there
    ACES takes it for the bound, where that side is inclusive). `and_on_one_row`: see `aces_predicates`."""

    unobserved: Literal["exclude", "censor"] | None = None
    competing: Literal["death", "none"] | None = None
    system: str = "MEDS"
    split: str = ""
    codes: tuple[str, ...] | None = None
    and_on_one_row: bool = False
    paired: bool = False
    no_ties: bool = False


def import_aces(path: Path, choices: AcesChoices) -> str:
    """The study file that says what an ACES task file says.

    Raises:
        StudyError: it cannot be read, or something in it cannot be said; one line for each, with its line and reason.
    """
    tree = _read(path)
    draft = Draft(slug(path.stem), _head(path.name, tree, choices))
    work = _Translation(tree, draft, choices)
    refuse(work.run(), path.name)
    return draft.text()


def _read(path: Path) -> Marked:
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StudyError(f"{path}: not UTF-8 text") from None
    if len(data) > LIMIT_BYTES:
        raise StudyError(f"{path} is larger than 1 MiB; a task is a page of text")
    try:
        tree, faults = read_marked(text)
    except Unreadable as unreadable:
        raise StudyError("\n".join(fault.sentence(path.name) for fault in unreadable.faults)) from None
    wrong = [
        fault for fault in faults if not fault.message.startswith("this key does not take")
    ]  # True and False are ACES's own
    if wrong:
        raise StudyError("\n".join(fault.sentence(path.name) for fault in wrong))
    if not isinstance(tree.value, dict):
        raise StudyError(
            f"{path.name}: an ACES task has the keys `predicates`, `trigger` and `windows`; this file has none"
        )
    return tree


def _head(name: str, tree: Marked, choices: AcesChoices) -> list[str]:
    lines = [f"Translated from the ACES task {name}."]
    for key in ("description", "metadata"):
        if tree.at(key) is not None:
            lines += [f"ACES {key}: " + " ".join(str(tree.value[key]).split())[:300]]
    lines += ["What ACES does not say, as the importer was told:"]
    lines += [f"  unobserved: {choices.unobserved} (ACES takes who is not watched to the end of the window for a 0)"]
    lines += [f"  competing: {choices.competing} (ACES takes who dies first for a 0)"]
    if choices.paired:
        lines += ["  paired: each index event follows a trigger of its own"]
    if choices.no_ties:
        lines += ["  no-ties: no event that bounds a window falls on the moment from which it is looked for"]
    if choices.and_on_one_row:
        lines += ["  and-on-one-row: `and(...)` asks for one row that meets all, not for rows of one moment"]
    lines += [
        "Different here, always: the index lies where the patient is observed; what is charted after a death is not there."
    ]
    return lines


class _Translation:
    """One task on its way; collects what cannot be translated."""

    def __init__(self, tree: Marked, draft: Draft, choices: AcesChoices) -> None:
        self._tree, self._draft, self._choices = tree, draft, choices
        self._failed: list[Untranslated] = []
        self._predicates = Predicates(tree, draft, choices.system, choices.split, choices.codes, choices.and_on_one_row)
        self._index = Moment("trigger")
        self._trigger: tuple[str, ...] = ()

    def run(self) -> list[Untranslated]:
        for key, child in self._tree.children.items():
            if key not in _TOP:
                self._failed.append(Untranslated("no such key is known of an ACES task", child.line, str(key)))
        try:
            windows = read_windows(self._tree)
            self._place_index(windows)
        except Untranslated as failed:
            return [*self._failed, failed]
        for step in (self._static, *(self._window(window) for window in windows), self._outcome(windows)):
            try:
                step()
            except Untranslated as failed:
                self._failed.append(failed)
        return self._failed

    def _static(self) -> None:
        self._draft.include += self._predicates.statics(self._tree)

    def _place_index(self, windows: list[Window]) -> None:
        """The index event. Raises Untranslated: it cannot be one."""
        node = self._tree.at("trigger")
        if node is None or not isinstance(node.value, str):
            raise Untranslated("is no predicate", self._tree.line, "trigger")
        trigger = self._predicates.meaning(node.value, node.line)
        if trigger.value:
            raise Untranslated("an index event has no range of its number in the language", node.line, "trigger")
        self._trigger = trigger.concepts
        marked = [window for window in windows if "index_timestamp" in window.node.children]
        if len(marked) != 1:
            raise Untranslated("one window says `index_timestamp`: from when on is predicted", node.line, "windows")
        [window] = marked
        child = window.node.children["index_timestamp"]
        place = f"{window.place}.index_timestamp"
        if child.value not in ("start", "end"):
            raise Untranslated("is neither start nor end", child.line, place)
        self._index = window.start if child.value == "start" else window.end
        comment = (
            f"ACES: trigger {node.value}, line {node.line}; index at {window.name}.{child.value}, line {child.line}"
        )
        if self._index.of == "trigger" and self._index.moved >= _NOW:
            after = {"after": said(self._index.moved, child.line, place)} if self._index.moved else {}
            self._draft.index = ({"every": list(self._trigger), **after}, comment)
        elif self._index.of == "next" and self._index.origin == Moment("trigger") and not self._index.moved:
            self._next_as_index(child.line, place, comment)
        else:
            raise Untranslated(
                "the index is the trigger, a time after it, or the next event of a predicate after it; nothing else",
                child.line, place,
            )  # fmt: skip

    def _next_as_index(self, line: int, place: str, comment: str) -> None:
        name = self._index.predicate
        if not (self._choices.paired and self._choices.no_ties):
            raise Untranslated(
                f"the index is the first `{name}` from the trigger on; a study's index is every `{name}`. They are the same where "
                f"each `{name}` follows a trigger of its own and never at its very moment: `--paired --no-ties` says that it is so",
                line, place,
            )  # fmt: skip
        meant = self._predicates.meaning(name, line)
        if meant.value or len(self._trigger) != 1:
            raise Untranslated(
                "an index event has no range of its number, and its trigger is of one concept", line, place
            )
        self._draft.index = ({"every": list(meant.concepts)}, comment)
        self._draft.include.append(
            (
                {"any_of": list(self._trigger), "during": {"before": "index"}},
                "ACES: the trigger that the index event follows",
            )
        )

    def _bound(self, moment: Moment, line: int, place: str) -> str:
        """The moment as a study writes it. Raises Untranslated."""
        if self._is_index(moment):
            by, anchor = moment.moved - self._index.moved, "index"
        elif moment.of == "trigger":
            by, anchor = moment.moved, f"last {self._trigger[0]}"
        elif moment.of in ("next", "last") and moment.origin == self._index:
            if moment.of == "last" and not self._choices.no_ties:
                raise Untranslated(
                    "a study's `last` may be at the index itself: `--no-ties` says that none is", line, place
                )
            meant = self._predicates.meaning(moment.predicate, line)
            if meant.value or len(meant.concepts) != 1:
                raise Untranslated(
                    f"`{moment.predicate}` is of several concepts, or of a range: a window ends at one concept",
                    line,
                    place,
                )
            by, anchor = moment.moved, f"{moment.of} {meant.concepts[0]}"
        else:
            raise Untranslated(
                f"`{moment.predicate or moment.of}` is looked for from another moment than the index: a study's `next` and "
                "`last` are the index's own", line, place,
            )  # fmt: skip
        if not by:
            return anchor
        return f"{said(abs(by), line, place)} {'after' if by > _NOW else 'before'} {anchor}"

    def _is_index(self, moment: Moment) -> bool:
        index = self._index
        return (moment.of, moment.predicate, moment.origin) == (index.of, index.predicate, index.origin)

    def _window(self, window: Window) -> Any:
        return lambda: self._hold(window)

    def _hold(self, window: Window) -> None:
        """The window's ends must be there, and its counts must hold."""
        for side, moment, inclusive in (("start", window.start, window.start_in), ("end", window.end, window.end_in)):
            if moment.of in ("next", "last") and not self._is_index(moment):
                self._is_there(window, side, moment, inclusive)
        has = window.node.children.get("has")
        if has is None or has.value is None:
            return
        for name, counts in has.children.items():
            place = f"{window.place}.has.{name}"
            during = self._during(window, counts.line)
            if rule := self._counted(str(name), counts, during, place):
                self._draft.include.append((rule, f"ACES: {place}, line {counts.line}"))

    def _is_there(self, window: Window, side: str, moment: Moment, inclusive: bool) -> None:
        child = window.node.children[side]
        place = f"{window.place}.{side}"
        if inclusive and not self._choices.no_ties:
            raise Untranslated(
                "is inclusive, so that ACES takes an event at the very moment it looks from for the bound; a study looks "
                "strictly before or after it: `--no-ties` says that there is none", child.line, place,
            )  # fmt: skip
        assert moment.origin is not None
        meant = self._predicates.meaning(moment.predicate, child.line)
        origin = self._bound(moment.origin, child.line, place)
        during = {"from": origin} if moment.of == "next" else {"before": origin}
        rule: Rule = {"any_of": list(meant.concepts), "during": during}
        rule |= {"value": meant.value} if meant.value else {}
        if (rule, "") not in [(each, "") for each, _ in self._draft.include]:
            self._draft.include.append(
                (rule, f"ACES: {place}, line {child.line}: rows without such an event are left out")
            )

    def _during(self, window: Window, line: int) -> dict[str, str]:
        """The window as a study writes it. Raises Untranslated: its ends cannot be, or are in or out otherwise."""
        place, start, end = window.place, window.start, window.end
        if start.of == "record":
            if end.of == "record":
                raise Untranslated(
                    "is the whole record, of which a study has no window: end it at the index", line, place
                )
            return {"until" if window.end_in else "before": self._bound(end, line, place)}
        if window.start_in:
            raise Untranslated(
                "start_inclusive: what happens at the window's first moment is in it; a study's windows begin after it, so "
                "that no moment is in two", window.node.children["start_inclusive"].line, f"{place}.start_inclusive",
            )  # fmt: skip
        first = self._bound(start, line, place)
        if end.of == "record":
            return {"from": first}
        last = self._bound(end, line, place)
        if first == last:
            raise Untranslated("holds no time", line, place)
        if not window.end_in:
            if (start.of, start.predicate, start.origin) != (end.of, end.predicate, end.origin):
                raise Untranslated(
                    "end_inclusive: a study's window without its last moment has a fixed length",
                    line,
                    f"{place}.end_inclusive",
                )
            return {"before": last, "for": said(end.moved - start.moved, line, place)}
        return {"from": first, "until": last}

    def _counted(self, name: str, counts: Marked, during: dict[str, str], place: str) -> Rule | None:
        least, most = _counts(counts, place)
        meant = self._predicates.meaning(name, counts.line)
        rule: Rule = {"during": during} | ({"value": meant.value} if meant.value else {})
        of = list(meant.concepts)
        if most == 0 and not least:
            return {"none_of": of, **rule}
        if most is None and not least:
            return None
        if not meant.plain and (most is not None or (least or 0) > 1):
            raise Untranslated(
                f"`{name}` counts moments, not events, in ACES: only 'at least one' and 'none' are alike",
                counts.line,
                place,
            )
        if most is None:
            return {"any_of": of, **rule} | ({"at_least": least} if least != 1 else {})
        return {"any_of": of, **rule, "at_least": least or 0, "at_most": most}

    def _outcome(self, windows: list[Window]) -> Any:
        return lambda: self._predict(windows)

    def _predict(self, windows: list[Window]) -> None:
        labelled = [window for window in windows if "label" in window.node.children]
        if len(labelled) != 1:
            raise Untranslated("one window has a `label`: a study predicts something", self._tree.line, "windows")
        [window] = labelled
        child = window.node.children["label"]
        place = f"{window.place}.label"
        meant = self._predicates.meaning(str(child.value), child.line)
        if len(meant.concepts) != 1:
            raise Untranslated(
                "is of death and something else: an outcome is one event; leave one out", child.line, place
            )
        [event] = meant.concepts
        self._ask(event, child.line, place)
        if window.start.of == "record" or not self._is_index(window.start) or window.start.moved < self._index.moved:
            raise Untranslated("an outcome's window begins at the index, or a time after it", child.line, place)
        during = self._during(window, child.line)
        if "before" in during or "until" not in during:
            raise Untranslated("an outcome's window has an end, and its last moment in it", child.line, place)
        if (window.end.of, window.end.origin) == (window.start.of, window.start.origin):
            during = {"from": during["from"], "for": said(window.end.moved - window.start.moved, child.line, place)}
        choices = self._choices
        outcome: Rule = {"kind": "time-to-event"} if choices.unobserved == "censor" else {}
        outcome |= {"event": {"first": event, "value": meant.value} if meant.value else event, "during": during}
        outcome |= {"competing": "death"} if choices.competing == "death" and event != "death" else {}
        self._draft.outcome = (
            outcome | {"unobserved": choices.unobserved},
            f"ACES: {place} {child.value}, line {child.line}",
        )

    def _ask(self, event: str, line: int, place: str) -> None:
        """What ACES cannot say has been said."""
        if self._choices.unobserved is None:
            raise Untranslated(
                "ACES does not say what becomes of who is not watched to the end of the window (it takes them for 0): say "
                "`--unobserved exclude`, or `--unobserved censor` for a time to the event", line, place,
            )  # fmt: skip
        if self._choices.competing is None and event != "death":
            raise Untranslated(
                "ACES does not say what becomes of who dies first (it takes them for 0): say `--competing death`, or "
                "`--competing none`", line, place,
            )  # fmt: skip


def _counts(node: Marked, place: str) -> tuple[int | None, int | None]:
    value = node.value
    if (
        isinstance(value, list)
        and len(value) == 2
        and all(each is None or each == "None" or isinstance(each, int) for each in value)
    ):
        pair = [None if each in (None, "None") else int(each) for each in value]
        return pair[0], pair[1]
    found = _COUNTS.match(str(value))
    if not found:
        raise Untranslated("is not a pair such as (1, None)", node.line, place)
    low, high = (None if each in ("None", "null") else int(each) for each in found.groups())
    return low, high
