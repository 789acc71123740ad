"""A hub whose disk is full says so, loses nothing, and goes on when there is room."""

import dataclasses

from safetensors.numpy import save
from test_hub_life import recruit, task_of

from rapha.canonical import digest
from rapha.errors import DiskFull
from rapha.hub.blobs import BlobMemory


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
