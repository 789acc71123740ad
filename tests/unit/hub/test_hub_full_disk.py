"""A hub whose disk is full says so, loses nothing, and goes on when there is room."""

import dataclasses
import os

from safetensors.numpy import save
from sqlalchemy import event
from test_hub_life import recruit, task_of

from rapha.canonical import digest
from rapha.errors import DiskFull
from rapha.hub.blobs import BlobMemory
from rapha.hub.small_blobs import keep_small


class FullBlobs(BlobMemory):
    """No room for anything new."""

    def draft(self):
        raise DiskFull("no space left in /srv/hub/blobs: make room there and try again")


def test_an_upload_is_refused_as_a_full_disk_and_taken_later(hub, token, sites, study_of):
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    task = task_of(sites[0]).task
    content = save(sites[0].tensors(task))
    roomy = hub.hub
    hub.app.state.hub = dataclasses.replace(roomy, blobs=FullBlobs())
    answer = sites[0].upload(content)
    assert answer.status_code == 507
    assert answer.json()["code"] == "disk-full" and "make room" in answer.json()["message"]
    hub.app.state.hub = roomy
    assert hub.status(study_id, token).state == "preparing"
    assert sites[0].hand_in(task, content).status_code == 204
    assert roomy.blobs.size_bytes(digest(content)) == len(content)


def test_an_update_for_which_the_database_has_no_room_is_refused_whole_and_taken_later(hub, token, sites, study_of):
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    task = task_of(sites[0]).task
    content, engine = save(sites[0].tensors(task)), hub.hub.store.database.reads

    def full(connection, _record, _proxy):
        connection.execute("PRAGMA max_page_count = 1")  # what it has: no page more

    def roomy(connection, _record, _proxy):
        connection.execute("PRAGMA max_page_count = 1000000")

    event.listen(engine, "checkout", full)
    refused = 0
    while refused < 30:  # until there is no room for another of that size on any page
        other = os.urandom(len(content))
        try:
            with hub.hub.store.changing() as change:
                keep_small(change, {digest(other): other})
        except DiskFull:
            refused += 1
    answer = sites[0].hand_in(task, content)
    assert answer.status_code == 507
    assert answer.json()["code"] == "disk-full" and "make room" in answer.json()["message"]
    assert hub.hub.blobs.size_bytes(digest(content)) is None
    event.remove(engine, "checkout", full)
    event.listen(engine, "checkout", roomy)
    assert hub.status(study_id, token).state == "preparing"
    assert sites[0].hand_in(task, content).status_code == 204
    assert hub.hub.blobs.size_bytes(digest(content)) == len(content)
