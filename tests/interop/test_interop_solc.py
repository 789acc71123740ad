"""The compiled contract in the package is the one whose source is in `contracts/`."""

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from kept_environments import kept


@pytest.fixture(scope="module")
def compiling(checkout: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location("compile_contracts", checkout / "contracts" / "compile.py")
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_artefact_is_of_this_source(checkout: Path, compiling: ModuleType) -> None:
    for name, path in compiling.CONTRACTS.items():
        source = (checkout / "contracts" / f"{name}.sol").read_bytes()
        assert json.loads(path.read_bytes())["source"] == f"sha256:{hashlib.sha256(source).hexdigest()}", (
            f"{name}.sol has changed: python contracts/compile.py"
        )


@pytest.mark.slow
def test_compiling_again_gives_the_same_bytes(compiling: ModuleType) -> None:
    place = kept(["solc", compiling.SOLC, compiling.OPENZEPPELIN], compiling.install)
    if place is None:
        pytest.skip("npm could not install solc here")
    for name, path in compiling.CONTRACTS.items():
        assert compiling.artefact(name, place) == path.read_bytes()
