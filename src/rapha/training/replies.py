"""How a workload's process answers: one line for each command, on an output that nothing else reaches."""

import os
import sys
from typing import BinaryIO

from rapha.records.outputs import Reply

LINE_BYTES = 4096


def claim_output() -> BinaryIO:
    """Keep standard output for replies alone: whatever a library prints goes to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "wb")


def send(replies: BinaryIO, reply: Reply) -> None:
    """One line, at once."""
    replies.write(reply.as_bytes() + b"\n")
    replies.flush()
