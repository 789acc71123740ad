"""A run with a transcript, as a node leaves it, and runs of a node that did not train as it says.

Started as a program it trains: in a process with the environment of a sandbox, since the bits depend on it. Of several runs
each is a child of that process, which has loaded the libraries: to load them takes longer than to train.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from small_run import make_run

from rapha.canonical import digest, digest_file
from rapha.clock import utc_now
from rapha.cohort.found import FrozenCohort
from rapha.egress import gate
from rapha.node.frozen import FrozenRun
from rapha.node.runs import file_of
from rapha.node.transcripts import FACTS, FOLDER, RunFacts, read_leaves, recording_of, transcript_of, write_round
from rapha.proof.claim import SiteClaim
from rapha.records.cohort import Cohort
from rapha.records.metrics import Count
from rapha.records.outputs import TRANSCRIPT, Command
from rapha.records.record import SiteId
from rapha.records.release import EgressVerdict, Numerics, PrivacyReport, Release, RoundTrace, SandboxReport
from rapha.records.study import Study
from rapha.records.tensors import declared_statistics
from rapha.training.profile import ENVIRONMENT

ROUNDS, SMALLEST = 2, 5


def trained_each(runs: Sequence[tuple[Path, str, int]]) -> list[SiteClaim]:
    """Of each run a folder, with everything that repeating it takes, and what the hospital would sign of it.

    `runs`: where each is to lie, how it is tampered with ("" for not), and how many steps apart its waypoints are.
    """
    words = [str(word) for run in runs for word in run]
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {"PATH": os.defpath, "PYTHONPATH": paths, **ENVIRONMENT}
    done = subprocess.run([sys.executable, __file__, *words], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    releases = [Release.from_bytes((folder / "release.json").read_bytes()) for folder, *_ in runs]
    return [SiteClaim(release, "0" * 32, utc_now(), ()) for release in releases]


def _train_each(words: Sequence[str]) -> int:
    """The exit code: 0 where every child ended well."""
    import rapha.training.learner  # noqa: F401 — once, for all children

    ended = []
    for folder, tampering, every_steps in zip(words[::3], words[1::3], words[2::3], strict=True):
        child = os.fork()
        if not child:
            _train(Path(folder), tampering, int(every_steps))
            sys.exit(0)
        ended.append(os.waitpid(child, 0)[1])
    return int(any(ended))


def _train(folder: Path, tampering: str, every_steps: int) -> None:
    from rapha.training.dataset import read_dataset
    from rapha.training.learner import Learner
    from rapha.training.numerics import pin
    from rapha.training.statistics import start_of
    from rapha.training.weights import write_tensors

    numerics = pin()
    run, study = make_run(folder)
    study = Study.model_validate(
        {**study.as_json(), "training": {**study.training.as_json(), "rounds": ROUNDS, "batch_size": 2}}
    )
    (run.input / "study.json").write_bytes(study.as_bytes())
    dataset = read_dataset(study, run.input / "rows.arrow")
    kept = folder / FOLDER / "weights"
    kept.mkdir(parents=True)
    site = Learner(study, dataset, kept, run.output)
    frozen = _frozen(folder, len(dataset.train), len(dataset.validation), len(dataset.test))
    site.do(Command(do="prepare", round=0))
    statistics = gate.pass_statistics(run.output, declared_statistics(study), SMALLEST)
    traces = [RoundTrace(round=0, weights_in=None, weights_out=digest(statistics))]
    write_tensors(kept / "start", start_of(_arrays(statistics)))
    content = (kept / "start").read_bytes()
    (kept / "start").unlink()
    _tamper(tampering)
    for number in range(1, ROUNDS + 1):
        (kept / file_of(digest(content))).write_bytes(content)
        command = Command(
            do="train", round=number, weights=file_of(digest(content)), recording=recording_of(frozen, every_steps)
        )
        site.do(command)
        started = digest(content)
        passed = gate.pass_update(run.output, study, frozen.cohort.train_rows, SMALLEST)
        content = b"".join(bytes(block) for block in passed)
        if tampering == "weights" and number == ROUNDS:
            content = _edited(content)
        traces.append(RoundTrace(round=number, weights_in=started, weights_out=digest(content)))
        write_round(folder / FOLDER, number, (run.output / TRANSCRIPT).read_bytes())
    (kept / file_of(digest(content))).write_bytes(content)
    site.do(Command(do="evaluate", round=ROUNDS + 1, weights=file_of(digest(content))))
    cohort, rules = frozen.cohort, gate.figures_of(study, frozen.cohort.fewest)
    figures = gate.pass_evaluation(
        run.output, "north", cohort.train_rows, cohort.set_apart, SMALLEST, cohort.rows, rules
    )
    transcript = transcript_of(read_leaves(folder / FOLDER, every_steps), recording_of(frozen, every_steps))
    facts = RunFacts(
        site=SiteId("north"), frozen=frozen, smallest_count=SMALLEST, rounds=tuple(traces), transcript=transcript
    )
    (folder / FOLDER / FACTS).write_bytes(facts.as_bytes())
    release = _release(study, frozen, facts, digest(content), figures.digest, numerics)
    (folder / "release.json").write_bytes(release.as_bytes())


def _frozen(folder: Path, train: int, validation: int, test: int) -> FrozenRun:
    rows = train + validation + test
    cohort = FrozenCohort(
        patients=rows, rows=rows, train_rows=train, validation_rows=validation, test_rows=test, positives=0,
        set_apart={"competing": 0, "unobserved": 0}, dataset_digest=digest_file(folder / "input" / "rows.arrow"),
    )  # fmt: skip
    return FrozenRun(salt="5a" * 32, patients_root=digest(b"patients"), cohort=cohort)


def _arrays(content: bytes):
    from safetensors.numpy import load

    return load(content)


def _edited(content: bytes) -> bytes:
    """The last bit of the last weight."""
    return content[:-4] + bytes([content[-4] ^ 1]) + content[-3:]


def _tamper(how: str) -> None:
    from rapha.training import loop

    kind, _, step = how.partition("-")
    made, losses = loop.make_optimizer, loop._losses

    def faster(spec, parameters):
        optimizer = made(spec, parameters)
        plain, taken = optimizer.step, [0]

        def stepped():
            taken[0] += 1
            optimizer._learning_rate = spec.learning_rate * (2 if taken[0] == int(step) else 1)
            plain()

        optimizer.step = stepped
        return optimizer

    if kind == "faster":
        loop.make_optimizer = faster
    if kind == "dropped":
        loop._losses = lambda *given: (one for at, one in enumerate(losses(*given), 1) if at != int(step))


def _release(
    study: Study, frozen: FrozenRun, facts: RunFacts, weights: str, metrics: str, numerics: Numerics
) -> Release:
    cohort = Cohort(
        study_digest=study.digest, site=SiteId("north"), commitment=frozen.commitment,
        patients_root=frozen.patients_root, patients=Count(about=300), train_rows=Count(about=100),
    )  # fmt: skip
    report = SandboxReport(
        backend="i-accept-that-code-can-reach-this-machine", isolated=False, layers=("rlimits",),
        self_test=digest(b"self-test"), attempts=1, held=0,
    )  # fmt: skip
    return Release(
        study_digest=study.digest, study=study.study, site=SiteId("north"), approval=digest(b"approval"),
        policy=digest(b"policy"), decided_by="rule:all", cohort=cohort, architecture=study.model.architecture,
        rounds=facts.rounds, weights=weights, metrics=metrics, code=digest(b"code"), packages={},
        numerics=numerics, sandbox=report, egress=EgressVerdict(rules=(), files=ROUNDS),
        privacy=PrivacyReport(ledger=digest(b"ledger")), transcript=facts.transcript,
    )  # fmt: skip


def facts_of(folder: Path) -> RunFacts:
    return RunFacts.from_bytes((folder / FOLDER / FACTS).read_bytes())


def with_facts(folder: Path, **changes: object) -> None:
    """The folder's facts, with these changed."""
    value = {**json.loads((folder / FOLDER / FACTS).read_bytes()), **changes}
    (folder / FOLDER / FACTS).write_bytes(RunFacts.model_validate(value).as_bytes())


if __name__ == "__main__":
    sys.exit(_train_each(sys.argv[1:]))
