"""`rapha node show`: one study at one hospital, with what the audit of each round found. Nothing of it leaves."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from rapha.node.register import Entry
from rapha.records.audit import AuditVerdict
from rapha.records.release import RoundTrace


def show_dispatch(entry: Entry, traces: Sequence[RoundTrace], audits: Mapping[int, AuditVerdict]) -> None:
    """The state, then a table of rounds; the last line is of the final weights."""
    console, last = Console(), entry.study.training.rounds
    console.print(f"{entry.study.study}, {entry.dispatch.id}: {entry.state}", markup=False, highlight=False)
    table = Table(
        "round",
        "left",
        "audit",
        "recognised",
        "refused above",
        "best known",
        "epsilon seen",
        "of",
        box=None,
        pad_edge=False,
    )
    left = {trace.round for trace in traces}
    for number in sorted(left | set(audits)):
        found = audits.get(number)
        name = "prepare" if number == 0 else "final" if number > last or number not in left | {last} else str(number)
        table.add_row(name, "yes" if number in left else "", *_audit_cells(found))
    console.print(table)
    console.print(
        "recognised: of pairs of a patient learned from and one held out, the share in which the model knows the former better; "
        "0.5 is chance. best known: how likely a model at the site's limit is to have learned from so many of the rows it knows best; refused "
        "below 0.001"
    )


def _audit_cells(found: AuditVerdict | None) -> tuple[str, ...]:
    if found is None:
        return ("", "", "", "", "", "")
    numbers = (found.recognised, found.refused_above, found.best_known_chance, found.epsilon_seen, found.epsilon)
    return (found.verdict, *("" if number is None else f"{number:.3f}" for number in numbers))
