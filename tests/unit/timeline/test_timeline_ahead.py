"""Reading ahead changes neither what comes, nor its order, nor what is raised; and it stops when nobody asks."""

import threading

import pytest

from rapha.timeline.ahead import ahead


def test_the_same_items_in_their_order():
    assert list(ahead(iter(range(100)))) == list(range(100))


def test_what_is_raised_comes_in_its_place():
    def items():
        yield 1
        raise ValueError("broken")

    read = ahead(items())
    assert next(read) == 1
    with pytest.raises(ValueError, match="broken"):
        next(read)


def test_it_draws_only_a_little_ahead_and_ends_with_the_one_who_reads():
    drawn = []

    def items():
        for number in range(1000):
            drawn.append(number)
            yield number

    before = threading.active_count()
    read = ahead(items(), most=2)
    assert next(read) == 0
    read.close()
    assert len(drawn) <= 5
    assert threading.active_count() == before
