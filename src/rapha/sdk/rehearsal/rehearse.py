"""A study on made-up timelines, site by site, through the rooms a hospital would take it through.

freeze      the cohort engine: the same statement, the same refusals
train       the trainer, in this process and without a sandbox: there is nobody to protect
gate        every output passes the gate that a hospital's passes
"""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from rapha.canonical import digest_file
from rapha.cohort.engine import freeze
from rapha.cohort.found import FrozenCohort
from rapha.egress import gate
from rapha.errors import CohortRefused, EgressRefused, TrainingFailed
from rapha.records.metrics import SiteMetrics
from rapha.records.outputs import WEIGHTS, Command
from rapha.records.record import Record
from rapha.records.site import SiteProfile
from rapha.records.study import Study
from rapha.records.tensors import declared_statistics, declared_weights
from rapha.records.variates import declared_variates
from rapha.sdk.rehearsal.made_up import write_timeline
from rapha.timeline.reader import open_timeline

KEY = b"a rehearsal has no secret"


class OwnScript(Protocol):
    """What runs a script of one's own at a made-up site; as `rapha.node.scripts.ScriptRun`."""

    def train(self, command: Command, cohort: FrozenCohort) -> None:
        """One round: leaves weights and figures in the site's output folder."""

    def predict(self, command: Command) -> None:
        """Lay what its `predict` gives beside the weights."""

    def close(self) -> None:
        """End it."""


ScriptOf = Callable[[Study, Path], OwnScript]
"""The script of a study at the site of this folder."""
MOST_ROUNDS = 3
Progress = Callable[[str, int, int], None]
"""Told the site in hand, the steps done and all steps."""


class SiteRehearsal(Record):
    """What became of the study at one made-up site. Exact numbers: nobody is behind them.

    Either `metrics` is there, or `reason` and `words` say why the study could not be done. `never_seen`: the features that nobody
    in the cohort has.
    """

    site: str
    people: int
    cohort: FrozenCohort | None = None
    never_seen: tuple[str, ...] = ()
    metrics: SiteMetrics | None = None
    reason: str | None = None
    words: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the study would have run here to its end."""
        return self.metrics is not None


def rehearse(
    study: Study,
    profiles: Sequence[SiteProfile],
    folder: Path,
    progress: Progress = lambda site, done, steps: None,
    graph: bytes | None = None,
    script: ScriptOf | None = None,
) -> tuple[SiteRehearsal, ...]:
    """Rehearse at every site; timelines, frozen rows and weights are left in `folder`, one folder a site. `graph`: of a model
    of one's own, its file; `script`: what runs a script of one's own, as a hospital would."""
    done = []
    for number, profile in enumerate(profiles):
        progress(profile.site, number, len(profiles))
        done.append(_at(study, profile, folder / profile.site, graph, script))
    progress("", len(profiles), len(profiles))
    return tuple(done)


def _at(
    study: Study, profile: SiteProfile, folder: Path, graph: bytes | None, script: ScriptOf | None
) -> SiteRehearsal:
    people = write_timeline(folder / "timeline", profile, study)
    cohort = None
    never_seen: tuple[str, ...] = ()
    try:
        frozen = folder / "input"
        frozen.mkdir(parents=True, exist_ok=True)
        cohort = freeze(open_timeline(folder / "timeline"), study, KEY, frozen, folder)
        never_seen = features_nobody_has(study, frozen / "rows.arrow")
        metrics = _train(study, cohort, profile.site, folder, graph, script)
    except (CohortRefused, TrainingFailed, EgressRefused) as refusal:
        said = {"reason": refusal.reason, "words": str(refusal)}
        return SiteRehearsal(site=profile.site, people=people, cohort=cohort, never_seen=never_seen, **said)
    return SiteRehearsal(site=profile.site, people=people, cohort=cohort, never_seen=never_seen, metrics=metrics)


def features_nobody_has(study: Study, rows: Path) -> tuple[str, ...]:
    """The features that are missing, or 0 of a count, in every frozen row."""
    import pyarrow as pa
    import pyarrow.compute as pc

    with pa.memory_map(str(rows)) as file:
        table = pa.ipc.open_file(file).read_all()
    columns = [(feature, table[feature.name]) for feature in study.features if feature.name in table.column_names]
    counts = ("count", "any")
    return tuple(
        feature.name
        for feature, column in columns
        if column.null_count == len(column)
        or (getattr(feature, "aggregate", "") in counts and not pc.any(pc.not_equal(column, 0)).as_py())
    )


def _train(
    study: Study, cohort: FrozenCohort, site: str, folder: Path, graph: bytes | None, script: ScriptOf | None
) -> SiteMetrics:
    """A federation of one, a few rounds long."""
    from rapha.training.dataset import read_dataset
    from rapha.training.learner import Learner
    from rapha.training.numerics import pin
    from rapha.training.statistics import feature_statistics, start_of
    from rapha.training.weights import write_tensors

    pin()
    output, weights, few = folder / "output", folder / "weights", study.privacy.min_cohort
    rules = gate.figures_of(study, cohort.fewest)
    for place in (output, weights):
        place.mkdir(exist_ok=True)
    dataset = read_dataset(study, folder / "input" / "rows.arrow")
    learner = Learner(study, dataset, weights, output, graph)
    own = script(study, folder) if script is not None else None
    learner.do(Command(do="prepare", round=0))
    gate.pass_statistics(output, declared_statistics(study), few)
    write_tensors(weights / WEIGHTS, start_of(feature_statistics(study, dataset.train)))
    rounds, canaries = min(study.training.rounds, MOST_ROUNDS), secrets.token_hex(32)
    for number in range(1, rounds + 1):
        command = Command(do="train", round=number, weights=_named(weights), canaries=canaries)
        own.train(command, cohort) if own is not None else learner.do(command)
        passed = b"".join(bytes(block) for block in gate.pass_update(output, study, cohort.train_rows, few))
        gate.pass_scores(output, cohort.train_rows, cohort.validation_rows, few, rules)
        (weights / WEIGHTS).write_bytes(passed)
        if number < rounds:
            _lay_variates(weights / WEIGHTS, study)
    last = Command(do="evaluate", round=study.training.rounds + 1, weights=_named(weights))
    if own is not None:
        own.predict(last)
        own.close()
    learner.do(last)
    return gate.pass_evaluation(output, site, cohort.train_rows, cohort.set_apart, few, cohort.rows, rules)


def _lay_variates(file: Path, study: Study) -> None:
    """SCAFFOLD's, beside the weights: in a federation of one the mean gradient is the site's own, and no step is corrected."""
    import numpy as np

    from rapha.training.weights import read_weights, write_tensors

    if declared := declared_variates(study):
        zeros = {name: np.zeros(spec.shape, np.float32) for name, spec in declared.items()}
        weights = read_weights(file, declared_weights(study))
        write_tensors(file.with_suffix(".part"), {**weights, **zeros})
        file.with_suffix(".part").replace(file)


def _named(weights: Path) -> str:
    """The present weights under the name a command knows them by."""
    file = weights / WEIGHTS
    name = f"{digest_file(file).removeprefix('sha256:')}.safetensors"
    for old in weights.glob("*.safetensors"):
        if old.name not in (WEIGHTS, name):
            old.unlink()
    (weights / name).write_bytes(file.read_bytes())
    return name
