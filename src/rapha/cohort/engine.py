"""Ask a timeline: how many patients a study would have here, and freeze their rows; or refuse, with the reason.

A refusal names no number: how far below a threshold a cohort lies is itself a count.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rapha.cohort.answerable import UnitCount, check_concepts, check_hierarchy
from rapha.cohort.dataset import dataset_of, write_dataset
from rapha.cohort.deidentify.ready import KnownOf, nothing_known, ready_for_model
from rapha.cohort.dense import BESIDE, KIND_OF, DenseColumn
from rapha.cohort.found import FrozenCohort, SetApart, Size, UnitSetAside
from rapha.cohort.notes.events import lay_mentions
from rapha.cohort.outcome import label_columns
from rapha.cohort.patients import write_patients
from rapha.cohort.plan import Plan, plan_of
from rapha.cohort.split import TEST, TRAIN, VALIDATION
from rapha.cohort.statement import cohort_statement, hierarchy_statement, presence_statement
from rapha.errors import CohortRefused
from rapha.records.dense import DenseFeature
from rapha.records.private import counts_by_patient
from rapha.records.segmenter import SegmentMask
from rapha.records.study import Study
from rapha.records.tensors import mask_of
from rapha.timeline.assets import Assets
from rapha.timeline.beside import space_watched
from rapha.timeline.reader import LockedConnection, Timeline

if TYPE_CHECKING:
    import pyarrow as pa

MIN_TRAINING_EVENTS = 10
"""Cases, and controls, that the training split must hold: of fewer, a model remembers persons."""


def count(timeline: Timeline, study: Study, key: bytes) -> int:
    """How many patients `freeze` would keep rows of: those of the cohort whose outcome is known. Exact.

    Raises:
        CohortRefused: as `freeze`.
    """
    return _patients(_kept(_ask(timeline, study, key)[0], study))


def size(timeline: Timeline, study: Study, key: bytes) -> Size:
    """How many patients the study would have here, whether they are enough or not.

    A patient counts once and by their own rows alone: one patient more changes one of the numbers by one; a patient of several rows
    is of the last class among theirs. So nothing is
    asked of the site as a whole: a concept of which nobody has an event is one that nobody has.

    Raises:
        CohortRefused: `no-hierarchy`, which the site's vocabulary decides and no patient.
    """
    import pyarrow.compute as pc

    plan = plan_of(study)
    with space_watched(timeline.folder), timeline.connect() as connection:
        if hierarchy := hierarchy_statement(plan):
            check_hierarchy(plan, connection.execute(hierarchy.text, hierarchy.parameters).fetchall())
        lay_mentions(timeline, connection, plan)
        statement = cohort_statement(plan, key)
        answer = connection.table(statement.text, statement.parameters)
    kept = answer.filter(pc.equal(answer["fate"], "kept"))
    if not plan.outcome.has_cases:
        return Size(events=0, others=_patients(kept))
    if classes := plan.outcome.classes:
        last = kept.group_by("patient").aggregate([("label", "max")])["label_max"].to_pylist()
        by_class = tuple(last.count(place) for place in range(len(classes)))
        nobody = by_class[0] if plan.outcome.none == "class" else 0
        return Size(events=len(last) - nobody, others=nobody, classes=by_class)
    events = _patients(kept.filter(pc.greater(kept[_label(plan)], 0)))
    return Size(events=events, others=_patients(kept) - events)


def freeze(
    timeline: Timeline,
    study: Study,
    key: bytes,
    folder: Path,
    patients: Path | None = None,
    known: KnownOf = nothing_known,
) -> FrozenCohort:
    """Write the study's rows to `folder/rows.arrow`, and whose they are into the folder `patients`, which no workload may
    see. Same study, timeline, key and knowledge: same bytes. Done twice is once.

    `key` is the site's secret, at least 16 bytes: it deals patients to train, validation and test, and orders the rows.
    `known`: what is hidden in the notes of some patients, by their keys; `as_written` hides nothing.

    Raises:
        CohortRefused: `no-hierarchy`, `unknown-concept`, `unknown-unit`, `mixed-units`, `cohort-empty`, `cohort-too-small` or `too-few-events`.
        DiskFull: no space left in `folder`, or for what is spilled beside the timeline.
    """
    answer, units = _ask(timeline, study, key)
    kept = _kept(answer, study)
    plan = plan_of(study)
    whose = kept["patient"].to_pylist()
    dense = _dense(timeline, plan, mask_of(study), known, whose)
    table = dataset_of(kept, plan.features, label_columns(plan), counts_by_patient(study))
    if patients is not None:
        write_patients(kept["patient"], table, patients)
    splits = kept["split"].to_pylist()
    return FrozenCohort(
        patients=_patients(kept),
        rows=len(kept),
        train_rows=splits.count(TRAIN),
        validation_rows=splits.count(VALIDATION),
        test_rows=splits.count(TEST),
        positives=sum(_events(kept, plan)),
        set_apart={fate: _of_fate(answer, fate) for fate in _fates(plan)},
        units_set_aside=units,
        dataset_digest=write_dataset(table, folder, dense, whose),
        fewest=_fewest(kept, plan),
    )


def _dense(
    timeline: Timeline, plan: Plan, mask: SegmentMask | None, known: KnownOf, whose: Sequence[int]
) -> list[DenseColumn]:
    """The plan's dense features, and the `mask` that is its label, each with its assets; what is known of patients is asked for only
    where notes are read."""
    features: list[DenseFeature] = [feature for feature in plan.features if isinstance(feature, DenseFeature)]
    features += [mask] if mask else []
    if not features:
        return []
    with timeline.connect() as connection:
        assets = {
            kind: Assets.of(timeline.folder, connection, KIND_OF[kind], *BESIDE.get(kind, ()))
            for kind in {feature.kind for feature in features}
        }
    ready = ready_for_model(known, whose if "note" in assets else ())
    return [DenseColumn(feature, assets[feature.kind], ready) for feature in features]


def _ask(timeline: Timeline, study: Study, key: bytes) -> tuple["pa.Table", tuple[UnitSetAside, ...]]:
    """The answer to the study's statement: every patient of the cohort, those set apart too; and the numbers set aside."""
    if len(key) < 16:
        raise ValueError("the site's secret has at least 16 bytes")
    plan = plan_of(study)
    with space_watched(timeline.folder), timeline.connect() as connection:
        lay_mentions(timeline, connection, plan)
        set_aside = _check(connection, plan, study.privacy.min_cohort)
        statement = cohort_statement(plan, key)
        return connection.table(statement.text, statement.parameters), set_aside


def _check(connection: LockedConnection, plan: Plan, fewest: int) -> tuple[UnitSetAside, ...]:
    """This site can answer. Raises CohortRefused."""
    if hierarchy := hierarchy_statement(plan):
        check_hierarchy(plan, connection.execute(hierarchy.text, hierarchy.parameters).fetchall())
    presence = presence_statement(plan)
    counts = connection.execute(presence.text, presence.parameters).fetchall()
    return check_concepts(plan, (UnitCount(*row) for row in counts), fewest)


def _kept(answer: "pa.Table", study: Study) -> "pa.Table":
    """The rows with a known outcome, if they are enough to learn from."""
    import pyarrow.compute as pc

    kept = answer.filter(pc.equal(answer["fate"], "kept"))
    if len(answer) == 0:
        raise CohortRefused("no patient here meets the study's criteria", "cohort-empty")
    smallest, plan = study.privacy.min_cohort, plan_of(study)
    training = kept.filter(pc.equal(kept["split"], TRAIN))
    if _patients(training) < smallest:
        raise CohortRefused(f"fewer than {smallest} patients to train on have a known outcome", "cohort-too-small")
    _check_events(training, plan)
    if plan.cohort.index.pick == "every":  # figures are of rows: behind those of each split stand enough patients too
        for split in (VALIDATION, TEST):
            of_split = kept.filter(pc.equal(kept["split"], split))
            _check_events(of_split, plan)
            if not plan.outcome.has_cases and _in_a_class(of_split, plan) < MIN_TRAINING_EVENTS:
                raise CohortRefused(f"fewer than {2 * MIN_TRAINING_EVENTS} patients to test on", "cohort-too-small")
    return kept


def _check_events(rows: "pa.Table", plan: Plan) -> None:
    """Enough patients with the outcome; and enough without, where it is binary (a censored row is no control); enough of every class
    of a categorical outcome: a study puts rare ones together, by the concepts it names."""
    import pyarrow.compute as pc

    if not plan.outcome.has_cases:
        return
    outcome = rows[_label(plan)]
    of_class = [_patients(rows.filter(pc.equal(outcome, place))) for place in range(len(plan.outcome.classes))]
    if min(of_class, default=MIN_TRAINING_EVENTS) < MIN_TRAINING_EVENTS:
        raise CohortRefused(f"fewer than {MIN_TRAINING_EVENTS} patients of a class of the outcome", "too-few-events")
    if of_class:
        return
    cases = _patients(rows.filter(pc.greater(outcome, 0)))
    controls = _patients(rows.filter(pc.equal(outcome, 0)))
    if cases < MIN_TRAINING_EVENTS or (plan.outcome.kind != "time-to-event" and controls < MIN_TRAINING_EVENTS):
        raise CohortRefused(f"fewer than {MIN_TRAINING_EVENTS} patients with or without the outcome", "too-few-events")


def _fewest(kept: "pa.Table", plan: Plan) -> int | None:
    import pyarrow.compute as pc

    if plan.cohort.index.pick != "every":
        return None
    return min(_in_a_class(kept.filter(pc.equal(kept["split"], split)), plan) for split in (VALIDATION, TEST))


def _in_a_class(rows: "pa.Table", plan: Plan) -> int:
    """How many patients have rows of the class of which fewest have; where there are no classes, half of the patients."""
    import pyarrow.compute as pc

    if not plan.outcome.has_cases:
        return _patients(rows) // 2
    if not plan.outcome.classes:
        return min(_patients(rows.filter(pc.equal(pc.greater(rows[_label(plan)], 0), case))) for case in (True, False))
    label = rows[_label(plan)]
    return min(_patients(rows.filter(pc.equal(label, place))) for place in range(len(plan.outcome.classes)))


def _patients(rows: "pa.Table") -> int:
    import pyarrow.compute as pc

    return int(pc.count_distinct(rows["patient"]).as_py())


def _fates(plan: Plan) -> tuple[SetApart, ...]:
    return ("competing", "unobserved", "uncalled") if plan.excluding else ("competing", "unobserved")


def _of_fate(answer: "pa.Table", fate: SetApart) -> int:
    import pyarrow.compute as pc

    return _patients(answer.filter(pc.equal(answer["fate"], fate)))


def _events(rows: "pa.Table", plan: Plan) -> list[int]:
    """1 for a row with the outcome, else 0; of an outcome that everybody has there are none."""
    if not plan.outcome.has_cases:
        return []
    return [int(label > 0) for label in rows[_label(plan)].to_pylist()]


def _label(plan: Plan) -> str:
    return "event" if plan.outcome.kind == "time-to-event" else "label"
