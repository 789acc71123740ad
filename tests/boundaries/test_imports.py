"""The layers hold, and each contract goes red when it is crossed: a crossing is planted in a copy of the package."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLANTS = {
    "Imports point down only": ("records/planted.py", "import rapha.hub"),
    "Hub, witness and researcher's client reach nothing that reads rows": ("hub/planted.py", "import pyarrow"),
    "Only the journey imports the outbox": ("node/planted.py", "import rapha.node.outbox"),
    "The node agent never imports torch": ("node/planted.py", "import torch"),
    "The node agent and the hub never read a researcher's graph or base": (
        "hub/planted.py",
        "import rapha.graph.reading",
    ),
    "Proof reaches none of the libraries of the other rooms": ("proof/planted.py", "import httpx2"),
    "Sources do not know one another": ("sources/planted.py", "import rapha.sources.tables"),
    "No cycles between rooms, nor inside one": ("records/record.py", "import rapha.records.study"),
}


@pytest.fixture
def copy(checkout: Path, tmp_path: Path) -> Path:
    shutil.copytree(checkout / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(checkout / ".importlinter", tmp_path)
    return tmp_path


def lint(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_every_contract_holds(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout
    assert all(f"{name} KEPT" in done.stdout for name in PLANTS)


@pytest.mark.parametrize("name", PLANTS)
def test_a_crossing_is_seen(copy: Path, name: str) -> None:
    place, line = PLANTS[name]
    with (copy / "src" / "rapha" / place).open("a") as file:
        file.write(f"\n{line}\n")
    done = lint(copy)
    assert done.returncode != 0
    assert f"{name} BROKEN" in done.stdout


def test_a_new_room_must_say_where_it_stands(copy: Path) -> None:
    (copy / "src" / "rapha" / "attic.py").write_text("")
    done = lint(copy)
    assert done.returncode != 0
    assert "attic" in done.stdout
