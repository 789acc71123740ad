"""The shape of the house, counted: `python checks/shape.py [ROOT]`. Prints each fault as file:line, exits 1 on any.

Counted by `ast`, so that a comment or a string never counts as code. CONTRIBUTING.md says the same in words.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

OLDEST_PYTHON = (3, 11)
MODULE_LINES, FUNCTION_LINES = 400, 60
MOCKS_PER_THOUSAND_LINES = 3
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "core", "base", "manager", "managers", "handler"}
EMPTY_NAMES |= {"handlers", "impl", "v2", "new", "old"}
EMPTY_ENDINGS = ("util", "utils", "helper", "helpers", "manager", "managers", "handler", "handlers", "impl")
EMPTY_CLASS = re.compile(r"(Utils?|Helpers?|Managers?|Handlers?|Impl)$")
ONLY_THIRD_PARTIES = {"src/rapha/proof": {"cryptography"}}
FOLDERS = ("src", "tests", "bench", "checks")

Fault = tuple[int, str]
"""Line, and what is wrong there."""


def main(root: Path) -> int:
    """Look at every Python file under `root`; the number of faults decides the exit code."""
    faults = 0
    for path in python_files(root):
        for line, fault in faults_of(path, path.relative_to(root)):
            faults += 1
            print(f"{path.relative_to(root)}:{line}: {fault}")
    for fault in faults_of_tests(root):
        faults += 1
        print(f"tests: {fault}")
    print(f"shape: {faults} faults" if faults else "shape: every room is small, named and plain")
    return 1 if faults else 0


def python_files(root: Path) -> list[Path]:
    found = [path for folder in FOLDERS for path in (root / folder).rglob("*.py")]
    return [*root.glob("*.py"), *sorted(path for path in found if not _hidden(path.relative_to(root)))]


def _hidden(place: Path) -> bool:
    """Whether it lies in an environment that somebody installed here, which is no code of ours."""
    return any(part.startswith(".") for part in place.parts)


def faults_of(path: Path, place: Path) -> Iterator[Fault]:
    """Every fault of one file. `place` is its path below the root."""
    text = path.read_text()
    try:
        tree = ast.parse(text, feature_version=OLDEST_PYTHON)
    except SyntaxError as error:
        yield error.lineno or 1, f"Python 3.11 cannot read this: {error.msg}"
        return
    yield from too_long(text, tree)
    yield from empty_names(tree, place)
    if place.parts[0] == "src":
        if tree.body and not ast.get_docstring(tree):
            yield 1, "a module begins with what it is for"
        yield from foreign_imports(tree, place)
        if place.name == "__init__.py":
            yield from logic(tree)
    if place.parts[0] == "tests":
        yield from sleeps(tree)


def too_long(text: str, tree: ast.Module) -> Iterator[Fault]:
    lines = text.count("\n")
    if lines > MODULE_LINES:
        yield 1, f"{lines} lines; a module has at most {MODULE_LINES}: split it by subject"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {length} lines; a function has at most {FUNCTION_LINES}"


def empty_names(tree: ast.Module, place: Path) -> Iterator[Fault]:
    for part in (*place.parts[:-1], place.stem):
        if part in EMPTY_NAMES or part.rpartition("_")[2] in EMPTY_ENDINGS:
            yield 1, f"the name `{part}` says nothing: use a word of docs/glossary.md"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and EMPTY_CLASS.search(node.name):
            yield node.lineno, f"the name `{node.name}` says nothing: use a word of docs/glossary.md"


def foreign_imports(tree: ast.Module, place: Path) -> Iterator[Fault]:
    """Third parties in a room that may have only some."""
    allowed = next((names for room, names in ONLY_THIRD_PARTIES.items() if place.is_relative_to(room)), None)
    if allowed is None:
        return
    for node in ast.walk(tree):
        for name in imported(node):
            top = name.partition(".")[0]
            if top not in {"rapha", *allowed, *sys.stdlib_module_names}:
                yield getattr(node, "lineno", 1), f"imports {top}; this room has only {', '.join(sorted(allowed))}"


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [node.module or ""]
    return []


def logic(tree: ast.Module) -> Iterator[Fault]:
    """An `__init__.py` may hold a docstring, imports, a table and functions over it; it does nothing when imported."""
    plain = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef)
    for node in tree.body:
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        typing_only = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        if not (isinstance(node, plain) or text or typing_only):
            yield node.lineno, "an __init__.py does nothing when imported: move this to a module with a name"


def called(node: ast.AST) -> str:
    """The dotted name that a call is made to, as written; empty where there is none."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def sleeps(tree: ast.Module) -> Iterator[Fault]:
    for node in ast.walk(tree):
        if called(node) in ("time.sleep", "sleep", "asyncio.sleep"):
            yield getattr(node, "lineno", 1), "a test waits for a condition with a deadline, not for time to pass"


def faults_of_tests(root: Path) -> Iterator[str]:
    """Fakes, not mocks: a budget over all tests together."""
    lines = mocks = 0
    for path in (root / "tests").rglob("*.py"):
        text = path.read_text()
        lines += text.count("\n")
        mocks += sum(bool(re.search(r"(^|\.)(\w*Mock|patch)$", called(node))) for node in ast.walk(ast.parse(text)))
    if mocks * 1000 > lines * MOCKS_PER_THOUSAND_LINES:
        yield f"{mocks} mocks in {lines} lines; at most {MOCKS_PER_THOUSAND_LINES} in a thousand: write a fake"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1]))
