"""Sorted lines as streams: each line once, in a stream of its kind, and a statement for each kind where they lie sorted."""

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapha.errors import SourceError
from rapha.sources.fhir import sorting, streams
from rapha.sources.fhir.streams import Streams

KINDS = ("Condition", "Encounter", "Observation")


def table(number: int, rows: int = 1) -> pa.Table:
    lines = [{"file": 0, "line": number, "text": "{}" * 10, "address": None}] * rows
    return pa.Table.from_pylist(lines, sorting.LINES)


def drawn(streams_: Streams) -> list[tuple[str, list[int]]]:
    return [(kind, [line for batch in stream for line in batch["line"].to_pylist()]) for kind, stream in streams_]


@given(kinds=st.lists(st.sampled_from(KINDS), max_size=30), most=st.integers(1, 400), vain=st.integers(1, 400))
def test_every_line_is_in_one_stream_of_its_kind_once(kinds, most, vain):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(streams, "MOST_WAITING", most)
        patched.setattr(streams, "MOST_IN_VAIN", vain)
        found = drawn(Streams(iter([(kind, table(number)) for number, kind in enumerate(kinds)])))
    assert Counter((kind, line) for kind, lines in found for line in lines) == Counter(
        (kind, number) for number, kind in enumerate(kinds)
    )
    for kind in KINDS:  # those of one kind in the order in which they lie
        lines = [line for of, lines in found for line in lines if of == kind]
        assert lines == sorted(lines)


def test_a_mixed_export_takes_one_stream_for_each_kind():
    found = drawn(Streams(iter([(KINDS[number % 3], table(number)) for number in range(30)])))
    assert sorted(kind for kind, _ in found) == sorted(KINDS)


def test_no_more_than_what_may_wait_is_drawn(monkeypatch):
    """A stream of which nothing more comes ends; the rest of the export is not held in memory for its sake."""
    asked: list[int] = []

    def tables() -> Iterator[tuple[str, pa.Table]]:
        for number in range(100):
            asked.append(number)
            yield "Condition" if number == 0 else "Encounter", table(number, rows=10)

    size = table(0, rows=10).nbytes
    monkeypatch.setattr(streams, "MOST_IN_VAIN", 5 * size)
    all_streams = iter(Streams(tables()))
    kind, first = next(all_streams)
    assert (kind, first.read_all().num_rows) == ("Condition", 10)
    assert len(asked) <= 7


def test_what_reading_raises_is_raised_and_not_taken_for_the_end():
    def tables() -> Iterator[tuple[str, pa.Table]]:
        yield "Condition", table(0)
        raise SourceError("a.ndjson cannot be read: damaged, or cut short")

    with pytest.raises(SourceError, match="cut short"):
        drawn(Streams(tables()))


@given(lengths=st.lists(st.integers(0, 50), min_size=1, max_size=30), most=st.integers(1, 60))
def test_a_batch_holds_so_many_bytes_of_text_and_one_line_more(lengths, most):
    texts = ["x" * length for length in lengths]
    lines = [{"file": 0, "line": at, "text": text, "address": None} for at, text in enumerate(texts)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(streams, "BATCH_BYTES", most)
        _, stream = next(iter(Streams(iter([("Condition", pa.Table.from_pylist(lines, sorting.LINES))]))))
        batches = [batch["text"].to_pylist() for batch in stream]
    assert [text for batch in batches for text in batch] == texts
    assert all(sum(map(len, batch[1:])) <= most for batch in batches)
