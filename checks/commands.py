"""The text of `docs/commands.md`, walked from the command tree that `rapha` itself uses."""

import inspect
from collections.abc import Iterator

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from rapha import errors
from rapha.cli.main import LateCommand, command_tree
from rapha.errors import RaphaError

HEAD = """# Commands

Written by `make docs` from the commands themselves; do not edit. `rapha COMMAND --help` says the same.
"""


def page() -> str:
    """The whole page."""
    sections = [section(name, command) for name, command in leaves("rapha", command_tree())]
    return "\n".join([HEAD, *sections, exit_codes()])


def leaves(name: str, command: TyperCommand | TyperGroup) -> Iterator[tuple[str, TyperCommand]]:
    """Every command that does something, by its full name."""
    if isinstance(command, LateCommand):
        command = command.load()
    if isinstance(command, TyperGroup):
        for word, inner in command.commands.items():
            assert isinstance(inner, TyperCommand | TyperGroup)
            yield from leaves(f"{name} {word}", inner)
    else:
        yield name, command


def section(name: str, command: TyperCommand) -> str:
    lines = [f"## {name}", "", inspect.cleandoc(command.help or ""), ""]
    rows = [row(parameter) for parameter in command.params if isinstance(parameter, TyperArgument | TyperOption)]
    if rows:
        lines += ["| | |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def row(parameter: TyperArgument | TyperOption) -> str:
    """One line of the table: how it is written, and what it is for."""
    if isinstance(parameter, TyperArgument):
        written = (parameter.name or "").upper()
    else:
        written = ", ".join([*parameter.opts, *parameter.secondary_opts])
    words = [parameter.help or ""]
    if parameter.envvar:
        words.append(f"(or the variable {parameter.envvar})")
    if parameter.required:
        words.append("(required)")
    return f"| `{written}` | {' '.join(words).strip()} |"


def exit_codes() -> str:
    """The codes of the error tree, in its order, then those that are not errors of ours."""
    tree = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, RaphaError)]
    drawn = {cls.__name__: line_of(cls) for cls in tree}
    lines = ["## Exit codes", "", "| code | when |", "|---|---|", "| 0 | done |"]
    lines += [f"| {cls.exit_code} | {drawn[cls.__name__]} |" for cls in tree]
    lines += ["| 70 | a defect in rapha; the traceback is in a file that is named |", "| 130 | interrupted |"]
    return "\n".join([*lines, "", "A command line that cannot be read ends with 2 as well.", ""])


def line_of(cls: type[RaphaError]) -> str:
    """What the picture at the top of errors.py says of a class."""
    line = next(
        line for line in (errors.__doc__ or "").splitlines() if f" {cls.__name__} " in f" {line.strip('├└│─ ')} "
    )
    return line.split(str(cls.exit_code), 1)[1].strip()


if __name__ == "__main__":
    print(page())
