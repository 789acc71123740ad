"""What `bootstrap.py` decides: when there is nothing to do, where torch comes from, what it says when it is stuck."""

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def bootstrap(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, in a copy of the checkout that has its two inputs and no .venv; every command it runs succeeds."""
    for name in ("bootstrap.py", "pyproject.toml"):
        shutil.copy(checkout / name, tmp_path)
    spec = importlib.util.spec_from_file_location("bootstrap", tmp_path / "bootstrap.py")
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "ran", [], raising=False)

    def run(*command: str, show: bool = False) -> int:
        script.ran.append(command)
        script.VENV.mkdir(exist_ok=True)
        return 0

    monkeypatch.setattr(script, "run", run)
    return script


def pips(script: ModuleType) -> list[tuple[str, ...]]:
    return [command for command in script.ran if "install" in command and "pip" in command]


def test_torch_goes_first_and_alone_and_the_second_run_is_a_no_op(bootstrap: ModuleType) -> None:
    assert bootstrap.main() == 0
    first, second = pips(bootstrap)
    assert [word for word in first if word.startswith("torch==")] == [bootstrap.pinned_torch()]
    assert not any("rapha" in word or "hub,node" in word for word in first[first.index("install") :])
    assert any(word.endswith(f"[{bootstrap.EXTRAS}]") for word in second)
    bootstrap.ran.clear()
    assert bootstrap.main() == 0
    assert bootstrap.ran == []


def test_a_changed_pyproject_is_installed_again(bootstrap: ModuleType) -> None:
    bootstrap.main()
    with (bootstrap.ROOT / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    bootstrap.ran.clear()
    bootstrap.main()
    assert len(pips(bootstrap)) == 2


def test_every_extra_it_installs_exists(bootstrap: ModuleType) -> None:
    import tomllib

    extras = tomllib.loads((bootstrap.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(bootstrap.EXTRAS.split(",")) == set(extras)


def test_torch_comes_from_pips_own_index_unless_one_is_named(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(bootstrap.TORCH_INDEX, raising=False)
    assert bootstrap.index_for_torch() == []
    monkeypatch.setenv(bootstrap.TORCH_INDEX, "https://mirror.example/cpu")
    bootstrap.main()
    first, second = pips(bootstrap)
    assert first[first.index("--index-url") + 1] == "https://mirror.example/cpu"
    assert "--index-url" not in second


def failing(script: ModuleType, when: Callable[[tuple[str, ...]], bool]) -> Callable[..., int]:
    kept = script.run

    def run(*command: str, show: bool = False) -> int:
        return 1 if when(command) else kept(*command, show=show)

    return run


def test_a_pip_that_fails_is_said_plainly_and_leaves_no_stamp(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "run", failing(bootstrap, lambda command: "install" in command))
    assert bootstrap.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("error: pip could not install this")
    assert "no network" in said
    assert bootstrap.read_stamp() == ""


def test_a_python_without_venv_names_the_package(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        bootstrap, "run", failing(bootstrap, lambda command: command[1:2] != ("-m",) or "venv" in command)
    )
    assert bootstrap.main() == 1
    assert "apt-get install python3-venv" in capsys.readouterr().err


@pytest.mark.parametrize("root", [True, False])
def test_bubblewrap_is_installed_where_we_may_and_else_named(
    root: bool, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = {"apt-get": "/usr/bin/apt-get"}
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", there.get)
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 0 if root else 1000)
    bootstrap.offer_bubblewrap()
    assert any("bubblewrap" in command for command in bootstrap.ran) == root
    assert ("With root: apt-get install bubblewrap" in capsys.readouterr().out) == (not root)


@pytest.mark.parametrize("may", [True, False])
def test_only_the_tools_that_are_missing_are_installed_and_else_named(
    may: bool, bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = {"npm", *(["apt-get"] if may else [])}
    monkeypatch.setattr(sys, "argv", ["bootstrap.py", "tools"])
    monkeypatch.setattr(shutil, "which", lambda name, path="": name if name in there else None)
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 0)
    assert bootstrap.main() == 0
    said = capsys.readouterr().out
    assert "chromium" in said and "nodejs" not in said
    assert ("so tests that need them are skipped" in said) == (not may)
    assert any("chromium" in command for command in bootstrap.ran) == may


def test_an_old_python_says_which_one_it_needs(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert bootstrap.main() == 1
    assert "Python 3.11 or later is needed, this is 3.9" in capsys.readouterr().err
