"""Weights over a line of 5 Mbit/s that loses 2 % of its packets and goes out on the way, while the hub is killed and started again:
they arrive, and what had come before is not sent again."""

from pathlib import Path

import pytest
from long_carry import there_and_back
from long_link import why_not

from rapha.records.chunks import CHUNK_BYTES

pytestmark = pytest.mark.slow
MEGABYTES = 16
"""Three quarters of it, sent again, are more than the test lets pass as headers and chunks."""


def test_weights_cross_a_long_link_with_an_outage_chunk_by_chunk(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    size_bytes, header_share = MEGABYTES * 1_000_000, 1.06
    for way in there_and_back(tmp_path, MEGABYTES, outage_seconds=5):
        assert way.lost_packets > 0
        again_bytes = (
            2.2 * CHUNK_BYTES
        )  # the chunk that was cut; and a download asks for the first one each time it begins
        assert size_bytes < way.link_bytes < size_bytes * header_share + again_bytes
