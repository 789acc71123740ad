"""The workload's process: `python -m rapha.training.worker`, in a sandbox, warm from the first round to the last.

    /in/study.json, /in/rows.arrow      what it works on
    /weights/<hex>.safetensors          what it starts from
    /out                                what it leaves (names in rapha.records.outputs)
    standard input                      with `--waits` first the line BEGIN, before which nothing is looked for in /in; then
                                        one Command a line, at most LINE_BYTES; end of input ends it
    standard output                     one Reply a line: when torch and rows are there, then one for each Command

A failure leaves as a reason code and nothing else: texts quote data. Traces go to standard error, for the steward.
"""

import argparse
import errno
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, cast, get_args

from pydantic import ValidationError

from rapha import faults
from rapha.canonical import digest
from rapha.errors import TrainingFailed
from rapha.lean import leave_out_pandas
from rapha.records.language import CausalLora
from rapha.records.learning import Exported, file_beside
from rapha.records.outputs import BEGIN, GRAPH, Command, Reply
from rapha.records.release import ReasonCode
from rapha.records.study import Study
from rapha.training.dataset import load_reader, read_dataset
from rapha.training.learner import Learner
from rapha.training.numerics import pin
from rapha.training.replies import LINE_BYTES, claim_output, send


def main(arguments: Sequence[str]) -> int:
    """Serve commands until the input ends. Returns 0, or 1 where it could not start or was not spoken to properly."""
    parser = argparse.ArgumentParser(prog="rapha.training.worker")
    for name, default in (("input", "/in"), ("weights", "/weights"), ("output", "/out")):
        parser.add_argument(f"--{name}", type=Path, default=Path(default))
    parser.add_argument("--waits", action="store_true")
    parser.add_argument("--die-at-fault-point", default="", help=argparse.SUPPRESS)
    folders = parser.parse_args(arguments)
    if folders.die_at_fault_point:
        faults.arm_workload(folders.die_at_fault_point)
    leave_out_pandas()
    replies = claim_output()
    try:
        numerics = pin()
        if folders.waits:
            load_reader()
            send(replies, Reply(ok=True, numerics=numerics))
            if sys.stdin.buffer.readline(len(BEGIN)) != BEGIN:
                return 1
        study = Study.from_bytes((folders.input / "study.json").read_bytes())
        dataset = read_dataset(study, folders.input / "rows.arrow")
        graph = folders.input / GRAPH
        exported = graph.read_bytes() if isinstance(study.model, Exported | CausalLora) else None
        fault = _fault_of(study, exported)
        learner = Learner(study, dataset, folders.weights, folders.output, exported)
    except Exception as error:
        traceback.print_exc()
        send(replies, Reply(ok=False, reason=_reason(error)))
        return 1
    faults.point("sandbox.to-say-ready")
    send(replies, Reply(ok=True, numerics=numerics))
    return _serve(learner, sys.stdin.buffer, replies, fault)


def _fault_of(study: Study, graph: bytes | None) -> ReasonCode | None:
    """Why no command can be done: the graph is another file than the one that the study names. Said at the first command, as what is
    wrong inside a graph is, so that it has a reason."""
    named = file_beside(study.model) if isinstance(study.model, Exported | CausalLora) else None
    return "graph-mismatch" if named and digest(graph or b"") != named[0] else None


def _serve(learner: Learner, commands: BinaryIO, replies: BinaryIO, fault: ReasonCode | None) -> int:
    while line := commands.readline(LINE_BYTES + 1):
        if len(line) > LINE_BYTES:
            # Where the next line starts is no longer known: whoever writes such a line is not our node.
            send(replies, Reply(ok=False, reason="internal"))
            return 1
        send(replies, Reply(ok=False, reason=fault) if fault else _answer(learner, line))
    return 0


def _answer(learner: Learner, line: bytes) -> Reply:
    try:
        command = Command.from_bytes(line)
        faults.point(f"sandbox.to-do:{command.do}:{command.round}")
        learner.do(command)
        faults.point(f"sandbox.did:{command.do}:{command.round}")
    except Exception as error:
        traceback.print_exc()
        return Reply(ok=False, reason=_reason(error))
    return Reply(ok=True)


def _reason(error: Exception) -> ReasonCode:
    match error:
        case TrainingFailed() if error.reason in get_args(ReasonCode):
            return cast(ReasonCode, error.reason)
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return "disk-full"
        case ValidationError() | OSError():
            return "internal"
        case _:
            return "training-failed"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
