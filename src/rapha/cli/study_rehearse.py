"""`rapha study rehearse`: what a study would meet in hospitals, before any is asked."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

if TYPE_CHECKING:
    from rapha.records.site import SiteProfile
    from rapha.records.study import Study
    from rapha.sdk.rehearsal import SiteRehearsal
    from rapha.sdk.rehearsal.rehearse import ScriptOf

HubOption = Annotated[
    str | None, typer.Option("--hub", envvar="RAPHA_HUB", help="Take the profiles of this hub's sites.")
]
TokenOption = Annotated[str | None, typer.Option("--token", envvar="RAPHA_TOKEN", help="Your token for that hub.")]
KeepOption = Annotated[
    Path | None, typer.Option("--keep", help="Leave the made-up timelines and frozen rows in this folder.")
]


def rehearse(
    file: Annotated[Path, typer.Argument(help="The study, a YAML file.", show_default=False)],
    hub: HubOption = None,
    token: TokenOption = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="Certificate authority of the hub (PEM).")] = None,
    keep: KeepOption = None,
) -> None:
    """Try a study on made-up people, on this machine: the cohort engine, trainer and gate that hospitals run.

    With a hub, as many people with such codes as each site's profile tells; without, hospitals that have all it names.
    Finds a study that nobody could run. Its figures mean nothing: nobody is behind them.

    Example: rapha study rehearse stroke-within-1-year.yaml
    """
    from rapha.sdk.study_file import read_study_and_graph

    study, graph = read_study_and_graph(file)
    profiles = _profiles(study, hub, token, ca)
    _warn_unlisted(study, profiles)
    if keep is not None:
        done = _with_progress(study, profiles, keep, graph)
    else:
        with tempfile.TemporaryDirectory(prefix="rapha-rehearsal-") as folder:
            done = _with_progress(study, profiles, Path(folder), graph)
    _tell(done)
    _warn_never_seen(done)
    _judge(study, done)


def _profiles(study: "Study", hub: str | None, token: str | None, ca: Path | None) -> "tuple[SiteProfile, ...]":
    from rapha.errors import ConfigurationError
    from rapha.sdk.client import connect
    from rapha.sdk.rehearsal import profiles_for

    if hub is None:
        return profiles_for(study)
    if token is None:
        raise ConfigurationError("a hub's profiles need a token: --token, or RAPHA_TOKEN")
    with connect(hub, token, ca=ca) as client:
        known = client.sites()
    return tuple(profile for profile in known if not study.sites.only or profile.site in study.sites.only)


def _with_progress(
    study: "Study", profiles: "tuple[SiteProfile, ...]", folder: Path, graph: bytes | None
) -> "tuple[SiteRehearsal, ...]":
    try:
        return _rehearsed(study, profiles, folder, graph)
    finally:
        _say_printed(folder)


def _rehearsed(
    study: "Study", profiles: "tuple[SiteProfile, ...]", folder: Path, graph: bytes | None
) -> "tuple[SiteRehearsal, ...]":
    from rapha.sdk.rehearsal import rehearse as run

    with Progress(console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task("rehearsing", total=len(profiles))
        return run(
            study,
            profiles,
            folder,
            lambda site, done, _: bar.update(line, completed=done, description=site or "done"),
            graph,
            _script(study, graph),
        )


def _script(study: "Study", content: bytes | None) -> "ScriptOf | None":
    """What runs a script of one's own as a hospital would: each call in a sandbox, where this machine can make one, and says so where
    not."""
    from rapha.errors import SandboxError
    from rapha.node.configuration import UGLY, SandboxLimits
    from rapha.node.sandbox.choose import choose_backend, name_for_this_machine
    from rapha.node.sandbox.port import RunFolder
    from rapha.node.scripts import ScriptRun, Whose
    from rapha.records.learning import Script
    from rapha.sdk.rehearsal.rehearse import KEY

    if not isinstance(study.model, Script) or content is None:
        return None
    backend = choose_backend(name_for_this_machine())
    try:
        backend.check()
    except SandboxError as error:
        typer.echo(f"warning: your script runs without walls, as you: {error}", err=True)
        backend = choose_backend(UGLY)

    def at(of: "Study", folder: Path) -> ScriptRun:
        from rapha.cohort.patients import read_patients

        whose = Whose(read_patients(folder), KEY)
        return ScriptRun(of, content, RunFolder.under(folder), backend, SandboxLimits(), whose, rehearsed=True)

    return at


def _say_printed(folder: Path) -> None:
    """What a script printed at the first site where it did: here it may be seen, since nobody is behind the rows."""
    from rapha.node.scripts import SCRIPT_LOG

    for log in sorted(folder.glob(f"*/{SCRIPT_LOG}")):
        if words := log.read_text(encoding="utf-8", errors="replace").strip():
            typer.echo(f"{log.parent.name}: the script printed\n{words[-4000:]}", err=True)
            return


def _tell(done: "tuple[SiteRehearsal, ...]") -> None:
    table = Table("site", "made-up people", "in the cohort", "to train on", "events", "would")
    for site in done:
        cohort = site.cohort
        numbers = [str(cohort.patients), str(cohort.train_rows), str(cohort.positives)] if cohort else ["-", "-", "-"]
        table.add_row(site.site, str(site.people), *numbers, "run" if site.ok else f"refuse: {site.reason}")
    Console().print(table)
    for words in dict.fromkeys(site.words for site in done if site.words):
        typer.echo(f"  {words}")


def _warn_unlisted(study: "Study", profiles: "tuple[SiteProfile, ...]") -> None:
    from rapha.sdk.rehearsal import unlisted

    for feature, concept in unlisted(study, profiles).items():
        typer.echo(
            f"warning: no profile lists a code of `{concept}`, which the feature `{feature}` reads: check its system and codes, "
            "or leave the feature out",
            err=True,
        )


def _warn_never_seen(done: "tuple[SiteRehearsal, ...]") -> None:
    """Of features that nobody has at any site where there was a cohort."""
    cohorts = [set(site.never_seen) for site in done if site.cohort]
    for feature in sorted(set.intersection(*cohorts)) if cohorts else []:
        typer.echo(
            f"warning: nobody in the cohort has the feature `{feature}`: can its window hold anything?", err=True
        )


def _judge(study: "Study", done: "tuple[SiteRehearsal, ...]") -> None:
    from rapha.errors import CohortRefused

    able = sum(site.ok for site in done)
    if able < study.sites.at_least:
        raise CohortRefused(
            f"{able} of {len(done)} rehearsed sites could run {study.study}; it asks for {study.sites.at_least}",
            "not-approved",
        )
    typer.echo(f"{study.study} would run at {able} of {len(done)} sites. Next: rapha study submit")
