"""The program that a Ray job is, on the machine that Ray chose: it gives another program three pipes whose other ends are the agent's.

Usage: `python -m rapha.node.sandbox.ray_there FOLDER PROGRAM...`. In this order:

1. without the key in the job's folder it ends: the job was taken out of the queue
2. it listens, says where in the folder, and takes the one connection that shows the key's certificate, within two minutes
3. only then the program is started, with an empty environment, and bytes are carried
4. when the program ends, Ray stops the job, or 15 seconds after its input ended, the connection was lost or 4 MiB were left unread, everything that descends from it is killed and waited for
5. only then it says in the folder that it has ended, and tells the exit code
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from rapha.node.sandbox.ray_line import (
    ERRORS,
    EXIT,
    INPUT,
    MAX_FRAME_BYTES,
    OUTPUT,
    JobFolder,
    frame,
    notice_a_lost_end,
    one_certificate,
    read_frame,
)

CONNECTS_SECONDS, GREETS_SECONDS, HEARS_SECONDS = 120.0, 10.0, 15.0
MOST_UNREAD_BYTES = 4 * 1024 * 1024
NOT_STARTED = 71
PR_SET_CHILD_SUBREAPER = 36
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def main(arguments: list[str]) -> int:
    """The exit code of the program; 71 where none was started."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0) != 0:
        return NOT_STARTED
    folder = JobFolder(Path(arguments[0]))
    try:
        return asyncio.run(_serve(folder, arguments[1:]))
    except (OSError, TimeoutError, asyncio.CancelledError):
        return NOT_STARTED
    finally:
        end_descendants()
        folder.say("ended")


async def _serve(folder: JobFolder, program: list[str]) -> int:
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    reader, writer = await _connection(folder)
    try:
        code = await _attended(program, reader, writer)
        end_descendants()
        folder.say("ended")
        writer.write(frame(EXIT, bytes([code & 0xFF])))
        with contextlib.suppress(OSError):
            await writer.drain()
        return code & 0xFF
    finally:
        end_descendants()  # also where this is stopped
        writer.close()


async def _connection(folder: JobFolder) -> Ends:
    """The first that shows the certificate; nobody is listened to after it. Who does not is sent away, and is no reason to end."""
    came: asyncio.Future[Ends] = asyncio.get_running_loop().create_future()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if came.done():
            writer.close()
        else:
            came.set_result((reader, writer))

    context = one_certificate(folder.key, listens=True)
    server = await asyncio.start_server(take, "0.0.0.0", 0, ssl=context, ssl_handshake_timeout=GREETS_SECONDS)  # noqa: S104
    try:
        folder.say(str(server.sockets[0].getsockname()[1]))
        reader, writer = await asyncio.wait_for(came, CONNECTS_SECONDS)
    finally:
        server.close()
    notice_a_lost_end(writer)
    return reader, writer


async def _attended(program: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """Run it until it ends; a while longer at most when its input has ended, the other end is gone, or it left too much unread.

    A pipe, and no socket, is its input: the launcher looks for the hang-up of one."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(program, stdin=pipe, stdout=pipe, stderr=pipe, env={}, bufsize=0, start_new_session=True)
    lock = asyncio.Lock()
    carried = [
        asyncio.create_task(_carry(stream, kind, writer, lock))
        for stream, kind in ((process.stdout, OUTPUT), (process.stderr, ERRORS))
        if stream
    ]
    loop = asyncio.get_running_loop()
    given, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, process.stdin)
    fed, ended = asyncio.create_task(_feed(reader, given)), asyncio.create_task(_ended(process.pid))
    await asyncio.wait({fed, ended}, return_when=asyncio.FIRST_COMPLETED)
    last = (
        HEARS_SECONDS if fed.done() else None
    )  # the launcher hears that its input has ended, and waits for the last process
    fed.cancel()
    given.close()  # when what is still unread is written, or nobody reads
    await asyncio.wait({ended}, timeout=last)
    if not ended.done():
        _kill_group(process.pid)
    await ended
    code = process.wait()
    end_descendants()  # before the rest of what they wrote is read: who lives may hold the pipe
    await asyncio.wait(carried, timeout=last)
    return code


async def _ended(process: int) -> None:
    """Return when it has ended, whoever still holds its pipes, and leave its exit code to be asked for."""
    loop, ended, descriptor = asyncio.get_running_loop(), asyncio.Event(), os.pidfd_open(process)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _feed(reader: asyncio.StreamReader, given: asyncio.WriteTransport) -> None:
    """Return when the input has ended, the other end is gone, or the program left too much unread. It never waits for the program to read: so the end of the
    connection is always seen."""
    with contextlib.suppress(EOFError, OSError):
        while given.get_write_buffer_size() <= MOST_UNREAD_BYTES:
            kind, content = await read_frame(reader)
            if kind != INPUT or not content:
                return
            if not given.is_closing():
                given.write(content)


async def _carry(pipe: IO[bytes], kind: int, writer: asyncio.StreamWriter, lock: asyncio.Lock) -> None:
    """To its end, also where nobody is there to take it: a program whose output stands still would not hear of its end."""
    stream, taken = asyncio.StreamReader(), True
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    while block := await stream.read(MAX_FRAME_BYTES):
        try:
            async with lock:
                if taken:
                    writer.write(frame(kind, block))
                    await writer.drain()
        except OSError:
            taken = False


def end_descendants() -> None:
    """Kill and wait for whatever descends from this process: orphans become its children, as it asked the kernel to have it."""
    while True:
        for child in _children():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                after_name = (place / "stat").read_text().rpartition(")")[2].split()
                if int(after_name[1]) == os.getpid():
                    found.append(int(place.name))
    return found


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
