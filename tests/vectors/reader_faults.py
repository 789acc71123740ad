"""Ways in which two readers of one file would read two things, or the hub tells of another study than the one that was asked for."""

from collections.abc import Callable

from receipt_samples import AGGREGATION, NORTH, Fault, Files, Parts

from rapha.proof.certified import TRUST_CONFIG_FILE, certified_path

SECOND = certified_path(NORTH)


def _named_twice(path: str, before: bytes, twice: bytes) -> Callable[[Files], None]:
    """A name stands there a second time, and what most readers take is what was signed."""

    def at_last(files: Files) -> None:
        assert files[path].count(before) == 1
        files[path] = files[path].replace(before, twice + before)

    return at_last


def _median(parts: Parts) -> None:
    """The hub says that it took a median, of a study that asks for the mean."""
    parts.aggregation = parts.aggregation.model_copy(update={"method": "median"})


READER_FAULTS = {
    "name-twice": Fault(NORTH, 1, at_last=_named_twice(NORTH, b'"payload":', b'"payload":"AAAA",')),
    "name-twice-once-escaped": Fault(NORTH, 1, at_last=_named_twice(NORTH, b'"mediaType":', b'"media\\u0054ype":"x",')),
    "certified-name-twice": Fault(NORTH, 16, at_last=_named_twice(SECOND, b'"payload":', b'"payload":"AAAA",')),
    "trust-name-twice": Fault(NORTH, 18, at_last=_named_twice(TRUST_CONFIG_FILE, b'"tlogs":', b'"tlogs":[],')),
    "averaged-in-another-way": Fault(AGGREGATION, 20, before=_median),
}
