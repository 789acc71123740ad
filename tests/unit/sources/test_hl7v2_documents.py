"""Documents (MDM) become notes: which text, under which status, known when."""

import hashlib
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from test_hl7v2_rows import Ward, head

TEXT = ("TX|18842-5^Letter^LN||Seen today.~No fever.", "FT|18842-5^Letter^LN||Stable\\.br\\at discharge")


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def document(
    trigger: str = "T02", lines: tuple[str, ...] = TEXT, name: str = "d1^EHR", parent: str = "", done: str = "AU",
    available: str = "", at: str = "20190501120000", written: str = "20190501100000", **more: str,
) -> str:  # fmt: skip
    fields = [""] * 20
    fields[0], fields[1], fields[2], fields[4], fields[7] = "TXA", "1", "DS", "201905010830", written
    fields[12], fields[13], fields[17], fields[19] = name, parent, done, available
    obx = "".join(f"OBX|{at + 1}|{line}||||||F\r" for at, line in enumerate(lines))
    return head(f"MDM^{trigger}", at=at, **more) + "|".join(fields) + "\r" + obx


def test_a_document_is_a_note_with_its_text(ward: Ward) -> None:
    report = ward.ingest(document())
    assert (report.events, report.set_aside) == (1, 0)
    assert ward.only("kind, system, code, status, t_start::VARCHAR, t_available::VARCHAR") == (
        "note", "http://loinc.org", "18842-5", "final", "2019-05-01 06:30:00+00", "2019-05-01 08:00:00+00",
    )  # fmt: skip
    text = "Seen today.\nNo fever.\nStable\nat discharge"
    assert ward.only("asset") == (hashlib.sha256(text.encode()).hexdigest(),)
    [(asset, held_in)] = ward.rows("asset, held_in", "assets")
    assert (ward.folder / "timeline" / "contents" / held_in / asset).read_text() == text


def test_a_mapping_says_in_which_language_documents_are(ward: Ward) -> None:
    with (ward.folder / "lab.mapping.yaml").open("a") as mapping:
        mapping.write("language: en\n")
    ward.ingest(document())
    assert ward.rows("author, language", "notes") == [(None, "en")]


def test_without_a_known_code_the_type_of_document_is_the_code_and_without_a_time_the_message_s(ward: Ward) -> None:
    ward.ingest(document(lines=("TX|x^X^L||Seen.",), written=""))
    assert ward.only("system, code, t_available::VARCHAR") == ("hl7v2:document-type", "DS", "2019-05-01 10:00:00+00")


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"done": "LA"}, "final"), ({"done": "DO"}, "preliminary"), ({"available": "CA"}, "entered-in-error"),
        ({"available": "OB"}, "cancelled"), ({"trigger": "T08"}, "amended"), ({"trigger": "T08", "done": "IP"}, "preliminary"),
    ],
)  # fmt: skip
def test_statuses(ward: Ward, more: dict[str, str], status: str) -> None:
    ward.ingest(document(**more))  # type: ignore[arg-type]
    assert ward.only("status") == (status,)


LATER = {"at": "20190502120000", "control": "2"}


@pytest.mark.parametrize(
    ("later", "status", "first_text"),
    [
        (document("T03", (), done="LA", **LATER), "final", True),
        (document("T11", (), **LATER), "entered-in-error", True),
        (document("T08", ("TX|a||Edited.",), **LATER), "amended", False),
        (document("T04", ("TX|a||Signed.",), **LATER), "final", False),
    ],
)
def test_the_newest_text_under_the_newest_status(tmp_path: Path, later: str, status: str, first_text: bool) -> None:
    for at, texts in enumerate(permutations([document(done="PA"), later])):
        folder = tmp_path / str(at)
        folder.mkdir()
        ward = Ward(folder)
        ward.ingest(*texts, texts[0])
        [(found, asset)] = ward.rows("status, asset")
        assert found == status
        assert (asset == hashlib.sha256(b"Seen today.\nNo fever.\nStable\nat discharge").hexdigest()) is first_text


def test_a_replaced_document_is_cancelled_and_an_addendum_stands_beside_it(ward: Ward) -> None:
    replacing = document("T10", ("TX|a||New.",), name="d2^EHR", parent="d1^EHR", **LATER)
    adding = document("T06", ("TX|a||More.",), name="d3^EHR", parent="d2^EHR", at="20190503120000", control="3")
    ward.ingest(replacing, document(), adding)
    assert [status for (status,) in ward.rows("status")] == ["cancelled", "final", "final"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (document(name=""), "not one document"),
        (document(lines=("ED|a||pdf^x",)), "no text (OBX-2)"),
        (document(lines=()), "without text"),
        (document(lines=("TX|a||Gone.||||||D",)).replace("||||||F", ""), "without text"),
        (document(done=""), "completion status"),
        (document().replace("201905010830", "soon"), "activity"),
        (document(written="soon"), "transcription"),
        (head("MDM^T12"), "type"),
    ],
)
def test_what_is_no_document(ward: Ward, text: str, reason: str) -> None:
    report = ward.ingest(text)
    assert reason in report.in_words() and report.events == 0
    assert ward.rows("1", "assets") == []
    assert "Gone" not in report.in_words()


def test_a_status_alone_makes_no_note(ward: Ward) -> None:
    report = ward.ingest(document("T01", ()))
    assert (report.events, report.set_aside) == (0, 0)


def asked(ward: Ward) -> list[Any]:
    return ward.rows("subject_key", "assets")


def test_a_document_follows_its_patient_through_a_merge(ward: Ward) -> None:
    ward.ingest(document(), head("ADT^A40", at="20190601120000", who="p2", control="9") + "MRG|p1^^^HOSP\r")
    assert asked(ward) == ward.rows("subject_key", "subjects") == ward.rows("subject_key")
