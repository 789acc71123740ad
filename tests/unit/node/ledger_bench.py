"""A study with differential privacy, its dispatch, and rules with a budget."""

from pathlib import Path
from tempfile import TemporaryDirectory

from made_up_people import write_study

from rapha.records.record import DispatchId, SiteId, StudyId
from rapha.records.site import Dispatch
from rapha.records.study import Study
from rapha.sdk.study_file import read_study

RULES = """
modalities: [ehr]
purposes: [DUO:0000006]
researchers: any
architectures: [logistic]
minimum_cohort: 25
privacy: {lifetime_epsilon: 10, lifetime_delta: 0.001}
sandbox: required
approve: {by: steward}
"""
TERMS = (
    "{min_cohort: 25, differential_privacy: {epsilon: %s, delta: %s, "
    "ranges: {cholesterol: [100, 350], hdl: [20, 100], age: [18, 100], sex: [0, 1]}}}"
)


def private_terms(epsilon: str = "3", delta: str = "1.0e-5") -> dict[str, str]:
    """Replacements for `write_study`."""
    return {"{min_cohort: 25}": TERMS % (epsilon, delta), ", batch_size: 64": ""}


def private_study(*, epsilon: str = "3", delta: str = "1.0e-5", private: bool = True) -> Study:
    with TemporaryDirectory() as folder:
        return read_study(
            write_study(Path(folder) / "study.yaml", **(private_terms(epsilon, delta) if private else {}))
        )


def dispatch(study: Study, name: str = "d-1") -> Dispatch:
    return Dispatch(
        id=DispatchId(name), study_id=StudyId("s-1"), study_digest=study.digest, site=SiteId("north"), researcher="Ada"
    )
