"""`rapha node`: a hospital's side."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from rapha.cli import node_patient, node_policy, node_stewards
from rapha.cli.node_export import export
from rapha.cli.node_fetch import fetch
from rapha.cli.node_heads import forget_head, heads
from rapha.cli.node_identifiers import identifiers
from rapha.cli.node_init import init
from rapha.cli.node_keys import revoke_key, rotate_key
from rapha.cli.node_opt_out import opt_out
from rapha.cli.node_preview import preview
from rapha.cli.node_public_log import public_log
from rapha.cli.node_receipts import receipts
from rapha.cli.node_repeat import reexecute, referee
from rapha.cli.node_run import journey_of, run
from rapha.cli.node_units import units
from rapha.cli.node_voucher import voucher
from rapha.errors import SandboxError

if TYPE_CHECKING:
    from rapha.node.configuration import Home
    from rapha.node.register import Register

app = typer.Typer(
    add_completion=False,
    help="A hospital's node: it dials out, decides, trains inside, and lets out only what the gate passes.",
)
app.add_typer(node_policy.app, name="policy")
for command in (rotate_key, revoke_key, public_log, receipts, node_stewards.steward_key):
    app.command()(command)
for of_patients in (node_patient.patient_secret, node_patient.prove_use, node_patient.prove_non_use):
    app.command()(of_patients)
Folder = Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")]
DispatchArgument = Annotated[str, typer.Argument(metavar="DISPATCH", help="as `rapha node pending` lists it")]
StewardOption = Annotated[str, typer.Option("--steward", help="who signs: lower-case letters, digits, hyphens")]
KeyOption = Annotated[Path | None, typer.Option("--key", help="the steward's own key, where the rules name stewards")]


app.command()(init)


@app.command()
def ingest(
    home: Folder,
    mapping: Annotated[
        Path, typer.Argument(help="the mapping file (YAML); docs/tables.md, docs/fhir.md ... explain it")
    ],
    data: Annotated[Path, typer.Argument(help="the folder with the data")],
) -> None:
    """Fill the timeline from tables, OMOP, FHIR, HL7 messages, MEDS, notes, DICOM images, variant calls or Apple Health: the mapping's `format`
    says which. Safe to run twice; what is bad is set aside, with file and line.

    Example: rapha node ingest /srv/rapha hospital.mapping.yaml /data/export
    """
    from rapha.cli.progress import progress_of
    from rapha.node.configuration import Home
    from rapha.node.opt_out import apply_list
    from rapha.sources import source_of
    from rapha.timeline.manifest import read_manifest
    from rapha.timeline.mapping_file import read_whose
    from rapha.timeline.report import fewer_than_before

    opened, ingest_source = Home(home), source_of(mapping)
    before = read_manifest(opened.timeline)
    with progress_of(Console(stderr=True)) as show:
        apply_list(opened, [read_whose(mapping)])
        report = ingest_source(mapping, data, opened.timeline, opened.secret, show)
    typer.echo(report.in_words())
    if fewer := fewer_than_before(before, report):
        typer.echo(fewer)


app.command()(export)
app.command()(fetch)
app.command("opt-out")(opt_out)
app.command("heads")(heads)
app.command("forget-head")(forget_head)
app.command("identifiers")(identifiers)
app.command()(units)
app.command()(voucher)
app.command()(preview)
app.command()(reexecute)
app.command()(referee)


@app.command()
def profile(
    home: Folder,
    send: Annotated[bool, typer.Option("--send", help="send it to the hub as well")] = False,
    find: Annotated[str | None, typer.Option("--find", help="only codes with this in system or code")] = None,
    every: Annotated[bool, typer.Option("--all", help="every code, not the 60 of most patients")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the record itself, as the hub gets it")] = False,
    croissant: Annotated[bool, typer.Option("--croissant", help="as Croissant 1.1 (JSON-LD) with DUO terms")] = False,
) -> None:
    """Show what this site says it has, suppressed and rounded, as the hub would see it.

    Example: rapha node profile /srv/rapha --send
    """
    from rapha.cli.profile_table import show_profile
    from rapha.node.configuration import Home
    from rapha.node.profile import measure_profile
    from rapha.policy.rules_file import read_rules

    opened = Home(home)
    if send:
        with journey_of(opened) as journey:
            shown = journey.introduce()
    else:
        shown = measure_profile(opened, read_rules(opened.rules))
    if croissant:
        from rapha.records.croissant import croissant_text

        typer.echo(croissant_text(shown))
    elif as_json:
        typer.echo(shown.as_bytes().decode())
    else:
        show_profile(shown, find, every=every)


app.command()(run)


@app.command()
def pending(home: Folder) -> None:
    """List the studies that wait for a person, in words.

    Example: rapha node pending /srv/rapha
    """
    from rapha.node.configuration import Home
    from rapha.sdk.words import in_words

    opened = Home(home)
    register = _register(opened)
    entries = register.entries("pending")
    for entry in entries:
        typer.secho(f"{entry.dispatch.id}  {_plain(entry.study.study)}, asked by {_plain(entry.dispatch.researcher)}")
        for section in in_words(entry.study):
            typer.secho(f"  {section.title}", bold=True)
            for sentence in section.sentences:
                typer.echo(f"    {_plain(sentence)}")
        signed = node_stewards.signed_so_far(opened, register, entry)
        typer.echo(f"  data use {', '.join(entry.study.purpose.data_use)}\n  {signed}{entry.study.digest}\n")
    typer.echo(
        "`rapha node approve HOME DISPATCH --steward NAME`, or `rapha node deny HOME DISPATCH`"
        if entries
        else "nothing waits for a person"
    )


@app.command()
def approve(home: Folder, dispatch: DispatchArgument, steward: StewardOption, key: KeyOption = None) -> None:
    """Approve a study that waits, in the name of a steward. Where the rules ask for two, the first yes is kept, and waits too.

    Example: rapha node approve /srv/rapha d-4f2a --steward maria-lopez
    """
    from rapha.node.configuration import Home

    opened = Home(home)
    private = node_stewards.unlocked(key) if key else None
    with _kept_for_the_agent(), journey_of(opened) as journey:
        approval = journey.sign(dispatch, steward, private)
    if approval is None:
        typer.echo(f"signed by {steward}; another steward has to sign before anything runs")
        return
    typer.echo(f"approved {approval.study_digest} by {approval.decided_by}, cohort {approval.feasible}")


@app.command()
def deny(home: Folder, dispatch: DispatchArgument) -> None:
    """Deny a study that waits. The researcher learns that a steward said no, and nothing else.

    Example: rapha node deny /srv/rapha d-4f2a
    """
    from rapha.node.configuration import Home

    with _kept_for_the_agent(), journey_of(Home(home)) as journey:
        denial = journey.refuse(dispatch)
    typer.echo(f"denied {denial.study_digest}")


@app.command()
def show(
    home: Folder,
    dispatch: DispatchArgument,
    printed: Annotated[bool, typer.Option("--printed", help="what a script printed here, and where it failed")] = False,
) -> None:
    """Show one study as it went here: its state, its rounds, what the audit of each found; and the researcher's script, where it has
    one. For the steward alone.

    Example: rapha node show /srv/rapha d-4f2a
    """
    from rapha.cli.node_show import show_dispatch, show_printed, show_script
    from rapha.errors import Conflict
    from rapha.node.configuration import Home

    opened = Home(home)
    register = _register(opened)
    entry = register.entry(dispatch)
    if entry is None:
        raise Conflict(f"no dispatch {_plain(dispatch)} here; `rapha node log HOME` names those there were")
    if printed:
        show_printed(opened.run(entry.dispatch.id))
        return
    show_script(entry.study, opened.run(entry.dispatch.id))
    show_dispatch(entry, register.traces(entry.dispatch.id), register.audits(entry.dispatch.id))


@app.command()
def log(home: Folder, last: Annotated[int, typer.Option(help="how many events")] = 50) -> None:
    """Show the audit log: what was asked, decided, done and sent.

    Example: rapha node log /srv/rapha --last 20
    """
    from rapha.node.configuration import Home

    for at, event, dispatch, facts in _register(Home(home)).events(last):
        words = " ".join(f"{key}={value}" for key, value in facts.items())
        typer.echo(f"{at}  {event:22} {dispatch or '-':12} {words}")


@app.command()
def ledger(
    home: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="every entry, one JSON object a line")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="only work out every digest again, and say the head")
    ] = False,
    has: Annotated[str, typer.Option(help="a head from a receipt: refuse a ledger that does not have it")] = "",
) -> None:
    """Show the privacy ledger: every run, what it set aside or spent, and what is left. A changed entry ends it with 4.

    Example: rapha node ledger /srv/rapha
    """
    from rapha.cli.ledger_view import check_has, show_ledger, show_verified
    from rapha.clock import utc_now
    from rapha.node.configuration import Home
    from rapha.node.ledger import Ledger
    from rapha.policy.rules_file import read_rules

    opened = Home(home)
    book = Ledger(opened.ledger, utc_now)
    entries = book.entries()
    check_has(entries, has)
    if verify:
        show_verified(entries)
    elif as_json:
        for entry in entries:
            typer.echo(entry.as_bytes().decode())
    else:
        show_ledger(entries, read_rules(opened.rules))


@app.command()
def selftest(home: Folder) -> None:
    """Start a sandbox as this node would, on nothing, try to get out of it, and show layer by layer what held.

    Example: rapha node selftest /srv/rapha
    """
    from rapha.node.configuration import Home
    from rapha.node.sandbox.choose import backend_of
    from rapha.node.sandbox.found import not_tried_here
    from rapha.node.sandbox.selftest import run_self_test

    opened = Home(home)
    backend = backend_of(opened)
    test = run_self_test(backend, opened.configuration.limits, opened.runs)
    table = Table("layer", "attempts", "held", "got through", box=None, pad_edge=False)
    for layer in test.layers():
        fell = test.fell(layer)
        tried = test.tried(layer)
        table.add_row(layer, str(tried), str(tried - len(fell)), "; ".join(fell))
    Console().print(table)
    typer.echo(f"{backend.name}: {test.digest}")
    if not_tried_here(opened, backend):
        typer.echo("the agent's control group is not tried from a shell: its receipts have another digest")
    if backend.isolated and test.fell():
        raise typer.Exit(SandboxError.exit_code)


def _plain(text: str) -> str:
    """A stranger's text without what could steer a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


@contextmanager
def _kept_for_the_agent() -> Iterator[None]:
    from rapha.errors import Unreachable

    try:
        yield
    except Unreachable as error:
        kept = "the decision is kept, and the agent says it once the hub is back; do not decide again"
        raise Unreachable(f"{error}; {kept}") from None


def _register(home: "Home") -> "Register":
    from rapha.clock import utc_now
    from rapha.node.register import Register

    return Register(home.database, utc_now)
