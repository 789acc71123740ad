"""`rapha demo`: two studies on a real record, through a hub and hospitals that are processes of their own."""

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

EXAMPLES = ("diabetes-within-5-years", "time-to-death")
UGLY_OPTION = "--i-accept-that-code-can-reach-this-machine"


def demo(
    hospitals: Annotated[int, typer.Option(help="how many hospitals, 2 to 20")] = 3,
    home: Annotated[Path, typer.Option(help="folder of the demonstration; made anew each time")] = Path("demo-home"),
    examples: Annotated[Path, typer.Option(help="folder of the example studies")] = Path("examples"),
    study: Annotated[
        list[str] | None,
        typer.Option("--example", "--study", help="an example to run, such as report-classification; more than once"),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="leave hub and hospitals running to play with")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="stop what --keep left running")] = False,
    ugly: Annotated[bool, typer.Option(UGLY_OPTION, help="without bubblewrap: workloads are not isolated")] = False,
) -> None:
    """Run two studies on a real longitudinal record, dealt to hospitals on this machine; or, with --example, any of the examples.

    Example: rapha demo --hospitals 5 --keep
    """
    from rapha.cli.demo.records import record_of
    from rapha.cli.demo.town import Town, stop_kept
    from rapha.cli.interrupted import interrupt_when_asked_to_end

    if stop:
        typer.echo(f"stopped {stop_kept(home)} processes")
        return
    interrupt_when_asked_to_end()
    console, started = Console(), time.monotonic()
    _check_walls(ugly)
    _check_there([examples / name / "study.yaml" for name in study or EXAMPLES])
    record = record_of(study or EXAMPLES)
    town = Town(home, hospitals, isolate=not ugly)
    try:
        _build(town, record, console)
        models = [_study(town, examples / name / "study.yaml", console) for name in study or EXAMPLES]
        if keep:
            town.keep()
    finally:
        if not keep or sys.exc_info()[0]:
            town.stop()
    _farewell(town, models, keep, time.monotonic() - started, console)


def _check_there(studies: list[Path]) -> None:
    from rapha.errors import ConfigurationError

    for path in studies:
        if not path.is_file():
            raise ConfigurationError(
                f"{path}: no such study; run from the project's folder, or name it with --examples"
            )


def _check_walls(ugly: bool) -> None:
    from rapha.node.sandbox.choose import choose_backend, name_for_this_machine

    choose_backend("i-accept-that-code-can-reach-this-machine" if ugly else name_for_this_machine()).check()


def _build(town, record, console: Console) -> None:  # type: ignore[no-untyped-def]
    console.rule(record.ABOUT)
    codes = town.found()
    for site, folder in zip(town.sites, record.deal(town.home / "dealt", len(town.sites)), strict=True):
        town.data(site).parent.mkdir(exist_ok=True)
        shutil.move(folder, town.data(site))
    town.start_hub()
    for site in town.sites:
        town.settle(site, codes[site])
    for site, said in town.ingest().items():
        console.print(f"[bold]{site}[/]  {escape(said.strip().splitlines()[0])}")
    town.start_agents()
    console.print(f"hub and {len(town.sites)} hospitals are running, each a process of its own: {town.hub_url}")


def _study(town, path: Path, console: Console) -> Path:  # type: ignore[no-untyped-def]
    from rapha.cli.study_view import StudyView
    from rapha.errors import RaphaError
    from rapha.sdk.client import connect
    from rapha.sdk.study_file import read_study_and_graph

    study, graph = read_study_and_graph(path)
    console.rule(study.study)
    console.print(study.purpose.sentence)
    with connect(town.hub_url, town.token) as client:
        _wait_for_profiles(client, town)
        submitted = client.submit(study, graph)
        with StudyView(console, study.study) as view:
            for event in client.watch(submitted.study_id):
                view.feed(event)
                town.check_alive()
                if event.event == "dispatch.pending" and event.site:
                    _sign(town, event.site)
        status = client.status(submitted.study_id)
        if status.state != "completed":
            raise RaphaError(f"{study.study} ended {status.state}: {status.reason}")
        model = client.fetch(submitted.study_id, town.home / "models" / study.study)
    _compare(town, study, model, console)
    _judge(model, console)
    return model


def _wait_for_profiles(client, town) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 60
    while len(client.sites()) < len(town.sites) and time.monotonic() < deadline:
        town.check_alive()
        time.sleep(0.05)


def _sign(town, site: str) -> None:  # type: ignore[no-untyped-def]
    """The demonstration plays the steward of the one hospital that wants a person."""
    from rapha.clock import utc_now
    from rapha.node.configuration import Home
    from rapha.node.register import Register

    home = Home(town.hospital(site))
    for entry in Register(home.database, utc_now).entries("pending"):
        words = ("node", "approve", str(home.folder), entry.dispatch.id, "--steward", "demo-steward")
        subprocess.run([sys.executable, "-m", "rapha.cli.main", *words], check=True, stdout=subprocess.DEVNULL)


def _compare(town, study, model: Path, console: Console) -> None:  # type: ignore[no-untyped-def]
    from rapha.cli.demo.pooled import compare
    from rapha.records.association import Gwas
    from rapha.records.learning import Script
    from rapha.sdk.report.page import write_report

    if isinstance(study.model, Script):  # what pooled rows would give, only the script itself could tell
        return
    if isinstance(study.model, Gwas):
        _associations(town, study, model, console)
        return
    comparison = compare(town.home / "hospitals", study, model)
    write_report(model, comparison)
    federated, pooled = comparison.federated[0], comparison.together[0]
    console.print(
        f"{pooled.name.upper().replace('_', '-')} on everybody's held-out patients: "
        f"federated [bold]{federated.value:.3f}[/], pooled rows {pooled.value:.3f}, "
        f"difference {abs(federated.value - pooled.value):.3f}"
    )


def _associations(town, study, model: Path, console: Console) -> None:  # type: ignore[no-untyped-def]
    from rapha.cli.demo.pooled import furthest_effect
    from rapha.cli.study_associations import associations

    associations(model)
    furthest, compared = furthest_effect(town.home / "hospitals", study, model)
    console.print(
        f"the effects of {compared:,} variants, beside those of the pooled rows: at most {furthest:.1g} standard errors apart"
    )


def _judge(model: Path, console: Console) -> None:
    from rapha.errors import Unproven
    from rapha.proof.verify import judge
    from rapha.sdk.folder import read_folder

    for verdict in judge(read_folder(model)):
        console.print(f"receipt {verdict.subject}: {'verified' if verdict.ok else 'NOT VERIFIED'}, {verdict.tier}")
        if not verdict.ok:
            raise Unproven(f"{verdict.subject} does not verify: run `rapha receipt verify {model}`")


def _farewell(town, models: list[Path], keep: bool, seconds: float, console: Console) -> None:  # type: ignore[no-untyped-def]
    from rapha.cli.study_associations import TABLE_FILE

    console.rule(f"done in {seconds:.0f} s")
    console.print(f"open   {models[0] / 'report.html'}", soft_wrap=True)
    console.print(f"check  rapha receipt verify {models[0]}", soft_wrap=True)
    if (table := models[0] / TABLE_FILE).is_file():
        console.print(f"table  {table}", soft_wrap=True)
    else:
        console.print(f'use    python -c "import rapha; print(rapha.load({str(models[0])!r}))"', soft_wrap=True)
    if keep:
        console.print(f"play   RAPHA_HUB={town.hub_url} RAPHA_TOKEN={town.token} rapha study list", soft_wrap=True)
        console.print(f"stop   rapha demo --stop --home {town.home}", soft_wrap=True)
