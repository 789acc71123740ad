"""`rapha node patient-secret`, `prove-use` and `prove-non-use`: what a hospital can hand to one patient."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapha.cli.output_file import writing

if TYPE_CHECKING:
    from rapha.node.configuration import Home
    from rapha.records.patient import PatientProof

Folder = Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")]
Patient = Annotated[str, typer.Argument(metavar="PATIENT", help="the identifier, as the source has it")]
Source = Annotated[str, typer.Option("--source", help="the `source:` of the mapping that the patient was read with")]
Output = Annotated[Path, typer.Option("--output", "-o", help="where to write the proof")]
RunOption = Annotated[list[str] | None, typer.Option("--run", help="one run (its dispatch); all that ended by default")]


def patient_secret(home: Folder, patient: Patient, source: Source) -> None:
    """Print the secret with which a patient knows proofs about them from proofs about others. Hand it over in person.

    Example: rapha node patient-secret /srv/rapha 4711 --source st-anna
    """
    from rapha.node import patients
    from rapha.node.configuration import Home

    opened = Home(home)
    typer.echo(patients.patient_secret(opened.secret, _subject(opened, patient, source)).hex())


def prove_use(home: Folder, patient: Patient, source: Source, output: Output, run: RunOption = None) -> None:
    """Prove that a patient was in every one of these runs. Fails, and writes nothing, where they were not.

    Example: rapha node prove-use /srv/rapha 4711 --source st-anna --run dp-1 -o proof.json
    """
    _write(home, patient, source, output, run, used=True)


def prove_non_use(home: Folder, patient: Patient, source: Source, output: Output, run: RunOption = None) -> None:
    """Prove that a patient was in none of these runs. Fails, and writes nothing, where they were.

    Example: rapha node prove-non-use /srv/rapha 4711 --source st-anna -o proof.json
    """
    _write(home, patient, source, output, run, used=False)


def _write(home: Path, patient: str, source: str, output: Path, run: list[str] | None, *, used: bool) -> None:
    from rapha.node import patients
    from rapha.node.configuration import Home

    opened = Home(home)
    proof = _proof(opened, _subject(opened, patient, source), run)
    patients.check_used(proof, used=used)
    with writing(output):
        output.write_bytes(proof.as_bytes())
    typer.echo(f"{output}: {len(proof.runs)} runs, {'used' if used else 'not used'} in every one of them")


def _proof(home: "Home", subject: int, run: list[str] | None) -> "PatientProof":
    from rapha.clock import utc_now
    from rapha.errors import Conflict
    from rapha.node import patients
    from rapha.node.register import Register
    from rapha.records.site import Approval

    ended = {entry.dispatch.id: entry for entry in Register(home.database, utc_now).entries("released")}
    if unknown := [name for name in run or () if name not in ended]:
        raise Conflict(f"no run {unknown[0]} of this hospital has ended with a release")
    chosen = [entry for name, entry in ended.items() if not run or name in run]
    runs = {home.run(e.dispatch.id): e.answer for e in chosen if isinstance(e.answer, Approval)}
    return patients.prove(home.configuration.site_id, home.secret, subject, runs)


def _subject(home: "Home", patient: str, source: str) -> int:
    """The patient's key in the timeline. Whether they are there is not asked: absence is what may have to be proven."""
    from rapha.errors import ConfigurationError
    from rapha.timeline.manifest import OPT_OUT, read_manifest
    from rapha.timeline.pseudonym import subject_key
    from rapha.timeline.reader import open_timeline

    known = {batch.source: batch.whose for batch in read_manifest(home.timeline).batches if batch.source != OPT_OUT}
    if source not in known:
        raise ConfigurationError(f"no source {source!r} was ever read here; there are: {', '.join(known) or 'none'}")
    key = subject_key(home.secret, known[source], patient)
    with open_timeline(home.timeline).connect() as connection:
        merged = connection.execute("SELECT 1 FROM merges WHERE retired = $key", {"key": key}).fetchone()
    if merged:
        typer.echo(
            "this number was merged into another: runs since then know the patient by that, so ask by it too", err=True
        )
    return key
