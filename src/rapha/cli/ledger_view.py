"""The privacy ledger as a table, for a steward."""

from collections.abc import Sequence

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rapha.errors import ConfigurationError
from rapha.policy.ledger import spent
from rapha.policy.rules import SiteRules
from rapha.records.ledger import START, LedgerEntry


def check_has(entries: Sequence[LedgerEntry], head: str) -> None:
    """Raises ConfigurationError where a head that was signed once is not of this ledger."""
    if head and head not in {START, *(entry.digest for entry in entries)}:
        raise ConfigurationError(
            f"this ledger has no entry {head}: it is older than the receipt, or another; do not start the agent on it"
        )


def show_ledger(entries: Sequence[LedgerEntry], rules: SiteRules) -> None:
    """Every entry; what each project and all together have spent; what the rules still leave."""
    table = Table("no.", "at (UTC)", "", "study", "run", "project", "epsilon", "delta", box=None, pad_edge=False)
    for entry in entries:
        amounts = (f"{entry.spend.epsilon:g}", f"{entry.spend.delta:g}") if entry.private else ("no guarantee", "")
        what = entry.kind if entry.reason is None else f"{entry.kind} ({entry.reason})"
        words = (str(entry.number), f"{entry.at:%Y-%m-%d %H:%M}", what, entry.study, entry.dispatch, entry.project)
        table.add_row(*(escape(_plain(word)) for word in words), *amounts)
    Console().print(table)
    for project in dict.fromkeys(entry.project for entry in entries):
        total = spent(entries, project=project)
        typer.echo(f"{_plain(project)}: epsilon {total.epsilon:g}, delta {total.delta:g}")
    total, budget = spent(entries), rules.privacy
    left = f" of {budget.lifetime_epsilon:g} and {budget.lifetime_delta:g}" if budget else "; the rules name no budget"
    typer.echo(f"all together: epsilon {total.epsilon:g}, delta {total.delta:g}{left} (added up: an upper bound)")


def show_verified(entries: Sequence[LedgerEntry]) -> None:
    """Reading the entries has checked them; this says so."""
    typer.echo(
        f"{len(entries)} entries, each follows from the one before; head {entries[-1].digest if entries else START}"
    )


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)
