"""One suite for each way to an archive of images: DICOMweb, C-GET and C-MOVE at a real Orthanc, C-GET and C-MOVE at one made of pynetdicom."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("pydicom", reason="the imaging extra is not installed")
pytest.importorskip("pynetdicom", reason="the imaging extra is not installed")
from archives import Place, Shelf, free_port, made_of_pynetdicom, orthanc, orthanc_program
from typer.testing import CliRunner

from rapha.cli.demo.made_up_scans import write_scan
from rapha.cli.node import app
from rapha.errors import ConfigurationError, Unreachable
from rapha.node.configuration import NodeConfiguration, write_configuration
from rapha.sources.dicom import ingest
from rapha.sources.pacs import DimseFile, Fetched, WebFile, fetch
from rapha.sources.pacs.archive import Archive
from rapha.sources.pacs.dimse import Dimse
from rapha.sources.pacs.server_file import Days
from rapha.sources.pacs.web import Web

WAYS: list[Any] = ["orthanc-web", "pynetdicom-get"]
WAYS += [pytest.param(way, marks=pytest.mark.slow) for way in ("orthanc-get", "orthanc-move", "pynetdicom-move")]
VOXELS = np.arange(4 * 8 * 8, dtype=np.int16).reshape(4, 8, 8)
TODAY = date(2015, 6, 30)
MAPPING = "source: radiology\nformat: dicom\nmodalities: [CT]\navailable: same\n"


class Site(NamedTuple):
    """A way to an archive with one CT of four slices in it, and a folder."""

    folder: Path
    place: Place
    way: str
    receiver: int

    def archive(self, **more: Any) -> Archive:
        shared = {"source": "pacs", "modalities": ["CT"], "days": {"from": "2015-06-01"}} | more
        if self.way == "web":
            (self.folder / "password").write_text("a-password\n")
            auth = {"user": "rapha", "password_file": str(self.folder / "password")}
            return Web(WebFile.model_validate({"format": "dicomweb", "server": self.place.web, "auth": auth} | shared))
        own = {"format": "dimse", "host": "127.0.0.1", "port": self.place.port, "their_title": self.place.title}
        move = {"move": {"port": self.receiver}} if self.way == "move" else {}
        return Dimse(DimseFile.model_validate(own | move | shared))

    def fetch(self, **more: Any) -> Fetched:
        days = Days.model_validate({"from": "2015-06-01", "to": "2015-06-03"})
        return fetch(self.archive(**more), days, ("CT",), self.folder / "data", TODAY, lambda _: None)

    def put(self, patient: str = "p1", seed: int = 1, **more: Any) -> list[bytes]:
        elements = {"StudyDate": "20150601", "StudyTime": "093000"} | more
        paths = write_scan(self.folder / "made", patient, date(2015, 6, 1), VOXELS, random.Random(seed), **elements)
        contents = [path.read_bytes() for path in paths]
        for content in contents:
            self.place.put(content)
        return contents

    def files(self) -> list[Path]:
        return sorted(path for path in (self.folder / "data").rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def orthanc_at_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, int]]:
    if orthanc_program() is None:
        pytest.skip("no Orthanc on this machine: apt-get install orthanc orthanc-dicomweb")
    receiver = free_port()
    with orthanc(tmp_path_factory.mktemp("orthanc"), receiver) as place:
        yield place, receiver


@pytest.fixture(params=WAYS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    archive, way = request.param.split("-")
    with ExitStack() as opened:
        if archive == "orthanc":
            place, receiver = request.getfixturevalue("orthanc_at_hand")
            _empty(place)
        else:
            shelf = Shelf()
            place, receiver = opened.enter_context(made_of_pynetdicom(shelf)), free_port()
            shelf.receiver = receiver
        made = Site(tmp_path, place, way, receiver)
        made.put()
        yield made


def _empty(place: Place) -> None:
    import httpx2

    url, who = place.web.removesuffix("/dicom-web"), ("rapha", "a-password")
    for patient in httpx2.get(f"{url}/patients", auth=who).json():
        httpx2.delete(f"{url}/patients/{patient}", auth=who).raise_for_status()


def test_what_comes_is_a_volume_of_the_timeline(site: Site) -> None:
    assert site.fetch() == Fetched(series=1, images=4, kept=0, failed=0)
    (site.folder / "m.yaml").write_text(MAPPING)
    report = ingest(
        site.folder / "m.yaml", site.folder / "data", site.folder / "timeline", b"a secret of this site: 32 bytes."
    )
    assert (report.files[0].rows, report.files[0].events, report.files[0].set_aside) == (4, 2, {})


def test_again_brings_nothing_and_later_what_is_new(site: Site) -> None:
    site.fetch()
    before = {path: path.stat().st_mtime_ns for path in site.files()}
    assert site.fetch() == Fetched(series=0, images=0, kept=1, failed=0)
    site.put("p2", 2)
    assert site.fetch() == Fetched(series=1, images=4, kept=1, failed=0)
    assert {path: path.stat().st_mtime_ns for path in site.files() if path in before} == before


def test_other_days_and_other_modalities_stay_where_they_are(site: Site) -> None:
    site.put("p2", 2, StudyDate="20150610")
    site.put("p3", 3, Modality="MR")
    assert site.fetch().series == 1


def test_a_file_that_was_lost_here_comes_again(site: Site) -> None:
    site.fetch()
    site.files()[2].unlink()
    assert site.fetch() == Fetched(series=1, images=4, kept=0, failed=0)
    assert len(site.files()) == 4


def test_no_name_of_a_file_says_what_is_in_it(site: Site) -> None:
    site.put("p2", 2, PatientName="Canary^Carla")
    site.fetch()
    for path in site.files():
        assert "anary" not in str(path) and "1.2.826" not in str(path)


def test_an_image_larger_than_allowed_is_not_kept(site: Site) -> None:
    archive = site.archive()
    archive._asked = archive._asked.model_copy(update={"largest_mb": 0})  # type: ignore[attr-defined]
    got = fetch(
        archive,
        Days.model_validate({"from": "2015-06-01", "to": "2015-06-01"}),
        ("CT",),
        site.folder / "data",
        TODAY,
        lambda _: None,
    )
    assert (got.series, got.failed, site.files()) == (0, 1, [])


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # pynetdicom leaves a socket to the collector
def test_an_archive_that_is_not_there(site: Site) -> None:
    gone = site._replace(place=site.place._replace(web="http://127.0.0.1:1/dicom-web", port=1))
    with pytest.raises(Unreachable):
        gone.fetch()


def test_the_command_brings_them_and_says_how_many(site: Site) -> None:
    site.put("p2", 2)
    (site.folder / "home").mkdir()
    node = NodeConfiguration(site="st-anna", name="St Anna", hub_url="http://hub", hub="hub", hub_key="k")
    write_configuration(site.folder / "home" / "node.yaml", node)
    site.archive()  # writes the password's file
    if site.way == "web":
        more = f"format: dicomweb\nserver: {site.place.web}\nauth: {{user: rapha, password_file: {site.folder / 'password'}}}\n"
    else:
        more = f"format: dimse\nhost: 127.0.0.1\nport: {site.place.port}\ntheir_title: {site.place.title}\n"
        more += f"move: {{port: {site.receiver}}}\n" if site.way == "move" else ""
    file = site.folder / "a.server.yaml"
    file.write_text(f"source: pacs\nmodalities: [CT]\ndays: {{from: 2015-06-01, to: 2015-06-02}}\n{more}")
    words = ["fetch", str(site.folder / "home"), str(file), str(site.folder / "data")]
    told = CliRunner().invoke(app, words, catch_exceptions=False)
    assert (told.exit_code, "2 series with 8 images brought, 0 lay in" in told.stdout) == (0, True)
    assert "1.2.826" not in told.output and "p2" not in told.output.replace(str(site.folder), "")


def test_a_folder_with_something_else_in_it_is_left_alone(site: Site) -> None:
    (site.folder / "data").mkdir()
    (site.folder / "data" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="give it a folder of its own"):
        site.fetch()
