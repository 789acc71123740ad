"""`rapha node policy`: the rules of a hospital, read, tried and explained before they are relied upon."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from rapha.errors import RaphaError, SandboxError

if TYPE_CHECKING:
    from rapha.policy.decide import Request
    from rapha.policy.rules import SiteRules

app = typer.Typer(
    help="The rules of this hospital: check them, try cases against them, explain what they say of a study."
)
Folder = Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder, or a rules file")]
CASES = "policy-tests.yaml"


@app.command()
def check(home: Folder) -> None:
    """Read the rules, say in words what they permit and who signs, and what of it is wide open. A mistake ends it with 4.

    Example: rapha node policy check /srv/rapha
    """
    from rapha.policy.explanation import in_words, wide

    rules = _rules(home)
    for sentence in in_words(rules):
        typer.echo(sentence)
    for warning in wide(rules):
        typer.secho(f"wide: {warning}", fg="yellow")
    typer.echo(rules.digest)


@app.command()
def test(
    home: Folder,
    cases: Annotated[Path | None, typer.Argument(metavar="CASES", help=f"the table; {CASES} beside the rules")] = None,
) -> None:
    """Hold a table of cases against the rules: the outcome that each expects, and why. One that comes out otherwise ends it with 1.

    Example: rapha node policy test /srv/rapha
    """
    from rapha.clock import utc_now
    from rapha.policy.cases import try_cases
    from rapha.sdk.study_file import read_study

    path = cases or (home if home.is_dir() else home.parent) / CASES
    tried = try_cases(path, _rules(home), read_study, utc_now())
    table = Table("", "case", "expected", "said", box=None, pad_edge=False)
    for one in tried:
        expected = one.case.expect + (f", {one.case.reason}" if one.case.reason else "")
        said = one.outcome + (f", {one.reason}" if one.reason else "")
        table.add_row("ok" if one.passed else "NOT", one.case.case, expected, said)
    Console().print(table)
    if wrong := sum(not one.passed for one in tried):
        typer.echo(f"{wrong} of {len(tried)} cases come out otherwise than expected")
        raise typer.Exit(RaphaError.exit_code)
    typer.echo(f"{len(tried)} cases, all as expected")


@app.command()
def explain(
    home: Folder,
    study: Annotated[str, typer.Argument(metavar="STUDY", help="a study file, or a dispatch that was offered here")],
    researcher: Annotated[str, typer.Option(help="who asks, as the hub writes it; for a study file")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="the facts, as the rules see them")] = False,
) -> None:
    """Say line by line why the rules would permit or refuse a study, now and on this machine. Nothing is decided by it.

    Example: rapha node policy explain /srv/rapha study.yaml --researcher "Ada Lovelace"
    """
    from rapha.policy.decide import decide
    from rapha.policy.explanation import concluded, explained

    rules = _rules(home)
    request = _request(home, study, researcher)
    if as_json:
        typer.echo(request.facts.as_bytes().decode())
        return
    for line in explained(request.facts, rules):
        sentence = "".join(letter if letter.isprintable() else "?" for letter in line.sentence)
        typer.secho(f"{'yes' if line.holds else 'NO ':3}  {line.line:16}  {sentence}", bold=not line.holds)
    typer.echo(concluded(decide(request, rules), rules))


@app.command()
def decisions(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")],
    dispatch: Annotated[str, typer.Option(help="of one dispatch only")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="every record whole, one JSON object a line")] = False,
) -> None:
    """Show every decision taken here, with its digest, which is in the approval or denial. A changed one ends it with 4.

    Example: rapha node policy decisions /srv/rapha
    """
    from rapha.clock import stamp, utc_now
    from rapha.node.configuration import Home
    from rapha.node.register import Register

    for record in Register(Home(home).database, utc_now).decisions(dispatch or None):
        if as_json:
            typer.echo(record.as_bytes().decode())
        else:
            said = f"{record.outcome} by {record.by}" + (f": {record.reason}" if record.reason else "")
            typer.echo(f"{stamp(record.at)}  {record.dispatch}  {record.stage:9}  {said}  {record.digest}")


def _rules(home: Path) -> "SiteRules":
    from rapha.node.configuration import Home
    from rapha.policy.rules_file import read_rules

    return read_rules(home if home.is_file() else Home(home).rules)


def _request(home: Path, study: str, researcher: str) -> "Request":
    from rapha.clock import utc_now
    from rapha.errors import ConfigurationError
    from rapha.node.approvals import Approvals
    from rapha.node.configuration import Home
    from rapha.node.ledger import Ledger
    from rapha.node.register import Register
    from rapha.node.sandbox.choose import stewards_backend
    from rapha.records.record import DispatchId, SiteId, StudyId
    from rapha.records.site import Dispatch
    from rapha.sdk.study_file import read_study

    opened = Home(home)
    try:
        backend = stewards_backend(opened)
        isolated, layers = backend.isolated, backend.layers
    except SandboxError:
        isolated, layers = False, ()
    ledger = Ledger(opened.ledger, utc_now)
    site = opened.configuration.site_id
    approvals = Approvals(opened.rules, site, isolated, layers, utc_now, ledger.runs_before)
    if entry := Register(opened.database, utc_now).entry(study):
        return approvals.request(entry.dispatch, entry.study)
    path = Path(study)
    if not path.is_file():
        raise ConfigurationError(f"{study} is neither a study file nor a dispatch that was offered here")
    if not researcher:
        raise ConfigurationError("who asks? `--researcher NAME`, as the hub writes it")
    read = read_study(path)
    asked = Dispatch(
        id=DispatchId("none"),
        study_id=StudyId("none"),
        study_digest=read.digest,
        site=SiteId(site),
        researcher=researcher,
    )
    return approvals.request(asked, read)
