"""What the launcher on another machine says of its walls, and that nothing inside keeps it from seeing the agent's end."""

import subprocess
import sys
from pathlib import Path

import pytest

from rapha.node.sandbox.launch import layers_of
from rapha.node.sandbox.port import RunFolder, Walls


class GivesAll:
    """Stands in for a backend on a machine whose user was handed a control group."""

    name, isolated = "made-up", True
    layers = ("namespaces", "control group", "seccomp")

    def check(self) -> None: ...

    def give_up(self, run: Path) -> None: ...

    def start(self, *given: object, **named: object) -> None: ...

    def entrance(self, run: RunFolder) -> tuple[list[str], dict[str, str]]:
        return [], {}


def test_a_control_group_that_the_launcher_does_not_make_is_not_promised() -> None:
    walls: Walls = GivesAll()  # type: ignore[assignment]
    assert layers_of(walls) == ("namespaces", "seccomp")


ATTENDS = "import sys; from rapha.node.sandbox.launch import _attend; sys.exit(_attend([sys.executable, '-I', '-c', *sys.argv[1:]], {}))"
WRITES_TO_ITSELF = """
import contextlib, os, time
own = os.open("/proc/self/fd/0", os.O_WRONLY | os.O_NONBLOCK)
with contextlib.suppress(BlockingIOError):
    while FILLS:
        os.write(own, bytes(4096))
print("held", flush=True)
time.sleep(600)
"""


def attended(code: str) -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", ATTENDS, code], stdin=pipe, stdout=pipe, start_new_session=True)


@pytest.mark.parametrize("fills", ["False", "True"], ids=["holds its own input", "and fills it"])
@pytest.mark.parametrize("told", [b"", b"a command", bytes(512 * 1024)], ids=["nothing", "a command", "much"])
def test_a_sandbox_ends_with_its_agent_whatever_it_does_with_its_input(fills: str, told: bytes) -> None:
    with attended(WRITES_TO_ITSELF.replace("FILLS", fills)) as process:
        try:
            assert process.stdout and process.stdin and process.stdout.readline() == b"held\n"
            process.stdin.write(told)
            process.stdin.close()
            assert process.wait(20) == 256 - 9
        finally:
            process.kill()


def test_a_sandbox_that_leaves_too_much_unread_is_ended() -> None:
    with attended("import time; time.sleep(600)") as process:
        try:
            assert process.stdin
            with pytest.raises(BrokenPipeError):
                for _ in range(64):
                    process.stdin.write(bytes(64 * 1024))
            assert process.wait(20) == 256 - 9
        finally:
            process.kill()


def test_what_the_agent_writes_comes_inside_unchanged_and_a_closed_input_is_no_end() -> None:
    sent = bytes(range(256)) * 2048
    reads = f"import sys, os; c = sys.stdin.buffer.read({len(sent)}); os.close(0); print('closed', flush=True); sys.stdout.buffer.write(c)"
    with attended(reads) as process:
        try:
            assert process.stdin and process.stdout
            process.stdin.write(sent)
            process.stdin.flush()
            assert process.stdout.readline() == b"closed\n"
            assert process.stdout.read() == sent and process.wait(20) == 0
        finally:
            process.kill()
