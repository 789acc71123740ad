"""Every error Rapha raises, and the exit code a command ends with.

    RaphaError                 1  anything of ours that is not named below
    ├── StudyError             2  a study is wrong: file, line, key, what was expected, nearest word
    │   └── NotYetPossible     3  a study asks, by name, for what this version cannot do
    ├── ConfigurationError     4  a home folder, a setting, a mapping or a rules file is wrong
    │   └── ClockBehind       15  this machine's clock is behind what was signed already: set it right
    ├── Unreachable            5  the other end did not answer, or cut the line
    ├── NotPermitted           6  a token, a signature or a role was refused
    ├── SourceError            7  hospital data could not be read at all
    ├── CohortRefused          8  the cohort is empty, too small, or asks for an unknown concept
    ├── SandboxError           9  the sandbox cannot isolate, or died
    ├── EgressRefused         10  an output may not leave
    ├── Unproven              11  a receipt or a file it names does not verify
    ├── DiskFull              12  no space left, said with the folder
    ├── Conflict              13  the step is not possible in the present state
    │   └── TaskOver          16  nothing more is taken for a task: its round or its study is over
    └── TrainingFailed        14  training could not be done; carries a reason code

Messages say what was wrong, where, and what to do. None carries a patient's value.
"""

from typing import ClassVar


class RaphaError(Exception):
    """Base of the tree. `code` is a stable word for programs, the message is for people."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"


class StudyError(RaphaError):
    exit_code, code = 2, "study"


class NotYetPossible(StudyError):
    exit_code, code = 3, "not-yet-possible"


class ConfigurationError(RaphaError):
    exit_code, code = 4, "configuration"


class ClockBehind(ConfigurationError):
    exit_code, code = 15, "clock-behind"


class Unreachable(RaphaError):
    exit_code, code = 5, "unreachable"


class NotPermitted(RaphaError):
    exit_code, code = 6, "not-permitted"


class SourceError(RaphaError):
    exit_code, code = 7, "source"


class CohortRefused(RaphaError):
    """`reason` is one of `rapha.records.release.ReasonCode`."""

    exit_code, code = 8, "cohort"

    def __init__(self, message: str, reason: str = "cohort-too-small") -> None:
        super().__init__(message)
        self.reason = reason


class SandboxError(RaphaError):
    exit_code, code = 9, "sandbox"


class EgressRefused(RaphaError):
    """`reason` is one of `rapha.records.release.ReasonCode`."""

    exit_code, code = 10, "egress"

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class Unproven(RaphaError):
    exit_code, code = 11, "unproven"


class DiskFull(RaphaError):
    exit_code, code = 12, "disk-full"


class Conflict(RaphaError):
    exit_code, code = 13, "conflict"


class TaskOver(Conflict):
    exit_code, code = 16, "task-over"


class TrainingFailed(RaphaError):
    """`reason` is one of `rapha.records.release.ReasonCode`."""

    exit_code, code = 14, "training"

    def __init__(self, message: str, reason: str = "training-failed") -> None:
        super().__init__(message)
        self.reason = reason
