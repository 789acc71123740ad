"""Updates of a few bytes lie in the database with their round: never a file, gone with it, and read by a hub that began with files."""

import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand, running
from patience import until
from safetensors.numpy import save
from sqlalchemy import select
from sqlalchemy.pool import QueuePool
from test_hub_life import final_weights, recruit, run_round, task_of

from rapha.canonical import base64_text, digest
from rapha.hub.blobs import BlobFolder, put, read
from rapha.hub.small_blobs import SMALL_BYTES, keep_small
from rapha.hub.store import migrating, wal
from rapha.hub.store.sqlite import SqliteFile
from rapha.hub.store.tables import SmallBlobRow
from rapha.records.wire import UpdateParcel

ROWS = {"north": 100, "south": 300}
MOMENTUM = {"learning_rate: 0.05": "learning_rate: 0.05, aggregation: fedavgm"}


def small(hub: HubAtHand) -> set[str]:
    with hub.hub.store.reading() as session:
        return set(session.scalars(select(SmallBlobRow.digest)))


def files(hub: HubAtHand) -> set[str]:
    return set(BlobFolder(hub.configuration.blobs).digests())


def test_an_update_and_what_comes_of_a_round_are_no_files(hub, token, sites, study_of):
    recruit(hub, study_of(at_least=3), token, sites)
    run_round(sites)
    works = {site: task_of(site) for site in sites}
    start = works[sites[0]].task.weights
    assert small(hub) == {start}  # of the round of statistics nothing is left but what came of it
    sent = {site: save(site.tensors(work.task)) for site, work in works.items()}
    for site in sites[:2]:
        assert site.hand_in(works[site].task, sent[site]).status_code == 204
    assert small(hub) == {start, digest(sent[sites[0]]), digest(sent[sites[1]])}
    assert read(hub.hub.blobs, digest(sent[sites[0]])) == sent[sites[0]]
    sites[2].do(works[sites[2]])
    made = task_of(sites[0]).task.weights
    assert small(hub) == {made}
    assert files(hub) == set()


def test_of_an_update_whose_round_is_over_nothing_is_left_on_the_disk_while_the_hub_runs(
    tmp_path, study_of, monkeypatch
):
    monkeypatch.setattr(wal, "QUIET_SECONDS", 0.3)
    with running(tmp_path / "hub", Clock()) as hub:
        sites = [FakeSite(hub, name, rows).join() for name, rows in ROWS.items()]
        recruit(hub, study_of(at_least=2), hub.token(), sites)
        run_round(sites)
        work = task_of(sites[0])
        content = save(sites[0].tensors(work.task))
        numbers = sites[0].tensors(work.task)["linear.weight"].tobytes()
        assert sites[0].hand_in(work.task, content).status_code == 204
        assert numbers in content and numbers in everything_of(hub.configuration.home)
        sites[1].do(task_of(sites[1]))
        task_of(sites[0])
        until(lambda: numbers not in everything_of(hub.configuration.home))


def everything_of(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.glob("hub.db*"))


def test_weights_that_are_not_small_do_not_come_with_their_update(hub, token, sites, study_of):
    recruit(hub, study_of(at_least=3), token, sites)
    task, content = task_of(sites[0]).task, bytes(SMALL_BYTES + 1)
    parcel = UpdateParcel(update=sites[0].update(task, content), weights=base64_text(content))
    answer = sites[0].send("POST", f"/node/tasks/{task.id}/update", parcel)
    assert answer.status_code == 409 and "upload them first" in answer.json()["message"]
    assert small(hub) == set()


def test_two_sites_that_send_the_same_bytes_are_two_updates(hub, token, sites, study_of):
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    run_round(sites)
    works = [task_of(site).task for site in sites]
    same = save(sites[0].tensors(works[0]))
    for site, task in zip(sites, works, strict=True):
        assert site.hand_in(task, same).status_code == 204
    run_round(sites)
    assert final_weights(hub, study_id, token)
    until_all_is_delivered(hub, study_id, token)


def test_what_another_study_still_needs_stays(hub, token, sites, study_of):
    """The sites send the same bytes to two studies; one closes its round while the other waits."""
    for _ in range(2):
        hub.submit(study_of(rounds=1, at_least=3), token)
    for site in sites:
        one = site.poll()
        for offer in (one, site.poll(considering=[one.dispatch.id])):
            assert site.approve(offer).status_code == 204
    works = []
    for site in sites:
        first = site.wait_for_work()
        until(lambda site=site, first=first: site.poll(holding=[first.task.id]))
        works.append(sorted((first, site.poll(holding=[first.task.id])), key=lambda work: work.task.study_id))
    for site, (first, second) in zip(sites, works, strict=True):
        site.do(first)
        if site is not sites[2]:
            site.do(second)
    until(lambda: sites[0].poll())
    of_first = sites[0].poll().task
    assert of_first.round == 1
    sent = {site.name: digest(save(site.tensors(works[0][0].task))) for site in sites}
    assert small(hub) == {of_first.weights, sent["north"], sent["south"]}


def test_what_a_crash_left_and_nobody_needs_goes_at_the_start(tmp_path, study_of):
    clock = Clock()
    with running(tmp_path / "hub", clock) as hub:
        sites = [FakeSite(hub, name, rows).join() for name, rows in ROWS.items()]
        recruit(hub, study_of(at_least=2), hub.token(), sites)
        run_round(sites)
        work = task_of(sites[0])
        sites[0].do(work)
        needed = small(hub)
        with hub.hub.store.changing() as change:
            keep_small(change, {digest(b"left"): b"left"})
        put(BlobFolder(hub.configuration.blobs), b"left too")
    with running(tmp_path / "hub", clock) as hub:
        assert len(needed) == 2 and small(hub) == needed and files(hub) == set()


def test_a_study_that_is_cancelled_leaves_none(hub, token, sites, study_of):
    study_id = recruit(hub, study_of(at_least=3), token, sites)
    run_round(sites)
    sites[0].do(task_of(sites[0]))
    assert len(small(hub)) == 2
    hub.hub.rounds.cancel(study_id, "ada")
    assert small(hub) == set()


def test_strangers_who_look_at_studies_do_not_wait_for_each_other(hub, token, sites, study_of):
    """Each holds a connection while it reads the scores; there is one left for this one."""
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    for _ in range(3):
        run_round(sites)
    final_weights(hub, study_id, token)
    pool = hub.hub.store.database.reads.pool
    assert isinstance(pool, QueuePool)
    with ExitStack() as held:
        while pool.checkedout() < pool.size() + pool._max_overflow - 1:
            held.enter_context(hub.hub.store.reading()).execute(select(SmallBlobRow.digest))
        assert hub.http.get(f"/explore/study/{study_id}").status_code == 200


def test_what_is_delivered_is_of_files_and_outlasts_the_table(tmp_path, study_of):
    with running(tmp_path / "hub", Clock()) as hub:
        sites = [FakeSite(hub, name, rows).join() for name, rows in ROWS.items()]
        token = hub.token()
        study_id = recruit(hub, study_of(rounds=1, at_least=2), token, sites)
        for _ in range(3):
            run_round(sites)
        weights = final_weights(hub, study_id, token)
        delivered = {file.blob for file in hub.delivery(study_id, token).files}
        assert digest(weights) in delivered
        until(lambda: (small(hub), files(hub)) == (set(), delivered))
    as_before(tmp_path / "hub")
    with running(tmp_path / "hub", Clock()) as hub:
        assert final_weights(hub, study_id, token) == weights


def as_before(home: Path) -> None:
    """The same home as a hub of the version before left it: no table of small blobs, and a file for each."""
    with sqlite3.connect(home / "hub.db") as opened:
        for (content,) in opened.execute("SELECT content FROM small_blobs").fetchall():
            put(BlobFolder(home / "blobs"), content)
    before = SqliteFile(home / "hub.db")
    with before.writes.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(migrating._MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "0007")
    before.close()


@pytest.mark.parametrize("replacements", [{}, MOMENTUM], ids=["fedavg", "momentum"])
@pytest.mark.parametrize("upgraded_in", [None, 0, 1, 2])
def test_a_hub_is_upgraded_with_a_round_open_and_ends_in_the_same_bits(tmp_path, study_of, replacements, upgraded_in):
    clock, study, sites, made = Clock(), study_of(rounds=2, at_least=2, **replacements), [], {}
    for name in ("hub", "undisturbed"):
        with running(tmp_path / name, clock) as hub:
            token = hub.token()
            sites = [FakeSite(hub, site, rows).join() for site, rows in ROWS.items()]
            study_id = recruit(hub, study, token, sites)
            for _ in range(upgraded_in or 0):
                run_round(sites)
            sites[0].do(task_of(sites[0]))
        if upgraded_in is not None and name == "hub":
            as_before(tmp_path / name)
        with running(tmp_path / name, clock) as hub:
            for site in sites:
                site.hub = hub
            lies_in_files = name == "hub" and upgraded_in is not None
            assert (small(hub) == set(), files(hub) == set()) == (lies_in_files, not lies_in_files)
            sites[1].do(task_of(sites[1]))
            for _ in range(3 - (upgraded_in or 0)):
                run_round(sites)
            made[name] = final_weights(hub, study_id, token)
            until_all_is_delivered(hub, study_id, token)
    assert made["hub"] == made["undisturbed"]


def until_all_is_delivered(hub: HubAtHand, study_id: str, token: str) -> None:
    delivered = {file.blob for file in hub.delivery(study_id, token).files}
    until(lambda: set(hub.hub.blobs.digests()) == delivered)
