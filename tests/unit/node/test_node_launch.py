"""What the launcher on another machine says of its walls."""

from pathlib import Path

from rapha.node.sandbox.launch import layers_of
from rapha.node.sandbox.port import RunFolder, Walls


class GivesAll:
    """Stands in for a backend on a machine whose user was handed a control group."""

    name, isolated = "made-up", True
    layers = ("namespaces", "control group", "seccomp")

    def check(self) -> None: ...

    def give_up(self, run: Path) -> None: ...

    def start(self, *given: object, **named: object) -> None: ...

    def entrance(self, run: RunFolder) -> tuple[list[str], dict[str, str]]:
        return [], {}


def test_a_control_group_that_the_launcher_does_not_make_is_not_promised() -> None:
    walls: Walls = GivesAll()  # type: ignore[assignment]
    assert layers_of(walls) == ("namespaces", "seccomp")
