"""The program that a placement starts on another machine of the hospital: it builds the walls there, and ends them when the agent is gone.

Usage: `python -m rapha.node.sandbox.launch`. Its first line of input is an `Order`, its first line of output a `Launched`; all after that is between the
agent and the workload, which has the same output, and an input of its own into which this program copies. In this order, as an auditor may tick it off:

1. the order is read, before a byte is written: one line of at most 64 KiB
2. this machine is looked at: the backend isolates here, by these layers, with this code; it sees the very folder that the agent sees
3. that is answered, in one line, before any code of a study runs: only this program can have written it
4. what is not as the order says ends here, with words for the steward; there is no second way
5. sockets of this machine listen while the self-test tries, from inside, to reach them
6. the sandbox starts; when it ends, or the agent's end of the pipe is closed, it is killed and waited for: nothing inside holds that pipe, and nothing that
   is done or left undone inside keeps this program from seeing its end

It trusts whoever starts it, as it gives them no more than this user has.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from pydantic import ValidationError

from rapha.errors import RaphaError
from rapha.node.provenance import code_digest
from rapha.node.sandbox.choose import choose_walls
from rapha.node.sandbox.control_group import LAYER as CONTROL_GROUP
from rapha.node.sandbox.order import MAX_ORDER_BYTES, Launched, Order, Places
from rapha.node.sandbox.port import Walls
from rapha.node.sandbox.started import hosts_sockets, inner_words

REFUSED = 71
MOST_UNREAD_BYTES = 1024 * 1024
"""The agent writes commands, each answered before the next: who leaves so much unread is ended."""


def main() -> int:
    """The exit code of the sandbox; 71 where none was started that should have been."""
    try:
        order = Order.from_bytes(read_line(0))
    except (ValidationError, OSError):
        return _answer(Launched(trouble="the order could not be read"))
    if trouble := _trouble(order):
        return _answer(Launched(trouble=trouble[:2000]))
    walls = choose_walls(order.backend)
    layers = layers_of(walls)
    launched = Launched(layers=layers)
    if order.places is None:
        return _answer(launched)
    if order.layers != layers:
        words = f"this machine gives other layers ({', '.join(layers)}) than were promised for it"
        return _answer(Launched(trouble=f"{words}: restart the agent, which looks again", layers=layers))
    with hosts_sockets() as met:
        command, environment = walls.entrance(order.places.run())
        inner = inner_words(layers, order.limits, met, order.module, order.arguments, waits=order.waits)
        _answer(launched)
        return _attend(command + inner, environment)


def layers_of(walls: Walls) -> tuple[str, ...]:
    """Those that this program gives: a control group is the cluster's to give, which started it, and nobody here checks one."""
    return tuple(layer for layer in walls.layers if layer != CONTROL_GROUP)


def _trouble(order: Order) -> str | None:
    if order.code != code_digest():
        return "the program on this machine is another than the agent's: install the same version on both"
    if order.places is not None and (unseen := _unseen(order.places)):
        return unseen
    try:
        choose_walls(order.backend).check()
    except RaphaError as error:
        return str(error)
    return None


def _unseen(places: Places) -> str | None:
    """Two file systems may have folders of the same name: so a token is compared."""
    try:
        same = Path(places.mark).read_text(encoding="ascii") == places.token
    except (OSError, ValueError):
        same = False
    if same and all(Path(place).is_dir() for place in (places.input, places.weights, places.output)):
        return None
    return "this machine does not see the run's folder: `placement: shared_folder` has to be one file system under one path"


def _answer(launched: Launched) -> int:
    os.write(1, launched.as_bytes() + b"\n")
    return REFUSED if launched.trouble else 0


def _attend(words: list[str], environment: dict[str, str]) -> int:
    """Wait for the sandbox; kill it when the other end of standard input is closed. It has a pipe of its own: a process can open its own input for writing,
    and who held the pipe whose hang-up is looked for would keep that from ever coming."""
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, bufsize=0, start_new_session=True) as process:
        assert process.stdin
        os.set_blocking(process.stdin.fileno(), False)
        _hand_on(process.stdin.fileno(), os.pidfd_open(process.pid))
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return process.wait() & 0xFF


def _hand_on(inside: int, ended: int) -> None:
    """Carry standard input to `inside`, until the sandbox has `ended`, the other end of standard input is closed, or too much was left unread.

    It never waits for the sandbox to read: else that could keep it from seeing the end."""
    unread = b""
    while len(unread) <= MOST_UNREAD_BYTES:
        look = select.poll()
        look.register(ended, select.POLLIN)
        look.register(0, select.POLLIN)
        if unread:
            look.register(inside, select.POLLOUT)
        met = dict(look.poll())
        if ended in met or met.get(0, 0) & ~select.POLLIN:
            return
        if 0 in met:
            if not (block := os.read(0, MAX_ORDER_BYTES)):
                return
            unread += block
        unread = _written(inside, unread)


def _written(inside: int, unread: bytes) -> bytes:
    """What there was no room for. Nothing, where the sandbox has closed its input: nobody will read it."""
    try:
        return unread[os.write(inside, unread) :] if unread else unread
    except BlockingIOError:
        return unread
    except BrokenPipeError:
        return b""


def read_line(descriptor: int) -> bytes:
    """One line without its end, and not a byte more: those that follow are another's.

    Raises:
        OSError: it is longer than 64 KiB, or the input ended.
    """
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte or len(line) >= MAX_ORDER_BYTES:
            raise OSError("no line")
        line += byte
    return line[:-1]


if __name__ == "__main__":
    sys.exit(main())
