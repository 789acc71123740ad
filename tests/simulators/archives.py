"""Archives of images to fetch from: a real Orthanc, where Debian's package is installed, and one made of pynetdicom, which is honest."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from patience import until

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


class Place(NamedTuple):
    """Where an archive answers, and how to put a file into it."""

    web: str
    port: int
    title: str
    put: Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def orthanc_program() -> str | None:
    """None where it is not installed: apt-get install orthanc orthanc-dicomweb."""
    return shutil.which("Orthanc") if PLUGIN.exists() else None


@contextmanager
def orthanc(folder: Path, receiver: int) -> Iterator[Place]:
    """An Orthanc of its own, in a folder of its own, that knows RAPHA at the port `receiver`."""
    web, port = free_port(), free_port()
    settings = {
        "Name": "test", "StorageDirectory": str(folder / "storage"), "IndexDirectory": str(folder / "index"), "Plugins": [str(PLUGIN)],
        "HttpPort": web, "DicomPort": port, "DicomAet": "ORTHANC", "RemoteAccessAllowed": False, "AuthenticationEnabled": True,
        "RegisteredUsers": {"rapha": "a-password"}, "DicomModalities": {"rapha": ["RAPHA", "127.0.0.1", receiver]},
        "DicomAlwaysAllowGet": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowMove": True, "DicomCheckCalledAet": False,
        "ConcurrentJobs": 2, "HttpThreadsCount": 4, "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    url, who = f"http://127.0.0.1:{web}", ("rapha", "a-password")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(orthanc_program()), str(folder / "orthanc.json")],
            stdout=log,
            stderr=log,
            env={**os.environ, "LC_ALL": "C"},
        )
        try:
            until(lambda: _answers(f"{url}/system", who), lambda: (folder / "log").read_text(), seconds=60)
            yield Place(
                f"{url}/dicom-web",
                port,
                "ORTHANC",
                lambda content: httpx2.post(
                    f"{url}/instances", content=content, auth=who, timeout=60
                ).raise_for_status(),
            )
        finally:
            process.terminate()
            process.wait(30)


def _answers(url: str, who: tuple[str, str]) -> bool:
    try:
        return httpx2.get(url, auth=who).status_code == 200
    except httpx2.TransportError:
        return False


class Shelf:
    """What the archive made of pynetdicom holds. `withheld`: images that it names and does not give; `given`: what it gives in place of them."""

    def __init__(self) -> None:
        self.images: dict[str, Any] = {}
        self.withheld: set[str] = set()
        self.extra: list[Any] = []
        self.receiver = 0

    def put(self, content: bytes) -> None:
        import pydicom

        found = pydicom.dcmread(BytesIO(content))
        self.images[str(found.SOPInstanceUID)] = found

    def find(self, event: Any) -> Iterator[tuple[int, Any]]:
        from pydicom import Dataset

        asked = event.identifier
        tag = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[
            asked.QueryRetrieveLevel
        ]
        seen = set()
        for image in self.images.values():
            same = all(
                str(element.value)
                in ("", str(image.get("Modality" if element.keyword == "ModalitiesInStudy" else element.keyword, "")))
                for element in asked
                if element.keyword != "QueryRetrieveLevel"
            )
            if same and image.get(tag) not in seen:
                seen.add(image.get(tag))
                answer = Dataset()
                answer.QueryRetrieveLevel = asked.QueryRetrieveLevel
                setattr(answer, tag, image.get(tag))
                yield 0xFF00, answer

    def give(self, event: Any) -> Iterator[Any]:
        wanted = [
            image
            for name, image in self.images.items()
            if image.SeriesInstanceUID == event.identifier.SeriesInstanceUID and name not in self.withheld
        ] + self.extra
        if hasattr(event, "move_destination") and event.event.name == "EVT_C_MOVE":
            yield ("127.0.0.1", self.receiver)
        yield len(wanted)
        for image in wanted:
            yield 0xFF00, image


@contextmanager
def made_of_pynetdicom(shelf: Shelf) -> Iterator[Place]:
    """An archive in this process, by C-FIND, C-GET and C-MOVE."""
    from pynetdicom import AE, evt
    from pynetdicom.presentation import build_context

    here = AE(ae_title="SHELF")
    root = "1.2.840.10008.5.1.4.1.2.2."
    for model in ("1", "2", "3"):
        here.add_supported_context(root + model)
    for kind in ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"):
        here.add_supported_context(kind, scu_role=True, scp_role=True)
        here.requested_contexts = [*here.requested_contexts, build_context(kind)]
    port = free_port()
    handlers = [(evt.EVT_C_FIND, shelf.find), (evt.EVT_C_GET, shelf.give), (evt.EVT_C_MOVE, shelf.give)]
    server: Any = here.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        yield Place("", port, "SHELF", shelf.put)
    finally:
        server.shutdown()
