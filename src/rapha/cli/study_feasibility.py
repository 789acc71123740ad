"""`rapha study feasibility`: how many patients would a study have, hospital by hospital, before anything is trained."""

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rapha.records.study import Study
    from rapha.records.wire import StudyStatus
    from rapha.sdk.client import Client
    from rapha.sdk.feasibility import Feasibility, SiteAnswer

_QUESTION = re.compile(r"s-[0-9a-f]{16}")
_SAID = {"offered": "no answer yet", "withdrawn": "no longer asked"}


def feasibility(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="The study, a YAML file; or the id of what was asked before.")
    ],
    hub: Annotated[str, typer.Option("--hub", envvar="RAPHA_HUB", help="Address of the hub.", show_default=False)],
    token: Annotated[str, typer.Option("--token", envvar="RAPHA_TOKEN", help="Your token.", show_default=False)],
    ca: Annotated[Path | None, typer.Option("--ca", help="Certificate authority of the hub (PEM).")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the answers, or only ask.")] = True,
    wait_minutes: Annotated[float, typer.Option("--wait-minutes", min=0, help="For so long at most.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print the answers as JSON.")] = False,
) -> None:
    """Ask every hospital that could hold the study's data how many patients it would have. Trains nothing.

    Only hospitals whose rules name you answer, each with noise of some 20 patients: docs/disclosure.md says why. Nothing is
    lost by leaving: the id that is printed shows the answers later.

    Example: rapha study feasibility stroke-within-1-year.yaml
    """
    from rapha.sdk.client import connect
    from rapha.sdk.study_file import read_study

    study = None if _QUESTION.fullmatch(file) and not Path(file).exists() else read_study(Path(file))
    with connect(hub, token, ca=ca) as client:
        study_id = file if study is None else client.ask(study).study_id
        if not as_json:
            typer.echo(f"{study_id}  (rapha study feasibility {study_id} shows the answers again)")
        _is_a_question(client.status(study_id))
        if wait:
            _wait(client, study_id, wait_minutes * 60, study)
        answers = _answers(client, study_id, study)
    if as_json:
        typer.echo(answers.model_dump_json(indent=2))
    else:
        _tell(answers)


def _is_a_question(status: "StudyStatus") -> None:
    from rapha.errors import Conflict

    if status.asks != "feasibility":
        study = status.study_id
        raise Conflict(f"{study} is a study that trains: `rapha study show {study}` says where it stands")


def _wait(client: "Client", study_id: str, seconds: float, study: "Study | None") -> None:
    """Until all have answered, the time is over, or Ctrl-C; each answer is said as it comes, on standard error."""
    from rapha.cli.study_events import sentence

    console = Console(stderr=True)
    with suppress(KeyboardInterrupt), console.status("asking the hospitals; Ctrl-C stops waiting"):
        for event in client.watch(study_id, for_seconds=seconds):
            if study and not study.outcome.has_cases:  # nobody is a case
                event = event.model_copy(update={"facts": {k: v for k, v in event.facts.items() if k != "events"}})
            if words := sentence(event):
                console.print(Text(words), soft_wrap=True)


def _answers(client: "Client", study_id: str, study: "Study | None") -> "Feasibility":
    from rapha.errors import NotPermitted
    from rapha.sdk.feasibility import feasibility_of

    status = client.status(study_id)
    try:
        profiles = client.sites()
    except NotPermitted:  # a token that may not read profiles: the answers are told without them
        profiles = ()
    return feasibility_of(status, study, profiles)


def _tell(answers: "Feasibility") -> None:
    from rapha.cli.profile_table import plain
    from rapha.cli.study_events import reason_in_words

    if answers.reason:
        typer.echo(plain(f"{answers.study} was not asked: {reason_in_words(answers.reason)}"))
        return
    table = Table(box=None, pad_edge=False)
    cases = any(site.events for site in answers.sites) or not any(site.patients for site in answers.sites)
    for name in ("hospital", "patients", *(["with the outcome"] if cases else [])):
        table.add_column(name, no_wrap=True)
    table.add_column("")
    for site in answers.sites:
        table.add_row(*(Text(plain(cell)) for cell in _cells(site, cases)))
    Console().print(table)
    for site in answers.sites:
        for group in site.classes:
            typer.echo(plain(f"  {site.site}: {' or '.join(group.classes)}: {group.rows}"))
    for reason in dict.fromkeys(site.reason for site in answers.sites if site.reason):
        typer.echo(f"  {reason_in_words(reason)}")
    if answers.patients:
        in_all = f"{answers.patients} patients" + (f", {answers.events} with the outcome" if answers.events else "")
        typer.echo(f"in all: {in_all} (95 times of 100)")
    if answers.waiting:
        typer.echo(
            f"{answers.waiting} have not answered: rapha study feasibility {answers.study_id} asks the hub again"
        )


def _cells(site: "SiteAnswer", cases: bool) -> tuple[str, ...]:
    lacks = f"its profile lists no code of: {', '.join(site.lacks)}" if site.lacks else ""
    if site.state == "answered":
        return site.site, _count(site.patients), *([_count(site.events)] if cases else []), lacks
    why = f"{site.state}: {site.reason}" if site.reason else _SAID.get(site.state, site.state)
    return site.site, "-", *(["-"] if cases else []), why


def _count(count: object) -> str:
    said = str(count)
    return f"{said}, or unknown" if said.startswith("below") else said
