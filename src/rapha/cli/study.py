"""`rapha study`: describe a study, check it, submit it, watch it, fetch what it gives back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapha.cli.study_associations import associations
from rapha.cli.study_feasibility import feasibility
from rapha.cli.study_graph import graph
from rapha.cli.study_import import app as import_app
from rapha.cli.study_profiles import profiles
from rapha.cli.study_rehearse import rehearse

if TYPE_CHECKING:
    from rapha.records.wire import StudyStatus
    from rapha.sdk.client import Client

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Describe a study, check it, submit it, watch it, fetch its model."
)

StudyFile = Annotated[Path, typer.Argument(help="The study, a YAML file.", show_default=False)]
StudyName = Annotated[
    str, typer.Argument(metavar="ID", help="The study's id, as `submit` gave it.", show_default=False)
]
Hub = Annotated[
    str, typer.Option("--hub", envvar="RAPHA_HUB", help="Address of the hub, https://...", show_default=False)
]
Token = Annotated[
    str,
    typer.Option(
        "--token", envvar="RAPHA_TOKEN", help="Your token; better in RAPHA_TOKEN than here.", show_default=False
    ),
]
Authority = Annotated[
    Path | None, typer.Option("--ca", help="Certificate authority of the hub (PEM), if it is not a public one.")
]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Its name: lower-case letters, digits, hyphens.", show_default=False)],
) -> None:
    """Write a study to start from, with a comment on every part, to NAME.yaml.

    Example: rapha study new stroke-within-1-year
    """
    from rapha.sdk.study_file import write_template

    path = Path(f"{Path(name).name}.yaml")
    write_template(path, name)
    typer.echo(f"{path} is written. Edit it, then: rapha study check {path}")


@app.command()
def check(file: StudyFile) -> None:
    """Read a study and say it back in plain words, with the digest that hospitals will approve. Needs no hub.

    Example: rapha study check stroke-within-1-year.yaml
    """
    from rapha.sdk.study_file import read_study
    from rapha.sdk.words import in_words

    study = read_study(file)
    for section in in_words(study):
        typer.secho(section.title, bold=True)
        for sentence in section.sentences:
            typer.echo(f"  {sentence}")
    typer.echo(f"\n{file} is a valid study.\n{study.digest}")


app.command()(graph)
app.command()(rehearse)
app.command()(feasibility)
app.command()(profiles)
app.command()(associations)
app.add_typer(import_app, name="import")


@app.command()
def submit(
    file: StudyFile,
    hub: Hub,
    token: Token,
    ca: Authority = None,
    follow: Annotated[bool, typer.Option("--watch", help="Stay and watch it.")] = False,
) -> None:
    """Hand in a study; prints its id.

    Example: rapha study submit stroke-within-1-year.yaml --watch
    """
    from rapha.sdk.study_file import read_study_and_graph

    study, graph = read_study_and_graph(file)
    with _client(hub, token, ca) as client:
        submitted = client.submit(study, graph)
        if follow:
            typer.echo(f"{submitted.study_id}  {submitted.study_digest}")
            _watch(client, submitted.study_id, study.study)
            return
    typer.echo(submitted.study_id)


@app.command()
def watch(study_id: StudyName, hub: Hub, token: Token, ca: Authority = None) -> None:
    """Follow a study until it ends: who was asked, who approved, how the training goes. Ctrl-C only stops watching.

    Example: rapha study watch s-0123456789abcdef
    """
    with _client(hub, token, ca) as client:
        _watch(client, study_id, client.status(study_id).study)


@app.command()
def fetch(
    study_id: StudyName,
    folder: Annotated[Path | None, typer.Argument(help="Where to; the study's name, if not given.")] = None,
    *,
    hub: Hub,
    token: Token,
    ca: Authority = None,
    keys: Annotated[
        Path | None, typer.Option("--keys", help="Keys you had from hub and hospitals beforehand (a keys.json).")
    ] = None,
) -> None:
    """Fetch a completed study: weights, metrics, receipts, model card, report. Goes on where it was cut off.

    Example: rapha study fetch s-0123456789abcdef my-model
    """
    from rapha.proof.verify import judge
    from rapha.sdk.folder import read_folder, read_keys
    from rapha.sdk.load import check_verdicts

    pinned = read_keys(keys) if keys else None
    with _client(hub, token, ca) as client, _Bar() as bar:
        target = folder or Path(Path(client.status(study_id).study).name)
        path = client.fetch(study_id, target, pinned=pinned, progress=bar.show)
    verdicts = judge(read_folder(path, pinned))
    check_verdicts(verdicts, path)
    typer.echo(f"{path}\n{len(verdicts)} of {len(verdicts)} receipts verified.")
    typer.echo(
        f"Open {path / 'report.html'}, or: python -c \"import rapha; print(rapha.load('{path.name}').features)\""
    )


@app.command()
def cancel(study_id: StudyName, hub: Hub, token: Token, ca: Authority = None) -> None:
    """End a study; hospitals drop their working files.

    Example: rapha study cancel s-0123456789abcdef
    """
    with _client(hub, token, ca) as client:
        client.cancel(study_id)
    typer.echo(f"{study_id} is cancelled.")


@app.command()
def pause(study_id: StudyName, hub: Hub, token: Token, ca: Authority = None) -> None:
    """Give hospitals no more work of a study until it is resumed; what they have in hand is still taken.

    Example: rapha study pause s-0123456789abcdef
    """
    with _client(hub, token, ca) as client:
        client.pause(study_id)
    typer.echo(f"{study_id} is paused; `rapha study resume {study_id}` goes on with it.")


@app.command()
def resume(study_id: StudyName, hub: Hub, token: Token, ca: Authority = None) -> None:
    """Go on with a paused study.

    Example: rapha study resume s-0123456789abcdef
    """
    with _client(hub, token, ca) as client:
        client.resume(study_id)
    typer.echo(f"{study_id} goes on.")


@app.command("list")
def list_(hub: Hub, token: Token, ca: Authority = None) -> None:
    """Your studies on this hub.

    Example: rapha study list
    """
    with _client(hub, token, ca) as client:
        studies = client.studies()
    if not studies:
        typer.echo("No study yet: `rapha study submit FILE` hands one in.")
    for each in studies:
        typer.echo(f"{each.study_id}  {each.state:<11} round {each.round:>3} of {each.rounds:<3}  {each.study}")


@app.command()
def show(study_id: StudyName, hub: Hub, token: Token, ca: Authority = None) -> None:
    """Where a study stands, hospital by hospital.

    Example: rapha study show s-0123456789abcdef
    """
    with _client(hub, token, ca) as client:
        status = client.status(study_id)
    _say_status(status)


def _client(hub: str, token: str, ca: Path | None) -> "Client":
    from rapha.sdk.client import connect

    return connect(hub, token, ca=ca)


def _say_status(status: "StudyStatus") -> None:
    from rapha.cli.study_events import reason_in_words

    typer.echo(f"{status.study}: {status.state}, round {status.round} of {status.rounds}\n{status.study_digest}")
    if status.reason:
        typer.echo(f"why: {reason_in_words(status.reason)}")
    for each in status.dispatches:
        patients = f"{each.feasible} patients" if each.feasible else ""
        why = reason_in_words(each.reason) if each.reason else ""
        typer.echo(f"  {each.site:<20} {each.state:<10} {'; '.join(part for part in (patients, why) if part)}".rstrip())


def _watch(client: "Client", study_id: str, title: str) -> None:
    """Follow to the end. Raises RaphaError where the study did not complete."""
    from rich.console import Console

    from rapha.cli.study_view import StudyView
    from rapha.errors import RaphaError

    with StudyView(Console(), title) as view:
        for event in client.watch(study_id):
            view.feed(event)
    status = client.status(study_id)
    if status.state != "completed":
        why = f": {status.reason}" if status.reason not in (None, status.state) else ""
        raise RaphaError(
            f"{title} ended {status.state}{why}; `rapha study show {study_id}` says what each hospital said"
        )
    typer.echo(f"next: rapha study fetch {study_id}")


class _Bar:
    """A progress bar on a terminal; nothing elsewhere."""

    def __enter__(self) -> "_Bar":
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        console = Console(stderr=True)
        columns = (TextColumn("fetching"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._progress.add_task("fetching", total=None)
        self._progress.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._progress.stop()

    def show(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)
