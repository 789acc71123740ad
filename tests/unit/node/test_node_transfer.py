"""Large files on a bad line: what came through stays, what is spoilt is sent again, and nothing is believed."""

import itertools
from contextlib import contextmanager

import pytest

from rapha.canonical import digest
from rapha.errors import Conflict, Unproven, Unreachable
from rapha.hub.blobs import BlobFolder, put, read
from rapha.hub.chunked import Chunked
from rapha.hub.uploads import Uploads
from rapha.node import transfer
from rapha.node.runs import sent_along
from rapha.node.transfer import CutShort, Pace, Uploading, download, lay
from rapha.records import chunks as pieces
from rapha.records.chunks import Chunks, Upload, chunk_digest, number_of_chunks
from rapha.records.record import DispatchId, SiteId, StudyId, TaskId
from rapha.records.task import Task
from rapha.records.wire import Work

SIZE, LIMIT = 1000, 1 << 20
CONTENT = bytes(number * 7 % 251 for number in range(10 * SIZE + 17))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    for module in (
        pieces,
        transfer,
        __import__("rapha.hub.uploads", fromlist=["x"]),
        __import__("rapha.hub.chunked", fromlist=["x"]),
    ):
        monkeypatch.setattr(module, "CHUNK_BYTES", SIZE)


class Blocks:
    """A source that gives no more at a time than came at a time."""

    def __init__(self, blocks):
        self.blocks, self.rest = blocks, b""

    def readinto(self, buffer):
        self.rest = self.rest or next(self.blocks, b"")
        taken = self.rest[: len(buffer)]
        buffer[: len(taken)], self.rest = taken, self.rest[len(taken) :]
        return len(taken)


class BadLine:
    """A hub's rooms behind a line that can be cut after so many bytes, or spoil a piece."""

    def __init__(self, home):
        self.blobs, self.home = BlobFolder(home / "blobs"), home
        self.uploads = None
        self.restart()
        self.cuts, self.spoil, self.carried, self.requests = [], set(), 0, 0

    def restart(self):
        if self.uploads:
            self.uploads.close()
        self.uploads, self.chunked = Uploads(self.home / "uploads"), Chunked(self.blobs)

    def beginning(self, blob):
        data = read(self.blobs, blob)
        return b"".join(self._carried(data[:SIZE])), len(data)

    def chunks_of(self, blob):
        return self.chunked.chunks_of(blob)

    @contextmanager
    def fetch(self, blob, begin, end):
        yield Blocks(self._carried(read(self.blobs, blob)[begin:end]))

    def begin_upload(self, chunks):
        return Upload(next_chunk=self.uploads.begin("north", chunks, 1 << 20))

    def send_chunks(self, blob, number, blocks, size_bytes):
        self.requests += 1
        receiving = self.uploads.receive("north", blob, number)
        data = b"".join(bytes(block) for block in blocks)
        assert len(data) == size_bytes
        for block in self._carried(data):
            receiving.write(block)
        at = receiving.ended()
        if not self.uploads.is_whole("north", blob):
            return Upload(next_chunk=at)
        try:
            with self.blobs.settled(self.uploads.finished("north", blob), blob) as draft:
                draft.keep()
        finally:
            self.uploads.forget("north", blob)
        return Upload(next_chunk=at, complete=True)

    def send_whole(self, blob, data):
        put(self.blobs, b"".join(self._carried(data)))

    def _carried(self, data):
        for block in itertools.batched(data, 300) if hasattr(itertools, "batched") else _blocks(data):
            if self.cuts and self.carried >= self.cuts[0]:
                self.cuts.pop(0)
                raise Unreachable("cut")
            self.carried += len(block)
            if self.carried in self.spoil:
                self.spoil.discard(self.carried)
                block = [block[0] ^ 1, *block[1:]]
            yield bytes(block)


def _blocks(data):
    return (data[at : at + 300] for at in range(0, len(data), 300))


@pytest.fixture
def line(tmp_path):
    bad = BadLine(tmp_path / "hub")
    yield bad
    bad.uploads.close()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "update.safetensors"
    path.write_bytes(CONTENT)
    return path


def upload(line, blob, file):
    Uploading(line, blob, file, lambda: None)()


def take(uploads, site, blob, number, data):
    receiving = uploads.receive(site, blob, number)
    receiving.write(data)
    return receiving.ended()


def persistently(action, line, restart=False):
    while True:
        try:
            return action()
        except Unreachable:
            if restart:
                line.restart()


@pytest.mark.parametrize("restart", [False, True])
def test_an_upload_goes_on_where_the_line_was_cut_also_on_a_hub_that_was_killed(line, file, restart):
    line.cuts = [2500, 2600, 7000]
    persistently(Uploading(line, digest(CONTENT), file, lambda: None), line, restart)
    assert read(line.blobs, digest(CONTENT)) == CONTENT
    assert line.carried < len(CONTENT) + 3 * SIZE


def test_a_chunk_spoilt_on_its_way_up_is_sent_again_and_not_what_came_before_it(line, file):
    line.spoil = {4500}
    upload(line, digest(CONTENT), file)
    assert read(line.blobs, digest(CONTENT)) == CONTENT
    # the request ends with the spoilt chunk; the next one begins there
    assert len(CONTENT) < line.carried < len(CONTENT) + 2 * SIZE and not line.spoil
    assert line.requests == 2


def test_chunks_go_up_side_by_side_in_few_requests(line, file):
    upload(line, digest(CONTENT), file)
    assert (line.requests, line.carried) == (2, len(CONTENT))


@pytest.mark.parametrize(("size", "times"), [(SIZE - 1, 1), (len(CONTENT), 1), (len(CONTENT), 6)])
def test_nothing_more_goes_up_once_nothing_may_leave(line, tmp_path, monkeypatch, size, times):
    """Also in the middle of a request: `times` it is asked, the last time it says no."""
    monkeypatch.setattr(transfer, "BLOCK_BYTES", SIZE)
    file, asked, carried = tmp_path / "update.safetensors", [], []
    file.write_bytes(CONTENT[:size])

    def check():
        asked.append(None)
        if len(asked) >= times:
            raise Unproven("nothing more leaves")

    def send_chunks(_blob, _number, blocks, _size_bytes):
        carried.extend(bytes(block) for block in blocks)

    line.send_chunks = send_chunks
    with pytest.raises(Unproven):
        Uploading(line, digest(CONTENT[:size]), file, check)()
    assert b"".join(carried) == CONTENT[: max(0, times - 2) * SIZE] and not line.carried and len(asked) == times


def test_an_upload_that_is_cut_within_a_request_says_later_that_it_came_further(line, file):
    """The hub has the chunks of a request that was never answered: only the next try learns of them."""
    line.cuts = [3500, 3500, 6200]
    send = Uploading(line, digest(CONTENT), file, lambda: None)
    cuts = []
    for _ in range(3):
        with pytest.raises(Unreachable) as caught:
            send()
        cuts.append(isinstance(caught.value, CutShort))
    assert cuts == [False, True, False]


def test_an_upload_that_is_always_spoilt_ends(line, file, monkeypatch):
    def always_spoilt(blob, number, blocks, size_bytes):
        return take(line.uploads, "north", blob, number, b"?")

    monkeypatch.setattr(line, "send_chunks", always_spoilt)
    with pytest.raises(Conflict, match="not what was announced"):
        upload(line, digest(CONTENT), file)
    assert line.blobs.digests() == []


def test_an_upload_that_is_another_blob_than_it_said_is_never_kept(line, file):
    with pytest.raises(Conflict, match="not what it was announced to be"):
        upload(line, digest(b"something else"), file)
    assert line.blobs.digests() == []


@pytest.mark.parametrize("restart", [False, True])
def test_a_download_goes_on_where_it_was_cut_also_in_another_life(line, tmp_path, restart):
    put(line.blobs, CONTENT)
    line.cuts, target = [4000, 4100, 8000], tmp_path / "w.safetensors"
    persistently(lambda: download(line, digest(CONTENT), target, LIMIT), line, restart)
    assert target.read_bytes() == CONTENT and not target.with_suffix(".part").exists()
    assert line.carried < len(CONTENT) + 8 * SIZE


def test_a_cut_after_progress_says_so_and_one_without_does_not(line, tmp_path):
    put(line.blobs, CONTENT)
    line.cuts = [5000, 5000]
    with pytest.raises(CutShort):
        download(line, digest(CONTENT), tmp_path / "w.safetensors", LIMIT)
    with pytest.raises(Unreachable) as caught:
        download(line, digest(CONTENT), tmp_path / "w.safetensors", LIMIT)
    assert not isinstance(caught.value, CutShort)


def test_a_chunk_spoilt_on_its_way_down_is_fetched_again(line, tmp_path):
    put(line.blobs, CONTENT)
    line.spoil = {3400}
    download(line, digest(CONTENT), tmp_path / "w.safetensors", LIMIT)
    assert (tmp_path / "w.safetensors").read_bytes() == CONTENT and not line.spoil


def test_what_lies_spoilt_on_the_disk_is_not_gone_on_with(line, tmp_path):
    put(line.blobs, CONTENT)
    (tmp_path / "w.part").write_bytes(CONTENT[:1500] + b"?" + CONTENT[1501:4000] + b"beyond" * SIZE)
    download(line, digest(CONTENT), tmp_path / "w.safetensors", LIMIT)
    assert (tmp_path / "w.safetensors").read_bytes() == CONTENT


def test_layers_that_did_not_change_are_not_fetched_again(line, tmp_path):
    download(line, put(line.blobs, CONTENT), tmp_path / "old.safetensors", LIMIT)
    changed = CONTENT[: 5 * SIZE] + bytes(SIZE) + CONTENT[6 * SIZE :]
    put(line.blobs, changed)
    line.carried = 0
    download(line, digest(changed), tmp_path / "new.safetensors", LIMIT)
    assert (tmp_path / "new.safetensors").read_bytes() == changed
    assert line.carried == 2 * SIZE  # the beginning, and what changed


def test_chunks_that_do_not_make_the_blob_are_not_believed(line, tmp_path, monkeypatch):
    other = put(line.blobs, CONTENT[::-1])
    monkeypatch.setattr(line, "chunks_of", lambda blob: line.chunked.chunks_of(other).model_copy(update={"blob": blob}))
    monkeypatch.setattr(line, "beginning", lambda blob: (CONTENT[:SIZE], len(CONTENT)))
    with pytest.raises(Unreachable, match="other bytes"):
        line.fetch = lambda blob, begin, end: BadLine.fetch(line, other, begin, end)
        download(line, digest(CONTENT), tmp_path / "w.safetensors", LIMIT)
    assert not (tmp_path / "w.safetensors").exists() and not (tmp_path / "w.part").exists()


def test_a_small_blob_comes_and_goes_in_one_piece(line, tmp_path):
    small = tmp_path / "small"
    small.write_bytes(b"figures")
    upload(line, digest(b"figures"), small)
    download(line, digest(b"figures"), tmp_path / "back.safetensors", LIMIT)
    assert (tmp_path / "back.safetensors").read_bytes() == b"figures"
    assert line.carried == 2 * len(b"figures") and not list((line.home / "uploads").iterdir())


def test_a_chunk_out_of_turn_or_a_wrong_plan_is_refused(line):
    whole = Chunks(blob=digest(CONTENT), size_bytes=len(CONTENT), digests=("0" * 64,) * number_of_chunks(len(CONTENT)))
    with pytest.raises(Conflict, match="upload it first"):
        line.uploads.receive("north", whole.blob, 0)
    assert line.uploads.begin("north", whole, 1 << 20) == 0
    with pytest.raises(Conflict, match="out of turn"):
        line.uploads.receive("north", whole.blob, 3)
    with pytest.raises(Conflict, match="at most 10 bytes"):
        line.uploads.begin("north", whole, 10)
    with pytest.raises(Conflict, match="another number of chunks"):
        line.uploads.begin("north", whole.model_copy(update={"digests": ("0" * 64,)}), 1 << 20)


def test_an_upload_begun_anew_is_no_more_written_to_by_who_holds_the_earlier(line):
    """Two that write into one file could leave other bytes in it than either counted."""
    plan = Chunks(
        blob=digest(CONTENT), size_bytes=2 * SIZE, digests=(chunk_digest(CONTENT[:SIZE]), chunk_digest(bytes(SIZE)))
    )
    line.uploads.begin("north", plan, 1 << 20)
    earlier = line.uploads.receive("north", plan.blob, 0)
    anew = plan.model_copy(update={"digests": (chunk_digest(bytes(SIZE)),) * 2})
    line.uploads.begin("north", anew, 1 << 20)
    take(line.uploads, "north", plan.blob, 0, bytes(SIZE))
    with pytest.raises(Conflict, match="begun anew"):
        earlier.write(CONTENT[:SIZE])
    (file,) = (line.home / "uploads").iterdir()
    assert file.read_bytes() == bytes(SIZE)


def test_of_two_requests_for_one_upload_the_later_one_counts_and_the_earlier_writes_nothing_more(line):
    plan = Chunks(
        blob=digest(CONTENT), size_bytes=2 * SIZE, digests=(chunk_digest(CONTENT[:SIZE]), chunk_digest(bytes(SIZE)))
    )
    line.uploads.begin("north", plan, 1 << 20)
    earlier = line.uploads.receive("north", plan.blob, 0)
    earlier.write(CONTENT[:400])
    later = line.uploads.receive("north", plan.blob, 0)
    later.write(CONTENT[:SIZE])
    with pytest.raises(Conflict, match="begun anew"):
        earlier.write(b"?" * 600)
    later.write(bytes(SIZE))
    assert later.ended() == 2
    (file,) = (line.home / "uploads").iterdir()
    assert file.read_bytes() == CONTENT[:SIZE] + bytes(SIZE)


def test_chunks_that_are_here_already_are_passed_over(line):
    plan = Chunks(
        blob=digest(CONTENT), size_bytes=2 * SIZE, digests=(chunk_digest(CONTENT[:SIZE]), chunk_digest(bytes(SIZE)))
    )
    line.uploads.begin("north", plan, 1 << 20)
    assert take(line.uploads, "north", plan.blob, 0, CONTENT[:SIZE]) == 1
    assert take(line.uploads, "north", plan.blob, 0, b"?" * SIZE + bytes(SIZE)) == 2
    (file,) = (line.home / "uploads").iterdir()
    assert file.read_bytes() == CONTENT[:SIZE] + bytes(SIZE)


def test_one_site_does_not_go_on_with_the_upload_of_another(line):
    plan = Chunks(blob=digest(CONTENT), size_bytes=SIZE, digests=(chunk_digest(CONTENT[:SIZE]),))
    line.uploads.begin("north", plan, 1 << 20)
    with pytest.raises(Conflict, match="upload it first"):
        line.uploads.receive("south", plan.blob, 0)


def test_the_pace_is_kept_over_all_transfers_together():
    clock = [0.0]
    pace = Pace(1000.0, lambda: clock[0], lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    for _ in range(5):
        pace.take(500)
    assert clock[0] == pytest.approx(2.0)
    free = Pace(None, lambda: 0.0, lambda seconds: pytest.fail("it waited"))
    free.take(1 << 40)


def test_bytes_that_came_along_are_laid_down_only_where_they_are_the_blob(tmp_path):
    target = tmp_path / "weights.safetensors"
    assert not lay(digest(b"weights"), b"others", target)
    assert list(tmp_path.iterdir()) == []
    assert lay(digest(b"weights"), b"weights", target)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(target.name, b"weights")]


def test_what_came_along_and_is_no_base64_is_as_if_nothing_came():
    task = Task(
        id=TaskId("t-1"), study_id=StudyId("s-1"), study_digest=digest(b"study"), dispatch=DispatchId("d-1"),
        site=SiteId("north"), round=1, do="train", weights=digest(b"weights"),
    )  # fmt: skip
    sent = {
        text: sent_along(Work(task=task, weights=text))
        for text in (None, "d2VpZ2h0cw==", "d2VpZ2h0cw=", "d2VpZ2h0cx==")
    }
    assert list(sent.values()) == [b"", b"weights", b"", b""]
