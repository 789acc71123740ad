"""The line between the two ends of a sandbox in a job of Ray's: who is let in, and that the program there ends when the agent is gone."""

import asyncio
import contextlib
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from patience import until

from rapha.node.sandbox.ray_line import (
    EXIT,
    INPUT,
    MAX_FRAME_BYTES,
    JobFolder,
    frame,
    one_certificate,
    read_frame,
)
from rapha.node.sandbox.ray_there import HEARS_SECONDS, end_descendants

NAME = "rapha-0123456789ab-0123456789abcdef"


THERE = "import sys; from rapha.node.sandbox import ray_there as there; there.HEARS_SECONDS = {}; sys.exit(there.main(sys.argv[1:]))"


def there(folder: JobFolder, *program: str, hears: float = HEARS_SECONDS) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-s", "-P", "-c", THERE.format(hears), str(folder.place), *program]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_job_that_was_taken_out_of_the_queue_does_nothing_when_its_turn_comes(tmp_path: Path) -> None:
    folder = JobFolder.of(tmp_path / "jobs", NAME)
    folder.make()
    folder.withdraw()
    with there(folder, "/bin/touch", str(tmp_path / "done")) as process:
        assert process.wait(60) == 71
    assert not (tmp_path / "done").exists()
    folder.clear()
    with there(folder, "/bin/touch", str(tmp_path / "done")) as process:
        assert process.wait(60) == 71
    assert not (tmp_path / "done").exists() and not folder.place.exists()


async def exchanged(port: int, context: ssl.SSLContext | None) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        return await asyncio.wait_for(read_frame(reader), 30)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def test_who_does_not_show_the_jobs_own_certificate_is_sent_away_and_the_job_waits_on(tmp_path: Path) -> None:
    folder, other = (JobFolder.of(tmp_path / "jobs", name) for name in (NAME, "other"))
    folder.make()
    other.make()
    with there(folder, "/bin/sh", "-c", "exit 7") as process:
        try:
            until(lambda: folder.heard() != [], seconds=60)
            port = int(folder.heard()[0])
            nobody = ssl.create_default_context()
            nobody.check_hostname, nobody.verify_mode = False, ssl.CERT_NONE
            believing = one_certificate(other.key, listens=False)
            believing.verify_mode = ssl.CERT_NONE
            for context in (None, nobody, believing, one_certificate(other.key, listens=False)):
                with pytest.raises((OSError, EOFError, TimeoutError)):
                    asyncio.run(exchanged(port, context))
            assert process.poll() is None and folder.heard() == [str(port)]
            assert asyncio.run(exchanged(port, one_certificate(folder.key, listens=False))) == (EXIT, b"\7")
            assert process.wait(60) == 7
        finally:
            process.kill()
    assert folder.heard()[1:2] == ["ended"]


WAITS = "import time; print('here', flush=True); time.sleep(600)"
FLOODS = "import os\nwhile True: os.write(1, bytes(65536))"
IN_ANOTHER_SESSION = (
    "import subprocess, time; subprocess.Popen(['setsid', 'sleep', '600']); print('here', flush=True); time.sleep(600)"
)


@pytest.mark.parametrize("lost", [True, False], ids=["connection reset", "end of input"])
@pytest.mark.parametrize(
    ("code", "told"),
    [(WAITS, 1), (WAITS, 300_000), (FLOODS, 0), (IN_ANOTHER_SESSION, 0)],
    ids=["reads nothing", "reads nothing of much", "floods", "leaves another"],
)
def test_a_program_ends_with_the_agent_whatever_it_does_with_its_pipes(
    tmp_path: Path, code: str, told: int, *, lost: bool
) -> None:
    folder = JobFolder.of(tmp_path / "jobs", NAME)
    folder.make()

    async def talk() -> None:
        context = one_certificate(folder.key, listens=False)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(folder.heard()[0]), ssl=context)
        await asyncio.wait_for(read_frame(reader), 30)
        for part in range(0, told, MAX_FRAME_BYTES):
            writer.write(frame(INPUT, bytes(min(MAX_FRAME_BYTES, told - part))))
        if not lost:
            writer.write(frame(INPUT, b""))
            with contextlib.suppress(EOFError, OSError):  # nobody writes to us once it has ended
                while (await asyncio.wait_for(read_frame(reader), 30))[0] != EXIT:
                    pass
        writer.transport.abort()

    with there(folder, sys.executable, "-I", "-c", code, hears=0.5) as process:
        try:
            until(lambda: folder.heard() != [], seconds=60)
            asyncio.run(talk())
            process.wait(20)
        finally:
            process.terminate()
    assert folder.heard()[1:2] == ["ended"]


def test_a_program_that_leaves_too_much_unread_is_ended(tmp_path: Path) -> None:
    folder = JobFolder.of(tmp_path / "jobs", NAME)
    folder.make()

    async def talk() -> None:
        context = one_certificate(folder.key, listens=False)
        _, writer = await asyncio.open_connection("127.0.0.1", int(folder.heard()[0]), ssl=context)
        with contextlib.suppress(OSError):
            while True:
                writer.write(frame(INPUT, bytes(MAX_FRAME_BYTES)))
                await asyncio.wait_for(writer.drain(), 30)

    with there(folder, sys.executable, "-I", "-c", WAITS, hears=0.5) as process:
        try:
            until(lambda: folder.heard() != [], seconds=60)
            asyncio.run(talk())
            process.wait(20)
        finally:
            process.terminate()
    assert folder.heard()[1:2] == ["ended"]


def test_a_frame_that_is_none_ends_the_line() -> None:
    async def read(content: bytes) -> tuple[int, bytes]:
        reader = asyncio.StreamReader()
        reader.feed_data(content)
        reader.feed_eof()
        return await read_frame(reader)

    assert asyncio.run(read(frame(1, b"x" * MAX_FRAME_BYTES))) == (1, b"x" * MAX_FRAME_BYTES)
    for wrong in (frame(4, b""), frame(1, b"x" * (MAX_FRAME_BYTES + 1)), frame(1, b"abc")[:-1], b"", b"\1\0"):
        with pytest.raises(EOFError):
            asyncio.run(read(wrong))


ORPHANS = """
import os, subprocess, sys
from rapha.node.sandbox import ray_there
ray_there.ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
subprocess.run(["/bin/sh", "-c", "setsid sleep 600 & setsid sh -c 'sleep 600 & sleep 600' & exit 0"])
ray_there.end_descendants()
print(ray_there._children())
"""


def test_whatever_descends_from_a_job_is_ended_in_what_session_ever() -> None:
    said = subprocess.run([sys.executable, "-c", ORPHANS], capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout == "[]\n"
    assert callable(end_descendants)


def test_nothing_of_rays_is_imported_and_nothing_is_unpickled() -> None:
    code = "import sys, rapha.node.sandbox.ray, rapha.node.sandbox.ray_there; print({'ray', 'cloudpickle'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
    import rapha.node.sandbox as room

    for file in Path(room.__path__[0]).glob("ray*.py"):
        assert "import pickle" not in file.read_text() and "loads(" not in file.read_text()
