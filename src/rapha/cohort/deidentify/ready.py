"""From a patient's note to the text that a model may see."""

from collections.abc import Callable, Collection, Mapping, Sequence

from rapha.cohort.deidentify.hide import hide
from rapha.cohort.deidentify.known import Known

KnownOf = Callable[[Collection[int]], Mapping[int, tuple[Known, ...]] | None]
"""What is known of some patients, by their keys in the timeline; None: notes are left as they are written."""


def nothing_known(patients: Collection[int]) -> Mapping[int, tuple[Known, ...]]:
    """Of nobody: notes are hidden by rules alone."""
    return {}


def as_written(patients: Collection[int]) -> None:
    """Dangerous: names and numbers in notes are left as they are. Only where a site's rules say so."""
    return


def ready_for_model(known: KnownOf, patients: Sequence[int]) -> Callable[[int, bytes], bytes]:
    """A function of a patient's key and note."""
    said = known(set(patients)) if patients else {}
    if said is None:
        return lambda _, content: content
    return lambda patient, content: hide(content.decode("utf-8", "replace"), said.get(patient, ())).encode()
