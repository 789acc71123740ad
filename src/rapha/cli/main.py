"""`rapha`: the commands, and what a person sees when one of them fails.

A command's module is imported when the command is called, so that `rapha --help` stays quick. Errors of our own tree
end with their exit code and a sentence; everything else is our defect, and says so.
"""

import errno
import os
import re
import sys
import tempfile
import traceback
from importlib import import_module
from importlib.metadata import requires
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from rapha import __version__, faults
from rapha.errors import ConfigurationError, DiskFull, RaphaError
from rapha.lean import leave_out_pandas

COMMANDS = {
    "study": ("rapha.cli.study:app", "Describe a study, check it, submit it, watch it, fetch what it gives back."),
    "node": ("rapha.cli.node:app", "A hospital's side: set up, ingest, run, decide."),
    "view": ("rapha.cli.view:app", "Flatten FHIR resources with a SQL-on-FHIR view."),
    "hub": ("rapha.cli.hub:app", "The control plane: set up, run, enrol sites, give tokens."),
    "receipt": ("rapha.cli.receipt:app", "Verify a model folder's receipts, or show one. Needs no hub and no network."),
    "log": ("rapha.cli.public_log:app", "Check a public log's folder, show what it holds, anchor it."),
    "escrow": ("rapha.cli.escrow:app", "Pay hospitals for computing, against receipts: lock, show, settle."),
    "witness": ("rapha.cli.witness:app", "See that a public log never goes back: set up, run."),
    "demo": ("rapha.cli.demo.command:demo", "A study through a hub and hospitals on this machine, on real records."),
    "doctor": ("rapha.cli.doctor:doctor", "What this machine can and cannot do, and how to mend it."),
}
INTERRUPTED, DEFECT = 130, 70

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def _say_version(asked: bool) -> None:
    if asked:
        typer.echo(f"rapha {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Compute moves to the data; the data stays."""


class LateCommand(TyperCommand):
    """A name and a line of help; the command itself is imported when it is called.

    `place` is `module:name`, where name is a `typer.Typer` or a plain command function.
    """

    def __init__(self, name: str, place: str, line: str) -> None:
        super().__init__(name, help=line)
        self.place = place

    def load(self) -> TyperCommand | TyperGroup:
        module, _, attribute = self.place.partition(":")
        found = getattr(import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False)
            single.command(self.name)(found)
            found = single
        command = get_command(found)
        assert isinstance(command, TyperCommand | TyperGroup)
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """The context of the real command: from here on this one is out of the way."""
        return self.load().make_context(*args, **kwargs)


def command_tree() -> TyperGroup:
    """The root command with its late ones."""
    root = get_command(app)
    assert isinstance(root, TyperGroup)
    for name, (place, line) in COMMANDS.items():
        root.add_command(LateCommand(name, place, line))
    return root


def run() -> None:
    """The console script. Never returns: ends the process with an exit code of `rapha.errors`, 2 for a command line
    that cannot be read, 130 when interrupted, 70 for a defect of ours."""
    faults.arm(os.environ)
    leave_out_pandas()
    try:
        command_tree().main(prog_name="rapha")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except RaphaError as error:
        sys.exit(tell(error))
    except OSError as error:
        sys.exit(tell(told) if (told := of_the_disk(error)) else confess(error))
    except ModuleNotFoundError as error:
        extra = extra_that_has(error.name or "")
        sys.exit(tell(extra_missing(error, extra)) if extra else confess(error))
    except Exception as error:
        sys.exit(confess(error))


def tell(error: RaphaError) -> int:
    """Say on standard error what was wrong; the exit code that goes with it."""
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code


def of_the_disk(error: OSError) -> RaphaError | None:
    """A full disk, or a file or folder that this user may not touch: no defect of ours. None for anything else."""
    if error.errno == errno.ENOSPC:
        return disk_full(error)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and isinstance(error.filename, str):
        return ConfigurationError(f"{error.filename}: {os.strerror(error.errno)}; is this the right user, or folder?")
    return None


def disk_full(error: OSError) -> DiskFull:
    """ENOSPC, said with the folder where the system names one."""
    named = isinstance(error.filename, str)
    place = Path(error.filename).parent if named else "the working or the temporary folder"
    return DiskFull(f"no space left on the disk of {place}: free some, then run the command again")


def extra_that_has(module: str) -> str | None:
    """The extra of rapha that brings this module, None where no extra does."""
    for line in requires("rapha") or ():
        if found := re.match(rf"{re.escape(module.partition('.')[0])}\b.*extra == ['\"]([a-z]+)", line):
            return found[1]
    return None


def extra_missing(error: ModuleNotFoundError, extra: str) -> ConfigurationError:
    return ConfigurationError(f"this command needs {error.name}, which is not installed: pip install 'rapha[{extra}]'")


def confess(error: Exception) -> int:
    """A defect: name its kind and keep the traceback in a private file, since its message may hold anything."""
    kind = type(error).__name__
    try:
        handle, path = tempfile.mkstemp(prefix="rapha-defect-", suffix=".txt")
        with os.fdopen(handle, "w") as file:
            file.writelines(traceback.format_exception(error))
        kept = f"The traceback is in {path}: read it before you send it to anyone, it may hold data."
    except OSError:
        kept = "The traceback could not be kept: the temporary folder cannot be written."
    print(f"error: this is a defect in rapha {__version__} ({kind}), not something you did. {kept}", file=sys.stderr)
    return DEFECT


if __name__ == "__main__":
    run()
