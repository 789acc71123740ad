"""The shape of the house holds, and each rule goes red when it is broken."""

import subprocess
import sys
from pathlib import Path

import pytest

LONG_FUNCTION = '"""A page."""\n\n\ndef long() -> None:\n' + "    pass\n" * 60
PLANTS = {
    "401 lines": ("src/rapha/long.py", '"""A page."""\n' + "x = 1\n" * 400),
    "long has 61 lines": ("src/rapha/long.py", LONG_FUNCTION),
    "the name `node_utils` says nothing": ("src/rapha/node_utils.py", '"""A page."""\n'),
    "the name `common` says nothing": ("src/rapha/common/outbox.py", '"""A page."""\n'),
    "the name `RoundManager` says nothing": ("src/rapha/a.py", '"""A page."""\n\n\nclass RoundManager:\n    pass\n'),
    "a module begins with what it is for": ("src/rapha/a.py", "x = 1\n"),
    "an __init__.py does nothing": ("src/rapha/a/__init__.py", '"""A room."""\n\nfor x in ():\n    pass\n'),
    "imports pydantic": ("src/rapha/proof/a.py", '"""A page."""\n\nfrom pydantic import Field\n'),
    "not for time to pass": ("tests/test_a.py", "import time\n\ntime.sleep(1)\n"),
    "1 mocks in 3 lines": ("tests/test_a.py", "from unittest import mock\n\nmock.MagicMock()\n"),
    "Python 3.11 cannot read this": ("src/rapha/a.py", '"""A page."""\n\n\ndef of[T](x: T) -> T:\n    return x\n'),
}


def look(checkout: Path, root: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(checkout / "checks" / "shape.py"), str(root)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_house_has_its_shape(checkout: Path) -> None:
    done = look(checkout, checkout)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("fault", PLANTS)
def test_a_fault_is_named(fault: str, checkout: Path, tmp_path: Path) -> None:
    place, text = PLANTS[fault]
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).write_text(text)
    done = look(checkout, tmp_path)
    assert done.returncode == 1, done.stderr
    assert fault in done.stdout


def test_what_is_allowed_is_left_alone(checkout: Path, tmp_path: Path) -> None:
    room = tmp_path / "src" / "rapha" / "proof"
    room.mkdir(parents=True)
    (room / "__init__.py").write_text('"""A room."""\n\nfrom os import name\n\n__all__ = ["name"]\n')
    (room / "envelope.py").write_text('"""A page."""\n\nimport base64\n\nimport cryptography\n')
    other = tmp_path / "bench" / ".peers" / "flower"
    other.mkdir(parents=True)
    (other / "utils.py").write_text("x = 1\n")
    assert look(checkout, tmp_path).returncode == 0
