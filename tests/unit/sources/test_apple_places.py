"""Where exports lie: folders of many, damaged and hostile files, and what becomes of the others."""

import zipfile

import pytest
from apple_wearer import MAPPING, SECRET, Wearer, heart

from rapha.cli.demo.made_up_wearers import export_xml, record
from rapha.errors import SourceError
from rapha.timeline.pseudonym import subject_key


@pytest.fixture
def wearer(tmp_path):
    return Wearer(tmp_path)


def test_a_folder_of_many_and_one_that_is_damaged(wearer):
    for name, rate in (("a.zip", 60), ("b.zip", 61), ("c.zip", 80), ("d.zip", 62)):
        wearer.put(heart("08:00:00", rate), name=name)
    whole = (wearer.folder / "b.zip").read_bytes()
    (wearer.folder / "b.zip").write_bytes(whole[: len(whole) // 2])
    (wearer.folder / "d.zip").unlink()
    (wearer.folder / "d.zip").symlink_to(wearer.folder / "a.zip")
    (wearer.folder / "whose.csv").write_text(
        "file,patient,zone\na.zip,p1,\nb.zip,p2,\nc.zip,p3,Asia/Tokyo\nd.zip,p4,\n../a.zip,p5,\na.zip,p6,\nmissing.zip,p7,\n,p8,\n"
    )
    wearer.mapping.write_text(MAPPING.replace("patient: p1", "patients: whose.csv"))
    report = wearer.ingest()
    assert report.patients == 2
    aside = {file.file: list(file.set_aside) for file in report.files}
    assert aside == {
        "a.zip": [], "c.zip": [],
        "b.zip": ["is no whole zip: damaged, cut short or encrypted; nothing of it was read"],
        "d.zip": ["is a link, which is not followed; nothing of it was read"],
        "missing.zip": ["No such file or directory; nothing of it was read"],
        "whose.csv": ["`file` is no plain name of a file in this folder", "this file is in the list before", "`file` or `patient` is empty"],
    }  # fmt: skip
    daily = "system = 'apple-health-daily' AND code = 'heart-rate'"
    assert wearer.ask("hour(timezone('UTC', t_start)), num", where=daily) == [(15, 80.0), (23, 60.0)]


def test_what_is_set_aside_is_told_of_the_export_it_stood_in(wearer):
    (wearer.folder / "a.zip").write_bytes(b"PK no zip")
    caffeine = record("DietaryCaffeine", "2024-01-02 08:00:00 +0100", "2024-01-02 08:00:00 +0100", 64, "mg")
    wearer.put(heart("08:00:00", 60), name="b.zip")
    wearer.put(heart("08:00:00", 60), caffeine, name="c.zip")
    (wearer.folder / "whose.csv").write_text("file,patient\na.zip,p1\nb.zip,p2\nc.zip,p3\n")
    wearer.mapping.write_text(MAPPING.replace("patient: p1", "patients: whose.csv"))
    wearer.ingest()
    lines = (wearer.timeline / "set-aside" / "watches.csv").read_text().splitlines()
    assert lines[1:] == [
        'a.zip,,"is no whole zip: damaged, cut short or encrypted",1',
        "c.zip,HKQuantityTypeIdentifierDietaryCaffeine,is of a type that is not read,1",
    ]


def test_two_exports_of_one_patient_are_one_patient_and_the_later_knows_better(wearer):
    """The first was made at noon of the 2nd, the second a day later: the 2nd is whole in the second alone."""
    wearer.put(heart("08:00:00", 60), name="old.zip")
    at = "2024-01-03 08:00:00 +0100"
    wearer.put(
        heart("08:00:00", 60), heart("16:00:00", 80), record("HeartRate", at, at, 70, "count/min"), name="new.zip"
    )
    (wearer.folder / "whose.csv").write_text("file,patient\nold.zip,p1\nnew.zip,p1\n")
    wearer.mapping.write_text(MAPPING.replace("patient: p1", "patients: whose.csv"))
    assert wearer.ingest().patients == 1
    assert wearer.ask("day(t_end), num", where="code = 'heart-rate' AND system = 'apple-health-daily'") == [
        (2, 70.0),
        (3, 70.0),
    ]
    assert len(wearer.ask("subject_key, t_start", "observation_periods")) == 1
    assert len(wearer.ask("DISTINCT event_id, 1")) == len(wearer.ask("event_id, 1"))


def test_one_export_that_cannot_be_read_is_told_in_a_sentence(wearer):
    with pytest.raises(SourceError, match=r"export\.zip is missing: give the export\.zip"):
        wearer.ingest()
    wearer.zip.write_bytes(b"PK no zip")
    with pytest.raises(SourceError, match=r"export\.zip is no whole zip"):
        wearer.ingest()
    assert not (wearer.timeline / "timeline.json").exists()


def member(name, **attributes):
    info = zipfile.ZipInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        (member("../../etc/cron.d/x"), "leads out of the zip"),
        (member("/etc/x"), "leads out of the zip"),
        (member("a/link", external_attr=0o120777 << 16), "is a link"),
        (member("b/export.xml"), "no export.xml, or several"),
    ],
)
def test_a_zip_with_tricks_is_refused(wearer, info, reason):
    wearer.put(heart("08:00:00", 60))
    with zipfile.ZipFile(wearer.zip, "a") as archive:
        archive.writestr(info, "x")
    with pytest.raises(SourceError, match=reason):
        wearer.ingest()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(wearer):
    wearer.put(heart("08:00:00", 60))
    with zipfile.ZipFile(wearer.zip, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("apple_health_export/bomb.csv", b"\0" * (20 << 20))
    with pytest.raises(SourceError, match="unpacks to far more than any export"):
        wearer.ingest()


def test_a_phone_in_another_language_calls_the_file_otherwise(wearer):
    with zipfile.ZipFile(wearer.zip, "w") as archive:
        archive.writestr("apple_health_export/导出.xml", export_xml([heart("08:00:00", 60)]))
        archive.writestr("apple_health_export/export_cda.xml", "<ClinicalDocument/>")
    assert wearer.ingest().patients == 1


def test_sources_that_share_their_patients_say_one_word(wearer):
    wearer.put(heart("08:00:00", 60))
    wearer.mapping.write_text(MAPPING + "people: town\n")
    wearer.ingest()
    assert wearer.ask("subject_key, 1", "subjects") == [(subject_key(SECRET, "town", "p1"), 1)]
