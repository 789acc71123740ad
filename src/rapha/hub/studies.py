"""A stored study, read. The same bytes are the same record, so one that is at work is parsed once."""

from functools import lru_cache

from rapha.records.study import Study


@lru_cache(maxsize=256)
def study_of(stored: bytes) -> Study:
    """The study of these canonical bytes."""
    return Study.from_bytes(stored)
