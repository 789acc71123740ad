"""`rapha node show`: one study at one hospital, with what the audit of each round found, and the researcher's script. Nothing of it
leaves."""

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rapha.canonical import digest
from rapha.errors import Conflict, Unproven
from rapha.node.register import Entry
from rapha.node.scripts import SCRIPT_LOG
from rapha.records.audit import AuditVerdict
from rapha.records.learning import Script
from rapha.records.outputs import SCRIPT
from rapha.records.release import RoundTrace
from rapha.records.study import Study


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
        "canaries",
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
        "below 0.001. canaries: the mean exposure, in bits, of random texts that were planted where a model learns to write; 1.44 is chance"
    )


def show_script(study: Study, folder: Path) -> None:
    """The script that the study carries, line by line, once it is the one that the study names; nothing where it carries none.

    Raises:
        Unproven: the file is another.
    """
    if not isinstance(model := study.model, Script):
        return
    console = Console()
    console.print(f"release mode {model.mode}, script {model.script}", markup=False, highlight=False)
    try:
        content = (folder / SCRIPT).read_bytes()
    except OSError:
        console.print("the script is not here yet: the agent fetches it when the study comes")
        return
    if digest(content) != model.script:
        raise Unproven(f"{folder / SCRIPT} is not the script that the study names: it was changed here")
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        console.print(f"{number:5}  {visible(line)}", markup=False, highlight=False, soft_wrap=True)


def show_printed(folder: Path) -> None:
    """What the script printed, the beginning of it. Raises Conflict: it printed nothing here."""
    try:
        content = (folder / SCRIPT_LOG).read_bytes()
    except OSError:
        raise Conflict("no script has printed anything here") from None
    for line in content.decode(errors="replace").splitlines():
        Console().print(visible(line), markup=False, highlight=False, soft_wrap=True)


def visible(line: str) -> str:
    """A line of somebody else's with nothing in it that a terminal obeys or does not show, and no letter that turns others round."""
    return "".join(
        letter if letter == "\t" or unicodedata.category(letter)[0] != "C" else f"<U+{ord(letter):04X}>"
        for letter in line
    )


def _audit_cells(found: AuditVerdict | None) -> tuple[str, ...]:
    if found is None:
        return ("",) * 7
    numbers = (found.recognised, found.refused_above, found.best_known_chance, found.epsilon_seen, found.epsilon,
               found.exposure)  # fmt: skip
    return (found.verdict, *("" if number is None else f"{number:.3f}" for number in numbers))
