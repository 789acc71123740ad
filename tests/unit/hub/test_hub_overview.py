"""What an operator sees: who is waited for, who was heard of, and whether anything runs at all."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from fake_site import FakeSite
from hub_at_hand import HubAtHand
from test_hub_life import offered, recruit, run_round
from test_hub_pauses import ask
from typer.testing import CliRunner

from rapha.cli.hub import app
from rapha.cli.hub_lock import lock_hub
from rapha.errors import ConfigurationError, Unreachable
from rapha.hub.configuration import initialise, settings_of
from rapha.hub.overview import OF_LATE, Overview, heard_by_file, overview


def seen(hub: HubAtHand, tmp_path: Path) -> Overview:
    with hub.hub.store.reading() as session:
        return overview(session, heard_by_file(tmp_path / "hub" / "seen-tokens", hub.clock()))


def test_a_study_waits_for_those_who_did_not_answer(
    hub: HubAtHand, token: str, sites: list[FakeSite], study_of: Any, tmp_path: Path
) -> None:
    north, south, west = sites
    study_id = hub.submit(study_of(rounds=1, at_least=3), token)
    for site in (north, south):
        site.approve(offered(site))
    (study,) = seen(hub, tmp_path).under_way
    assert (study.study_id, study.state, study.round, study.waits_for) == (study_id, "recruiting", None, ("west",))
    west.approve(offered(west))
    run_round([north, west])
    (study,) = seen(hub, tmp_path).under_way
    assert (study.state, study.round, study.waits_for) == ("preparing", 0, ("south",))
    assert study.deadline is not None and study.deadline > hub.clock()


def test_a_paused_study_runs_out_at_no_time_and_its_id_can_be_typed(
    hub: HubAtHand, token: str, sites: list[FakeSite], study_of: Any, tmp_path: Path
) -> None:
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    ask(hub, token, study_id, "pause")
    (study,) = seen(hub, tmp_path).under_way
    assert (study.state, study.round, study.deadline) == ("paused", 0, None)
    done = CliRunner(env={"COLUMNS": "60"}).invoke(app, ["status", str(tmp_path / "hub")])
    assert study_id in done.stdout
    ask(hub, token, study_id, "resume")
    (study,) = seen(hub, tmp_path).under_way
    assert study.deadline is not None and study.deadline > hub.clock()


def test_what_ended_is_counted(
    hub: HubAtHand, token: str, sites: list[FakeSite], study_of: Any, tmp_path: Path
) -> None:
    hub.http.post(
        f"/api/v1/studies/{recruit(hub, study_of(), token, sites)}/cancel", headers={"authorization": f"Bearer {token}"}
    )
    found = seen(hub, tmp_path)
    assert (found.under_way, found.ended) == ((), {"cancelled": 1})


def test_a_site_is_heard_while_it_asks(hub: HubAtHand, sites: list[FakeSite], tmp_path: Path) -> None:
    assert [site.heard for site in seen(hub, tmp_path).sites] == [True] * 3
    hub.clock.pass_(seconds=OF_LATE.total_seconds() + 2)
    sites[1].poll()
    assert {site.site: site.heard for site in seen(hub, tmp_path).sites} == {
        "north": False,
        "south": True,
        "west": False,
    }


def test_a_home_where_nothing_runs_ends_with_5_and_says_so(tmp_path: Path) -> None:
    home = initialise(tmp_path / "home", settings_of("trial", "127.0.0.1", 0)).home
    done = CliRunner().invoke(app, ["status", str(home)])
    assert "trial does not run" in done.stdout
    assert isinstance(done.exception, Unreachable) and done.exception.exit_code == 5


def test_a_home_where_a_hub_runs_is_told_to_a_program(tmp_path: Path) -> None:
    found = initialise(tmp_path / "home", settings_of("trial", "127.0.0.1", 0))
    with lock_hub(found.lock):
        found.url_file.write_text("http://127.0.0.1:1")
        done = CliRunner().invoke(app, ["status", str(found.home), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["runs"], told["url"], told["sites"], told["under_way"]) == (True, "http://127.0.0.1:1", [], [])
    assert told["free_mb"] > 0


def test_what_is_looked_at_keeps_its_tables(tmp_path: Path) -> None:
    """A newer package beside a hub that runs: its tables are another version's until it is started anew."""
    found = initialise(tmp_path / "home", settings_of("trial", "127.0.0.1", 0))
    assert CliRunner().invoke(app, ["status", str(found.home)]).stdout
    with closing(sqlite3.connect(found.database)) as kept, kept:
        kept.execute("UPDATE alembic_version SET version_num = '0008'")
    done = CliRunner().invoke(app, ["status", str(found.home)])
    assert isinstance(done.exception, ConfigurationError) and "revision 0008" in str(done.exception)
    with closing(sqlite3.connect(found.database)) as kept:
        assert kept.execute("SELECT version_num FROM alembic_version").fetchall() == [("0008",)]


def test_a_hub_that_is_in_the_middle_of_a_change_can_be_looked_at(tmp_path: Path) -> None:
    found = initialise(tmp_path / "home", settings_of("trial", "127.0.0.1", 0))
    CliRunner().invoke(app, ["status", str(found.home)])
    with closing(sqlite3.connect(found.database, isolation_level=None)) as busy, lock_hub(found.lock):
        busy.execute("BEGIN IMMEDIATE")
        assert CliRunner().invoke(app, ["status", str(found.home)]).exit_code == 0
