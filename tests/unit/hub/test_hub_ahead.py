"""What is written in a thread of its own is what was given, in its order; and what goes wrong there is said."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rapha.errors import DiskFull
from rapha.hub.aggregation import Part, federated_average
from rapha.hub.ahead import BLOCKS_AHEAD, SMALL_BYTES, Ahead, ahead
from rapha.hub.blobs import BlobFolder, BlobMemory, read
from rapha.hub.tensors import write_header
from rapha.records.tensors import TensorSpec

LARGE = [bytes([number]) * SMALL_BYTES for number in range(3 * BLOCKS_AHEAD)]


class Watched:
    """A draft that waits before its first large block until it is let go on, and fails once: the disk has room again afterwards."""

    def __init__(self, go_on=None, fails_at=None):
        self.written, self._go_on, self._fails_at = [], go_on, fails_at

    def write(self, block):
        if self._go_on and len(block) >= SMALL_BYTES:
            assert self._go_on.wait(20)
        if self._fails_at == len(self.written):
            self._fails_at = None
            raise DiskFull("no space left")
        self.written.append(bytes(block))


def test_blocks_of_every_size_come_in_the_order_in_which_they_were_given():
    go_on = threading.Event()
    draft = Watched(go_on)
    given = [b"head", *LARGE[:2], b"between", *LARGE[2:BLOCKS_AHEAD], b"tail"]
    with ahead(draft) as writer:
        for block in given[: BLOCKS_AHEAD - 1]:
            writer.write(block)
        assert draft.written == [b"head"]
        go_on.set()
        for block in given[BLOCKS_AHEAD - 1 :]:
            writer.write(block)
        writer.finish()
    assert draft.written == given


def test_no_more_than_a_few_blocks_wait():
    go_on, given = threading.Event(), []
    with ahead(Watched(go_on)) as writer:

        def give():
            for block in LARGE:
                writer.write(block)
                given.append(block)

        giving = threading.Thread(target=give)
        giving.start()
        giving.join(0.3)
        assert len(given) <= BLOCKS_AHEAD
        go_on.set()
        giving.join()
    assert given == LARGE


@pytest.mark.parametrize("fails_at", [0, 5, len(LARGE) - 1])
def test_a_full_disk_is_said_by_the_end_and_nothing_is_written_behind_it(fails_at):
    draft = Watched(fails_at=fails_at)
    with pytest.raises(DiskFull), ahead(draft) as writer:
        for block in LARGE:
            writer.write(block)
        writer.finish()
    assert draft.written == LARGE[:fails_at]


@pytest.mark.parametrize("fails_at", [0, 5])
def test_what_waits_when_the_disk_is_full_is_not_written(fails_at):
    draft, thread = Watched(fails_at=fails_at), ThreadPoolExecutor(1)
    writer = Ahead(draft, thread)
    for block in LARGE[:BLOCKS_AHEAD]:
        writer.write(block)
    thread.shutdown()
    assert draft.written == LARGE[:fails_at]
    with pytest.raises(DiskFull):
        writer.finish()


@pytest.mark.parametrize("first", [b"small", LARGE[0]])
def test_who_goes_on_after_a_full_disk_is_told_again_and_again(first):
    draft = Watched(fails_at=0)
    with ahead(draft) as writer:
        with pytest.raises(DiskFull):
            writer.write(first)
            writer.finish()
        with pytest.raises(DiskFull):
            writer.write(b"small too")
        with pytest.raises(DiskFull):
            writer.finish()
    assert draft.written == []


def test_the_average_of_large_updates_is_the_same_in_a_folder_and_in_memory(tmp_path):
    declared = {"w": TensorSpec(shape=(300, 1000), dtype="F32"), "bias": TensorSpec(shape=(7,), dtype="F32")}
    made = []
    for blobs in (BlobFolder(tmp_path), BlobMemory()):
        parts, chance = [], np.random.default_rng(7)
        for rows, site in enumerate("abc", start=3):
            with blobs.draft() as draft:
                write_header(draft, declared)
                for name in ("bias", "w"):
                    draft.write(chance.standard_normal(declared[name].shape, dtype=np.float32).tobytes())
                parts.append(Part(site, draft.settle(), rows))
                draft.keep()
        made.append(federated_average(blobs, parts, declared))
        assert "sha256:" + hashlib.sha256(read(blobs, made[-1])).hexdigest() == made[-1]
    assert made[0] == made[1]
