"""`rapha receipt verify` and `rapha receipt show`. No hub, no network."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapha.cli.receipt_keys import follow_keys
from rapha.clock import QUARTER_MINUTES, coarse

if TYPE_CHECKING:
    from rapha.proof.claim import AggregationClaim, SiteClaim
    from rapha.proof.freeze import FreezeClaim
    from rapha.proof.refusal import RefusalClaim
    from rapha.records.evidence import Evidence
    from rapha.records.receipt import Verdict
    from rapha.records.release import PrivacyReport
    from rapha.records.transcript import Transcript

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Verify a model folder's receipts, or show one. Works offline."
)

Folder = Annotated[Path, typer.Argument(help="The model folder, as `rapha study fetch` wrote it.", show_default=False)]
KeysFile = Annotated[
    Path | None,
    typer.Option("--keys", help="Keys you had from hub and hospitals themselves (a keys.json): the only ones trusted."),
]
ReceiptFile = Annotated[Path, typer.Argument(help="One receipt, e.g. receipts/north.json.", show_default=False)]


@app.command()
def verify(
    folder: Folder,
    keys: KeysFile = None,
    repeated: Annotated[
        list[Path] | None,
        typer.Option(
            "--repeated", help="The signed word of a machine that did a run again: its receipt may then be T1."
        ),
    ] = None,
    launches: Annotated[
        Path | None,
        typer.Option("--launches", help="Launches of hardware that you trust: a receipt with evidence may then be T2."),
    ] = None,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Whom each hospital used has to have been frozen before the run.")
    ] = False,
) -> None:
    """Check every receipt of a model folder, step by step. Ends with 0 when all of them hold, with 11 otherwise.

    Examples:

      rapha receipt verify diabetes-within-5-years/

      rapha receipt verify diabetes-within-5-years/ --keys keys-read-to-me-over-the-phone.json
    """
    from rapha.errors import Unproven
    from rapha.proof.evidence.appraise import Hardware
    from rapha.proof.repeat import raised, site_of
    from rapha.sdk.folder import read_folder, read_keys, read_launches, read_receipt_file
    from rapha.sdk.judging import judge_folder

    hardware = Hardware(read_launches(launches)) if launches else None
    opened = read_folder(folder, read_keys(keys) if keys else None, hardware, frozen=frozen)
    verdicts = judge_folder(opened, tell=lambda said: typer.echo(said, err=True))
    for file in repeated or ():
        word = read_receipt_file(file)
        with _named(file):
            subject = f"receipts/{site_of(word)}.json"
        if subject not in opened.receipts:
            raise Unproven(f"{file} is about {subject}, which is not in this folder")
        verdicts = tuple(raised(one, opened, word) if one.subject == subject else one for one in verdicts)
    for verdict in verdicts:
        _say_verdict(verdict)
    _say_not_shown(verdicts)
    wrong = [verdict.subject for verdict in verdicts if not verdict.ok]
    if wrong:
        _say(f"\nNOT VERIFIED: {', '.join(wrong)}. Do not rely on this folder.", "bold red")
        raise typer.Exit(Unproven.exit_code)
    _say(f"\nVERIFIED: all {len(verdicts)} receipts hold.", "bold green")
    _say("The stock `sigstore` command says so too, without this code: docs/receipt.md has the line.")


app.command("follow-keys")(follow_keys)


@app.command("verify-patient")
def verify_patient(
    proof: Annotated[Path, typer.Argument(metavar="PROOF", help="what the hospital wrote", show_default=False)],
    folder: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="model folders with the receipts of those runs")
    ],
    keys: KeysFile = None,
    secret: Annotated[
        str | None, typer.Option(help="the patient's secret, as the hospital handed it over: 64 hex digits")
    ] = None,
) -> None:
    """Check that one patient was, or was not, in each run of a proof. Works offline.

    Example: rapha receipt verify-patient proof.json diabetes-within-5-years/ --secret 0f3c...
    """
    from rapha.proof.freeze import FREEZE_NOT_SHOWN, NOT_FROZEN_BEFORE
    from rapha.proof.patient import HELD_BY_NOBODY, NOT_SHOWN, check_run, silent_on, without_receipt
    from rapha.proof.verify import KEYS_FROM_FOLDER
    from rapha.sdk.folder import read_keys, read_patient_proof, read_patient_secret, standing_claims

    pinned = read_keys(keys) if keys else None
    shown, held = read_patient_proof(proof), None if secret is None else read_patient_secret(secret)
    claims, without = standing_claims(folder, shown.site, pinned)
    for run in shown.runs:
        inside = check_run(run, claims, held)
        release = claims[run.approval].release
        _say(f"{release.study}: {'WAS' if inside else 'was NOT'} in the run at {shown.site}", "bold")
        if release.freeze:
            _say("  - whom it would use was signed and in the public log before the run")
    _say("\nWhat this does not show", "bold")
    named = [claims[run.approval].release.freeze for run in shown.runs]
    frozen = ((FREEZE_NOT_SHOWN,) if any(named) else ()) + (() if all(named) else (NOT_FROZEN_BEFORE,))
    unnamed = (*(() if held else (HELD_BY_NOBODY,)), *(() if pinned else (KEYS_FROM_FOLDER,)))
    bare = (without_receipt(shown.site, str(path), aggregation) for path, aggregation in without.items())
    for remark in (*silent_on(shown, claims), *bare, *NOT_SHOWN, *frozen, *unnamed):
        _say(f"  - {remark}")
    _say(f"\nVERIFIED: {len(shown.runs)} runs.", "bold green")


@app.command()
def show(file: ReceiptFile) -> None:
    """Read one receipt in plain words. Checks no signature: `verify` does.

    Example:

      rapha receipt show diabetes-within-5-years/receipts/north.json
    """
    from rapha.proof.bundle import read_bundle
    from rapha.proof.claim import SiteClaim
    from rapha.proof.envelope import unverified_payload
    from rapha.proof.freeze import FreezeClaim
    from rapha.proof.refusal import RefusalClaim
    from rapha.sdk.folder import read_receipt_file

    data = read_receipt_file(file)
    with _named(file):
        receipt = read_bundle(data).dsseEnvelope
        claim = _claim_of(unverified_payload(receipt))
    _say(f"{file}: what it says. Nothing is checked here; `rapha receipt verify` does that.", "yellow")
    _say("")
    if isinstance(claim, FreezeClaim):
        said = claim.freeze.as_json()
        _say_facts([("FROZEN", said.pop("study_digest")), *said.items(), ("key", receipt.signatures[0].keyid)])
        return
    if isinstance(claim, RefusalClaim):
        _say_facts([*_refusal_facts(claim), ("key", receipt.signatures[0].keyid)])
        return
    _say_facts(_site_facts(claim) if isinstance(claim, SiteClaim) else _hub_facts(claim))
    _say_facts(
        [
            ("files", "\n".join(f"{path}  {digest}" for path, digest in claim.files.items())),
            ("signed at", f"{_shown(claim.at, of_a_site=isinstance(claim, SiteClaim))}, by the signer's clock"),
            ("key", receipt.signatures[0].keyid),
            ("nonce", claim.nonce),
            ("tier", claim.tier),
            ("not shown", "\n".join(claim.not_shown)),
        ]
    )


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """What is wrong within is said of this file."""
    from rapha.errors import Unproven

    try:
        yield
    except Unproven as problem:
        raise Unproven(f"{file}: {problem}") from None


def _claim_of(payload: bytes) -> "SiteClaim | AggregationClaim | RefusalClaim | FreezeClaim":
    from rapha.proof.freeze import is_freeze, parse_freeze
    from rapha.proof.refusal import is_refusal, parse_refusal
    from rapha.proof.statement import parse_statement

    if is_freeze(payload):
        return parse_freeze(payload)
    return parse_refusal(payload) if is_refusal(payload) else parse_statement(payload)


def privacy_words(privacy: "PrivacyReport") -> str:
    """What was spent, in one line."""
    if privacy.mechanism == "none":
        return "none: no differential privacy"
    rate = "" if privacy.sampling_rate is None else f" at sampling rate {privacy.sampling_rate:g}"
    return (
        f"{privacy.mechanism}: epsilon at most {privacy.epsilon:.3g} at delta {privacy.delta:g}, per {privacy.unit} of this "
        f"hospital; noise {privacy.noise_multiplier:.3g} x clip {privacy.clip:g}, {privacy.steps} steps{rate}; "
        f"{privacy.accountant}"
    )


def transcript_words(transcript: "Transcript | None") -> str:
    """What a run can be held against, in one line."""
    if transcript is None:
        return "none"
    return f"{transcript.root}, {transcript.waypoints} waypoints, one every {transcript.every_steps} steps"


def _site_facts(claim: "SiteClaim") -> list[tuple[str, str]]:
    release = claim.release
    walls = "isolated" if release.sandbox.isolated else "NOT ISOLATED"
    return [
        ("hospital", release.site),
        ("study", f"{release.study}  {release.study_digest}"),
        ("approval", f"{release.decided_by}, {release.approval}"),
        ("policy", release.policy),
        ("cohort", f"{release.cohort.patients} patients, {release.cohort.train_rows} training rows"),
        ("commitment", release.cohort.commitment),
        ("patients", release.cohort.patients_root),
        ("frozen before", release.freeze or "not shown: this receipt names no freeze"),
        ("architecture", release.architecture),
        ("mode", release.mode),
        ("rounds", _range([trace.round for trace in release.rounds])),
        ("sandbox", f"{release.sandbox.backend}, {walls}: {release.sandbox.held} of {release.sandbox.attempts} held"),
        ("numerics", f"torch {release.numerics.torch}, {release.numerics.cpu_capability}"),
        ("transcript", transcript_words(release.transcript)),
        ("egress", f"{len(release.egress.rules)} rules passed: {', '.join(release.egress.rules)}"),
        ("privacy", privacy_words(release.privacy)),
        ("ledger", release.privacy.ledger),
        ("evidence", _evidence_words(claim.evidence)),
        ("code", release.code),
    ]


def _evidence_words(evidence: "Evidence | None") -> str:
    if evidence is None:
        return "none"
    devices = f", with devices: {', '.join(one.kind for one in evidence.devices)}" if evidence.devices else ""
    return f"{evidence.kind}, of the machine it was stated in{devices}"


def _shown(moment: datetime, *, of_a_site: bool) -> str:
    """As exactly as it was stated: a site states the quarter of an hour."""
    if of_a_site and moment == coarse(moment):
        return f"{moment:%Y-%m-%d %H:%M} to {moment + timedelta(minutes=QUARTER_MINUTES):%H:%M} UTC"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _refusal_facts(claim: "RefusalClaim") -> list[tuple[str, str]]:
    refusal = claim.refusal
    return [
        ("hospital", refusal.site),
        ("REFUSED", refusal.study_digest),
        ("by", {"policy": "its rules", "steward": "a person there", "gate": "the gate"}[refusal.stage]),
        ("reason", refusal.reason),
        ("signed at", f"{_shown(datetime.fromisoformat(refusal.at), of_a_site=True)}, by the signer's clock"),
        ("nonce", refusal.nonce),
        ("not shown", "\n".join(claim.not_shown)),
    ]


def _hub_facts(claim: "AggregationClaim") -> list[tuple[str, str]]:
    aggregation = claim.aggregation
    members = sorted({site for members in aggregation.rounds for site in members.updates})
    return [
        ("hub", aggregation.hub),
        ("study", f"{aggregation.study}  {aggregation.study_digest}"),
        ("method", aggregation.method),
        ("approvals", "\n".join(f"{site}  {digest}" for site, digest in sorted(aggregation.approvals.items()))),
        ("denials", "\n".join(f"{site}  {reason}" for site, reason in sorted(aggregation.denials.items())) or "none"),
        ("took part", ", ".join(members)),
        ("rounds", _range([members.round for members in aggregation.rounds])),
        ("weights of", f"round {aggregation.released_round or aggregation.rounds[-1].round}"),
        ("updates", aggregation.updates or "float32"),
        ("code", aggregation.code),
    ]


def _range(numbers: list[int]) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if numbers else "none"


def _say_verdict(verdict: "Verdict") -> None:
    _say_lines(_lines_of(verdict))


def _lines_of(verdict: "Verdict") -> Iterable[tuple[str, str]]:
    yield f"\n{verdict.subject}", "bold"
    for step in verdict.steps:
        mark, style = ("ok", "green") if step.passed else ("NO", "bold red")
        yield f"  {step.number:>2} {mark}  {step.check}", style
        yield f"         {step.detail}", "" if step.passed else "red"
    for line in verdict.found:
        yield f"      {line}", ""
    for line in verdict.flagged:
        yield f"  FLAGGED  {line}", "bold yellow"
    outcome = (
        f"holds (tier {tier_words(verdict)})" if verdict.ok else "does not hold; what comes after was not looked at"
    )
    yield f"  = {verdict.subject} {outcome}", "bold green" if verdict.ok else "bold red"


def tier_words(verdict: "Verdict") -> str:
    """The tier as the evidence has it, and what is claimed beyond it: hardware's word takes no second run's place."""
    from rapha.proof.repeat import CHECK

    repeated = any(step.passed and step.check == CHECK for step in verdict.steps)
    if repeated:
        return "T1" if verdict.tier == "T1" else f"T1 and {verdict.tier}"
    higher = "; T1 claimed, and nobody's word of a second run was given" if verdict.claimed == "T1" else ""
    return f"{verdict.tier}{higher}"


def _say_not_shown(verdicts: Iterable["Verdict"]) -> None:
    _say("\nWhat this does not show", "bold")
    for remark in dict.fromkeys(remark for verdict in verdicts for remark in verdict.not_shown):
        _say(f"  - {remark}")


def _say_facts(facts: Iterable[tuple[str, str]]) -> None:
    for name, value in facts:
        for at, line in enumerate(value.split("\n")):
            _say(f"{name if at == 0 else '':>12}  {line}")


def _say(line: str, style: str = "") -> None:
    """One line, as it is."""
    _say_lines([(line, style)])


def _say_lines(lines: Iterable[tuple[str, str]]) -> None:
    """Each with its style, as it is, after as many empty ones as it begins with line feeds: what a receipt brings with it is neither
    markup, nor a terminal's control sequence, nor another line. Where there is no terminal there is no style, and no time is spent on it."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.file.write("".join(f"{_plain(line)}\n" for line, _ in lines))
        return
    for line, style in lines:
        console.print(Text(_plain(line), style=style))


def _plain(line: str) -> str:
    words = line.lstrip("\n")
    shown = (
        words
        if words.isprintable()
        else "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in words)
    )
    return "\n" * (len(line) - len(words)) + shown
