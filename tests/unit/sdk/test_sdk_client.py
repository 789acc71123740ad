"""The client against a hub that behaves, and one that does not."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import delivered_sample as sample
import httpx2
import pytest
from fake_hub import FakeHub, client_of, problem

import rapha
from rapha.errors import ConfigurationError, Conflict, NotPermitted, NotYetPossible, RaphaError, StudyError, Unreachable
from rapha.records.wire import Event
from rapha.sdk.client import PATIENCE, back_off

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def events(*names: str) -> list[Event]:
    return [Event(number=at + 1, at=AT, event=name) for at, name in enumerate(names)]


def test_a_study_or_its_file_is_submitted_as_it_is(tmp_path: Path) -> None:
    hub, study = FakeHub(), sample.example("time-to-death")
    with client_of(hub) as client:
        assert client.submit(study).study_digest == study.digest
        client.submit(sample.CHECKOUT / "examples/time-to-death/study.yaml")
    assert hub.studies == [study, study]


def test_a_wrong_file_is_not_sent(tmp_path: Path) -> None:
    hub = FakeHub()
    (tmp_path / "study.yaml").write_text("study: x\n")
    with pytest.raises(StudyError, match="the key 'cohort' is missing"):
        client_of(hub).submit(tmp_path / "study.yaml")
    assert not hub.asked


def test_watch_gives_every_event_once_and_ends_with_the_last() -> None:
    hub = FakeHub()
    hub.events = events("study.submitted", "study.routed", "study.completed", "never.asked.for")
    assert [event.number for event in islice(client_of(hub).watch("st-1"), 9)] == [1, 2, 3]


@pytest.mark.parametrize("last", ["study.completed", "study.failed", "study.refused", "study.cancelled"])
def test_watch_knows_every_end(last: str) -> None:
    hub = FakeHub()
    hub.events = events("study.submitted", last)
    assert len(list(client_of(hub).watch("st-1"))) == 2


def test_watch_survives_a_hub_that_restarts() -> None:
    hub, waits = FakeHub(), []
    hub.events = events("study.submitted", "study.completed")
    watching = client_of(hub, pause=waits.append).watch("st-1")
    assert next(watching).number == 1
    hub.faults = [
        httpx2.RemoteProtocolError("cut"),
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
        httpx2.Response(502, content=b"<html>a proxy</html>"),
        httpx2.Response(200, content=b"not json"),
    ]
    assert [event.number for event in watching] == [2]
    assert len(waits) == 5
    assert max(waits) <= 8


def test_watch_is_patient_anew_after_every_answer() -> None:
    hub = FakeHub()
    hub.events = events("study.submitted", "study.routed", "study.completed")
    watching = client_of(hub).watch("st-1")
    for number in (1, 2, 3):
        hub.faults = [httpx2.ConnectError("refused")] * (PATIENCE - 1)
        assert next(watching).number == number


def test_watch_gives_up_in_the_end() -> None:
    hub, waits = FakeHub(), []
    hub.faults = [httpx2.ConnectError("refused")] * 50
    with pytest.raises(Unreachable, match=r"nobody answers at https://hub\.example; check the address"):
        list(client_of(hub, pause=waits.append).watch("st-1"))
    assert len(waits) == PATIENCE
    assert 60 < sum(waits) < 300


def test_watch_does_not_ask_on_when_it_is_not_permitted() -> None:
    hub = FakeHub()
    with pytest.raises(NotPermitted):
        list(client_of(hub, token="another").watch("st-1"))
    assert len(hub.asked) == 1


def test_back_off_doubles_to_half_a_minute() -> None:
    assert all(0.5 * min(30, 0.25 * 2**n) <= back_off(n) <= min(30, 0.25 * 2**n) for n in range(20))


def test_a_problem_becomes_the_error_it_names_with_its_hint() -> None:
    hub = FakeHub()
    with pytest.raises(NotPermitted) as raised:
        client_of(hub, token="another").sites()
    assert str(raised.value) == "https://hub.example: This token is not known; ask the hub's operator for another"
    hub.faults = [problem(409, "conflict", "The study has ended.", None)]
    with pytest.raises(Conflict, match=r"^https://hub.example: The study has ended$"):
        client_of(hub).cancel("st-1")
    hub.faults = [problem(400, "not-yet-possible", "differential privacy is not yet possible here.", None)]
    with pytest.raises(NotYetPossible):
        client_of(hub).submit(sample.example("time-to-death"))
    with pytest.raises(RaphaError, match="There is no /studies/none here"):
        client_of(hub).status("none")


def test_an_answer_that_no_hub_wrote_is_said_to_be_so() -> None:
    hub = FakeHub()
    hub.faults = [httpx2.Response(403, content=b"<html>blocked</html>"), httpx2.Response(200, content=b"{}")]
    with pytest.raises(NotPermitted, match="answered 403 without saying why; is a Rapha hub at this address"):
        client_of(hub).sites()
    with pytest.raises(Unreachable, match="a way this version does not know"):
        client_of(hub).sites()


def test_a_certificate_nobody_knows_leads_to_ca() -> None:
    hub = FakeHub()
    hub.faults = [httpx2.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")]
    with pytest.raises(Unreachable, match="name its certificate authority with --ca"):
        client_of(hub).sites()


@pytest.mark.parametrize("study_id", ["", "../sites", "a/b", "a?b", "é"])
def test_an_id_cannot_be_another_address(study_id: str) -> None:
    hub = FakeHub()
    with pytest.raises(ConfigurationError, match="is not the id of a study"):
        client_of(hub).status(study_id)
    assert not hub.asked


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("hub.example", "is not the address of a hub"),
        ("ftp://hub.example", "is not the address of a hub"),
        ("https://", "is not the address of a hub"),
        ("http://hub.example", "would show the token to everybody"),
        ("http://10.0.0.1:8000", "would show the token to everybody"),
    ],
)
def test_an_address_that_is_refused(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        rapha.connect(url, "token")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost:8000/", "https://hub.example/rapha/"]
)
def test_an_address_that_is_taken(url: str) -> None:
    with rapha.connect(url, "token") as client:
        assert client._where == url.rstrip("/")


def test_a_token_and_an_authority_that_cannot_be(tmp_path: Path) -> None:
    for token in ("", "two\nlines", "é"):
        with pytest.raises(ConfigurationError, match="copy it again"):
            rapha.connect("https://hub.example", token)
    (tmp_path / "ca.pem").write_text("no certificate")
    for path in (tmp_path / "ca.pem", tmp_path / "none.pem"):
        with pytest.raises(ConfigurationError, match="cannot be read as a PEM file"):
            rapha.connect("https://hub.example", "token", ca=path)


def test_a_lost_answer_to_a_submission_is_asked_for_again_under_the_same_key() -> None:
    hub, waits = FakeHub(), []
    hub.faults = [httpx2.ReadTimeout("lost")] * 2
    client_of(hub, pause=waits.append).submit(sample.example("time-to-death"))
    assert len(waits) == 2 and len(set(hub.keys)) == 1 and len(hub.studies) == 1
    hub.faults = [httpx2.ConnectError("refused")] * 3
    with pytest.raises(Unreachable):
        client_of(hub, pause=waits.append).submit(sample.example("time-to-death"))
