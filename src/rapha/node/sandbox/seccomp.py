"""The system-call filter: an allow-list, assembled here to classic BPF, loaded inside after everything else is shut.

What is not named answers EPERM; another processor's numbers (the 32-bit and x32 ways in) kill the process. Arguments
are compared in their low 32 bits, for that is all the kernel reads of them. Source: seccomp(2), linux/seccomp.h,
linux/filter.h. Standard library only.
"""

import ctypes
import platform
import struct
from typing import NamedTuple

from rapha.node.sandbox import syscalls

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
EPERM, ENOSYS = 1, 38
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000

CLONE_THREAD, CLONE_NEW_ANY = 0x00010000, 0x7E020000
PRCTL = {
    "get dumpable": 3, "set name": 15, "get name": 16, "get seccomp": 21, "read bounding set": 23,
    "get no new privileges": 39, "name a stretch of memory": 0x53564D41,
}  # fmt: skip
IOCTL = {"is it a terminal": 0x5401, "is it a terminal (2)": 0x802C542A, "window size": 0x5413, "bytes waiting": 0x541B,
         "non-blocking": 0x5421, "close on exec": 0x5451}  # fmt: skip
FCNTL = {"a second number": 0, "get close-on-exec": 1, "set close-on-exec": 2, "get flags": 3, "set flags": 4,
         "a second number, closed on exec": 1030, "get a pipe's size": 1032}  # fmt: skip
"""No lease (it would make the node wait who opens an output), no lock, no watch, no signal, no larger pipe."""

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, ARCH_AT, FIRST_ARGUMENT_AT, SECOND_ARGUMENT_AT = 0, 4, 16, 24
SET_MODE_FILTER, TSYNC, PR_SET_NO_NEW_PRIVS = 1, 1, 38


class Step(NamedTuple):
    """One instruction: struct sock_filter."""

    code: int
    if_true: int
    if_false: int
    value: int


def program(processor: str) -> list[Step]:
    """The filter for a processor, in the order in which the kernel runs it."""
    number = syscalls.numbers(processor)
    steps = [Step(LOAD, 0, 0, ARCH_AT), Step(JUMP_EQUAL, 1, 0, AUDIT_ARCH[processor]), _answer(KILL)]
    steps.append(Step(LOAD, 0, 0, NUMBER_AT))
    if processor == "x86_64":
        steps += [Step(JUMP_AT_LEAST, 0, 1, X32_BIT), _answer(KILL)]
    for allowed in syscalls.allowed(processor).values():
        steps += _on(allowed, [_answer(ALLOW)])
    steps += _on(number["clone"], _threads_only())
    steps += _on(number["clone3"], [_answer(ERRNO | ENOSYS)])  # its flags lie behind a pointer; libc then asks `clone`
    steps += _on(number["prctl"], _one_of(FIRST_ARGUMENT_AT, list(PRCTL.values())))
    steps += _on(number["prlimit64"], _one_of(FIRST_ARGUMENT_AT, [0]))  # its own limits, nobody else's
    steps += _on(number["fcntl"], _one_of(SECOND_ARGUMENT_AT, list(FCNTL.values())))
    steps += _on(number["ioctl"], _one_of(SECOND_ARGUMENT_AT, list(IOCTL.values())))
    return [*steps, _answer(ERRNO | EPERM)]


def assembled(processor: str) -> bytes:
    """The filter's bytes."""
    return b"".join(struct.pack("<HBBI", *step) for step in program(processor))


def is_given() -> bool:
    """Whether this machine's kernel and processor take the filter."""
    if not syscalls.is_known():
        return False
    return int(ctypes.CDLL(None).prctl(21, 0, 0, 0, 0)) >= 0


def load(filter_bytes: bytes) -> None:
    """Put every thread of this process under the filter, for good.

    Raises:
        OSError: the kernel refused it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no new privileges")
    buffer = ctypes.create_string_buffer(filter_bytes, len(filter_bytes))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(filter_bytes) // 8, ctypes.addressof(buffer)))
    number = syscalls.numbers(platform.machine())["seccomp"]
    answer = libc.syscall(ctypes.c_long(number), SET_MODE_FILTER, TSYNC, header)
    if answer != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def _answer(action: int) -> Step:
    return Step(RETURN, 0, 0, action)


def _on(number: int, then: list[Step]) -> list[Step]:
    """Run `then`, which must end in an answer, where the call is this one."""
    return [Step(JUMP_EQUAL, 0, len(then), number), *then]


def _one_of(argument_at: int, values: list[int]) -> list[Step]:
    steps = [Step(LOAD, 0, 0, argument_at)]
    for value in values:
        steps += [Step(JUMP_EQUAL, 0, 1, value), _answer(ALLOW)]
    return [*steps, _answer(ERRNO | EPERM)]


def _threads_only() -> list[Step]:
    """A thread of this process: yes. Another process, or a namespace: no."""
    return [
        Step(LOAD, 0, 0, FIRST_ARGUMENT_AT),
        Step(JUMP_ANY_BIT, 2, 0, CLONE_NEW_ANY),
        Step(JUMP_ANY_BIT, 0, 1, CLONE_THREAD),
        _answer(ALLOW),
        _answer(ERRNO | EPERM),
    ]
