"""The filter's instructions, run as the kernel runs them, for both processors: this machine has only one of them."""

import struct

import pytest

from rapha.node.sandbox import seccomp, syscalls
from rapha.node.sandbox.seccomp import ALLOW, AUDIT_ARCH, ENOSYS, EPERM, ERRNO, KILL, assembled

PROCESSORS = syscalls.PROCESSORS
DENY = ERRNO | EPERM
THREAD = 0x3D0F00
FORK = 0x01200011


def answer(processor: str, name: str | int, first: int = 0, second: int = 0, arch: int | None = None) -> int:
    """What the kernel would do with this call: a small machine of five instructions."""
    number = syscalls.numbers(processor)[name] if isinstance(name, str) else name
    called_on = AUDIT_ARCH[processor] if arch is None else arch
    data = struct.pack("<IIQQQQQQQ", number, called_on, 0, first & (2**64 - 1), second, 0, 0, 0, 0)
    steps = list(struct.iter_unpack("<HBBI", assembled(processor)))
    at, held = 0, 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        if code == seccomp.RETURN:
            return int(value)
        if code == seccomp.LOAD:
            held = struct.unpack_from("<I", data, value)[0]
            continue
        met = {
            seccomp.JUMP_EQUAL: held == value,
            seccomp.JUMP_AT_LEAST: held >= value,
            seccomp.JUMP_ANY_BIT: bool(held & value),
        }[code]
        at += if_true if met else if_false


@pytest.mark.parametrize("processor", PROCESSORS)
def test_what_training_needs_is_allowed(processor: str) -> None:
    for name in ("read", "write", "openat", "mmap", "mprotect", "futex", "exit_group", "getrandom", "fsync"):
        assert answer(processor, name) == ALLOW, name
    assert answer(processor, "clone", THREAD) == ALLOW
    assert answer(processor, "ioctl", 0, 0x5401) == ALLOW
    assert answer(processor, "prctl", 15) == ALLOW


@pytest.mark.parametrize("processor", PROCESSORS)
def test_what_leads_out_is_denied(processor: str) -> None:
    names = (
        "socket", "socketpair", "io_uring_setup", "userfaultfd", "bpf", "keyctl", "add_key", "ptrace", "memfd_create",
        "process_vm_readv", "execve", "execveat", "unshare", "setns", "mount", "pivot_root", "perf_event_open", "kill",
        "seccomp", "personality", "mknodat", "symlinkat", "linkat", "setxattr", "shmget", "mq_open", "pidfd_open",
    )  # fmt: skip
    for name in names:
        assert answer(processor, name) == DENY, name
    assert answer(processor, 100_000) == DENY


@pytest.mark.parametrize("processor", PROCESSORS)
def test_arguments_are_read_as_the_kernel_reads_them(processor: str) -> None:
    assert answer(processor, "clone", FORK) == DENY
    assert answer(processor, "clone", THREAD | 0x10000000) == DENY
    assert answer(processor, "clone3", 1) == ERRNO | ENOSYS
    assert answer(processor, "ioctl", 0, 0x5412) == DENY
    assert answer(processor, "ioctl", 0, 0x1_0000_5412) == DENY
    assert answer(processor, "ioctl", 0, 0x1_0000_5401) == ALLOW, "the kernel reads 32 bits of it, and so do we"
    assert answer(processor, "prctl", 1) == DENY
    assert (answer(processor, "prlimit64", 0), answer(processor, "prlimit64", 1)) == (ALLOW, DENY), (
        "its own limits alone"
    )
    assert (answer(processor, "fcntl", 3, 2), answer(processor, "fcntl", 3, 1024)) == (ALLOW, DENY), "no lease"


@pytest.mark.parametrize("processor", PROCESSORS)
def test_another_processors_numbers_kill(processor: str) -> None:
    other = next(arch for name, arch in AUDIT_ARCH.items() if name != processor)
    assert answer(processor, "read", arch=other) == KILL
    assert answer(processor, "read", arch=0x40000003) == KILL
    if processor == "x86_64":
        assert answer(processor, 0x40000000) == KILL


@pytest.mark.parametrize("processor", PROCESSORS)
def test_every_jump_lands_inside_and_the_last_word_is_no(processor: str) -> None:
    program = seccomp.program(processor)
    assert all(at + 1 + max(step.if_true, step.if_false) < len(program) for at, step in enumerate(program[:-1]))
    assert program[-1].value == DENY
    assert len(program) < 4096
