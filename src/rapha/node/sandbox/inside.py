"""The first code that runs inside the sandbox, before any byte of the study: limits, locks, self-test, the workload.

Usage: `inside.py PLAN WORKLOAD_MODULE [ARGUMENT ...]`; PLAN is JSON, made by `started.py`: the limits, the layers that
the backend states, the filter's bytes, a port of the host that must be out of reach. In this order:

0. in a control group, where there is one;  the attempt that it alone has to stop
1. the limits are lowered;                  the attempts that namespaces, mounts and limits have to stop
2. Landlock shuts the files;                the attempts that it alone has to stop
3. the filter shuts the kernel;             the attempts that it alone has to stop
4. one line: every attempt, its layer, whether it held; then this process becomes the workload

Standard library only: it must run from a bare interpreter.
"""

import base64
import json
import resource
import runpy
import sys
from collections.abc import Callable
from typing import Any

from rapha.node.sandbox import escapes, landlock, seccomp

Made = list[dict[str, Any]]


def set_limits(limits: dict[str, int]) -> None:
    """Lower the limits of this process and its children; they cannot be raised again."""
    megabyte = 1024 * 1024
    wanted = {
        resource.RLIMIT_AS: limits["memory_mb"] * megabyte,
        resource.RLIMIT_FSIZE: limits["file_mb"] * megabyte,
        resource.RLIMIT_NPROC: limits["processes"],
        resource.RLIMIT_NOFILE: limits["open_files"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for what, value in wanted.items():
        hard = resource.getrlimit(what)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (value, value))


def make(stage: Callable[[dict[str, Any]], list[escapes.Escape]], plan: dict[str, Any]) -> Made:
    """Make the attempts of a stage whose layer is stated; where nothing isolates, all of them, so that it is seen."""
    open_house = "user namespace" not in plan["layers"]
    chosen = [escape for escape in stage(plan) if open_house or escape.layer in plan["layers"]]
    return [{"attempt": one.name, "layer": one.layer, "held": one.held()} for one in chosen]


def main() -> None:
    plan = json.loads(sys.argv[1])
    made = make(escapes.in_the_group, plan)
    set_limits(plan["limits"])
    made += make(escapes.before_the_locks, plan)
    if "landlock" in plan:
        landlock.restrict(plan["landlock"])
    made += make(escapes.behind_landlock, plan)
    if "seccomp" in plan:
        seccomp.load(base64.b64decode(plan["seccomp"]))
    made += make(escapes.behind_the_filter, plan)
    sys.stdout.write(json.dumps({"attempts": made}) + "\n")
    sys.stdout.flush()
    module, sys.argv = sys.argv[2], sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
