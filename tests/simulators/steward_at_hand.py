"""A steward's commands in this process, for tests that are about something else: a process of its own takes seconds to start for each."""

import gc
import subprocess
import warnings

from typer.testing import CliRunner

from rapha.cli.node import app


def rapha_at_hand(*words: str) -> "subprocess.CompletedProcess[str]":
    """`rapha node` as a steward types it, but for the sentence and the exit code of an error: here that is 1, and its class and words."""
    assert words[0] == "node"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # a command leaves its line to the hub to the end of its process
        told = CliRunner().invoke(app, list(words[1:]))
        errors = told.stderr + (repr(told.exception) if told.exception else "")
        gc.collect()
    return subprocess.CompletedProcess(words, told.exit_code, told.stdout, errors)
