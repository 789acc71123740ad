"""The placement port: on which machine a sandbox's processes run, where that is not the agent's own.

A backend says how a workload is walled; a placement says where. It starts one program of ours, `launch.py`, on another machine of the hospital, with
three pipes, and ends it. What is promised:

1. bytes come and go unchanged and in order, but a program that leaves more than 4 MiB of them unread may be ended; nothing of the agent's environment goes along
2. when the agent's end of standard input is closed, however the agent ended, the program sees that its input ended; it may be ended 15 seconds later
3. `end` returns when no process of the job is alive, or says so in the log after a minute; twice is once
4. a job that an earlier agent of this home left is found by its name and ended
5. what is asked for (memory, processors, time) is asked of the cluster by numbers of the site's configuration, none of the study's
"""

import subprocess
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox.layers import TMP_BYTES

ANSWERS_SECONDS = 60.0
LAUNCHER_MB = 256
MOST_WORDS = 300


class Job(NamedTuple):
    """`name` is the job's own; its beginning is that of the home's, by which an earlier agent's are found."""

    name: str
    memory_mb: int


def job_of(name: str, limits: SandboxLimits) -> Job:
    """Room for the workload's own limit, for its disk in memory and for the launcher."""
    return Job(name, limits.memory_mb + TMP_BYTES // (1024 * 1024) + LAUNCHER_MB)


class Placement(Protocol):
    """See the module. `starts_seconds`: how long a job may wait for its turn, after which it is taken out of the queue."""

    name: str
    starts_seconds: float

    def check(self) -> None:
        """Raises SandboxError: its programs are missing, or what they speak to does not answer."""

    def words(self, job: Job, program: Sequence[str]) -> list[str]:
        """The command that runs `program` there, its standard input, output and error being this command's own."""

    def environment(self) -> dict[str, str]:
        """Of that command. Nothing of it reaches `program`."""

    def end(self, job: str) -> None:
        """End a job, waiting or running, with every process of it."""

    def left(self, beginning: str) -> list[str]:
        """The names of jobs of this user, waiting or running, that begin so."""

    def trouble(self, said: str) -> str:
        """What the command's own words, before the program wrote any, come to for a steward."""


def ask_program(words: list[str], environment: dict[str, str]) -> str:
    """What a program of the cluster's says.

    Raises:
        SandboxError: it is missing, failed, or said nothing for a minute.
    """
    try:
        said = subprocess.run(
            words, env=environment, capture_output=True, text=True, check=False, timeout=ANSWERS_SECONDS
        )
    except OSError as error:
        why = "is not installed" if isinstance(error, FileNotFoundError) else f"cannot be run ({error.strerror})"
        raise SandboxError(f"{words[0]} {why}: name its folder as `placement: programs_folder` in node.yaml") from None
    except subprocess.TimeoutExpired:
        raise SandboxError(f"{words[0]} said nothing for {ANSWERS_SECONDS:.0f} s: is the cluster up?") from None
    if said.returncode != 0:
        raise SandboxError(f"{words[0]} failed: {tidy(said.stderr)}")
    return said.stdout


def tidy(said: str) -> str:
    """A program's words on one line, of a length to be read, without what could steer a terminal."""
    plain = "".join(letter if letter.isprintable() else " " for letter in said)
    return " ".join(plain.split())[:MOST_WORDS] or "it said nothing"
