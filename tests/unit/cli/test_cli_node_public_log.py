"""`rapha node public-log`, as it is typed, with a hub on loopback: what is kept, what contradicted it, and a steward who goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_hub import Heard, Said, hostile_hub
from small_log import trusted_log
from small_public_log import HUB_PEM, SmallPublicLog
from test_cli_node_policy import rapha

from rapha.cli.node_public_log import pinned_in_words
from rapha.errors import RaphaError
from rapha.node.agent import lock_home
from rapha.node.configuration import NodeConfiguration, write_configuration
from rapha.node.keys import make_secrets
from rapha.node.public_log_files import KEPT, OPTION, REFUSED


class Town:
    """A hub on loopback that shows `log`, and a node's home."""

    def __init__(self, folder: Path) -> None:
        self.home, self.log = folder / "node", SmallPublicLog()

    def answer(self, heard: Heard) -> Said:
        try:
            return Said(200, self.log.public(heard.path, 1 << 30))
        except RaphaError:
            return Said(404, b"{}")


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    made.home.mkdir()
    make_secrets(made.home)
    with hostile_hub(made.answer) as url:
        settings = NodeConfiguration(site="north", name="N", hub_url=url, hub="hub", hub_key=HUB_PEM)
        write_configuration(made.home / "node.yaml", settings)
        yield made


def test_a_new_home_keeps_it_from_the_beginning_and_says_what(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    assert rapha("public-log", town.home) == (
        0,
        "nothing is kept of the public log yet: the agent's next start does that\n",
    )
    town.log.fill(300)
    said = pinned_in_words(town.home)
    assert capsys.readouterr() == ("", "")  # once, by who asked
    assert "at the hub's word, this once" in said and "300 entries" in said and trusted_log().keyid in said
    code, shown = rapha("public-log", town.home)
    assert code == 0 and "300 entries" in shown and trusted_log().keyid in shown


def test_a_hub_that_shows_no_log_does_not_fail_a_new_home(town: Town) -> None:
    town.log.instead["/log/checkpoint"] = RaphaError("none")
    assert "is not kept yet" in pinned_in_words(town.home)
    assert not (town.home / KEPT).exists()


def test_a_steward_goes_on_with_a_hub_that_was_put_back(town: Town) -> None:
    town.log.fill(300)
    pinned_in_words(town.home)
    town.log = SmallPublicLog()
    town.log.fill(200)
    assert "put back from an older copy" in pinned_in_words(town.home)
    assert rapha("public-log", town.home)[0] == 0
    code, said = rapha("public-log", town.home, OPTION)
    assert code == 0 and "200 entries" in said


def test_what_contradicted_it_is_shown_and_a_steward_goes_on_with_the_agent_stopped(town: Town) -> None:
    town.log.fill(300)
    pinned_in_words(town.home)
    assert rapha("public-log", town.home, OPTION)[0] == 13
    town.log = SmallPublicLog()
    town.log.fill(301, "another")
    said = pinned_in_words(town.home)  # where a home is enrolled anew at the same hub
    assert said.startswith("enrolled, but the agent will not begin: ") and "does not continue" in said
    code, said = rapha("public-log", town.home)
    assert (
        code == 11
        and "does not continue the one of 300" in said
        and str(town.home / REFUSED) in said
        and OPTION in said
    )
    with lock_home(town.home):
        code, said = rapha("public-log", town.home, OPTION)
    assert code == 4 and "stop it first" in said
    code, said = rapha("public-log", town.home, OPTION)
    assert code == 0 and "301 entries" in said
    assert rapha("public-log", town.home)[0] == 0
