"""A site's profile as tables that a steward or a researcher can read."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rapha.records.site import ConceptCoverage, Group, Share, SiteProfile

MOST_LINES = 60


def show_profile(profile: "SiteProfile", find: str | None = None, *, every: bool = False) -> None:
    """Who and what, then the codes: those whose system or code has `find` in it; 60 of most patients, or every one."""
    console = Console()
    years = f"{profile.first_year} to {profile.last_year}" if profile.first_year else "no year with enough patients"
    console.print(Text(f"{profile.name} ({profile.site}): {profile.patients} patients, {years}", style="bold"))
    console.print(
        Text(f"kinds of data: {', '.join(profile.modalities)}; data use: {', '.join(profile.data_use) or '-'}")
    )
    for title, groups in (("sex", profile.sexes), ("age", profile.ages), ("observed", profile.observed)):
        console.print(Text(f"{title}: {_groups(groups)}"))
    found = [line for line in profile.coverage if find is None or _has(line, find)]
    shown = sorted(found, key=lambda line: -(line.patients.about or 0))[: None if every else MOST_LINES]
    table = Table("system", "code", "patients", "years", "values", "units", "known later", box=None, pad_edge=False)
    for line in shown:
        table.add_row(*(Text(plain(cell)) for cell in _cells(line)))
    console.print(table)
    if len(shown) < len(found):
        console.print(f"{len(found) - len(shown)} more codes: --all shows them, --find WORD those with a word")
    console.print("What is not listed has too few patients, or none, or would tell of something that has.")


def _cells(line: "ConceptCoverage") -> Iterable[str]:
    yield from (line.system, line.code, str(line.patients), _span(line.years))
    yield from (_shares(line.values), _shares(line.units), _percent(line.known, "later"))


def _has(line: "ConceptCoverage", find: str) -> bool:
    return find.casefold() in f"{line.system} {line.code}".casefold()


def _span(years: Iterable[tuple[int, int]]) -> str:
    """`2001-2004, 2007`"""
    spans: list[list[int]] = []
    for year, _ in years:
        if spans and spans[-1][-1] == year - 1:
            spans[-1].append(year)
        else:
            spans.append([year])
    return ", ".join(str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}" for span in spans) or "-"


def _shares(shares: "Iterable[Share]") -> str:
    return ", ".join(f"{each.of or 'no unit'} {each.share:.0%}" for each in shares) or "-"


def _percent(shares: "Iterable[Share]", of: str) -> str:
    return next((f"{each.share:.0%}" for each in shares if each.of == of), "-")


def _groups(groups: "Iterable[Group]") -> str:
    return ", ".join(f"{each.group} {each.patients}" for each in groups) or "-"


def plain(text: str) -> str:
    """A stranger's text without what could steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
