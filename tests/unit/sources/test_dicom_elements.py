"""The fast reader says what pydicom says, or nothing: on real files, on thousands of broken ones, on made-up ones."""

import logging
import random
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pydicom", reason="the imaging extra is not installed")
import pydicom
from dicom_files import broken, head, made_up, real_files

from rapha.sources.dicom import reading
from rapha.sources.dicom.elements import Doubt, Elements, More, elements
from rapha.sources.dicom.reading import NOT_DICOM, TOO_DEFLATED, UNREADABLE, by_pydicom, read_elements
from rapha.sources.dicom.wanted import WANTED

REAL = real_files()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("pydicom").setLevel(logging.NOTSET)


def ours(content: bytes) -> Elements | None:
    """By the fast reader alone; None for a doubt."""
    try:
        return elements(content, len(content), WANTED)
    except Doubt:
        return None


def exact(value: Any) -> Any:
    """To be compared: types count, and so does what is not equal to itself."""
    if isinstance(value, dict):
        return {name: exact(value[name]) for name in sorted(value)}
    return [exact(each) for each in value] if isinstance(value, tuple) else repr(value)


def agree(content: bytes, folder: Path) -> bool:
    """Whether the fast reader had an answer; if so, it is pydicom's."""
    found = ours(content)
    if found is not None:
        path = folder / "file"
        path.write_bytes(content)
        theirs = by_pydicom(path, WANTED)
        assert not isinstance(theirs, str), theirs
        assert exact(found) == exact(theirs)
    return found is not None


def test_real_files(tmp_path):
    answered = [agree(path.read_bytes(), tmp_path) for path in REAL]
    if len(REAL) < 100:
        pytest.skip("pydicom came without its test data here")
    assert sum(answered) > 0.7 * len(REAL)


@pytest.mark.parametrize("seed", range(4))
def test_broken_copies_of_real_files(tmp_path, seed):
    dice = random.Random(seed)
    whole = [head(path.read_bytes()) for path in REAL if path.stat().st_size < 3_000_000]
    whole = [content for content in whole if ours(content)]
    answered = sum(agree(broken(dice.choice(whole), dice), tmp_path) for _ in range(1000))
    assert answered > 100


def test_made_up_files(tmp_path):
    dice = random.Random(8)
    assert all(agree(made_up(dice), tmp_path) for _ in range(200))


def test_broken_copies_of_made_up_files(tmp_path):
    dice = random.Random(9)
    whole = [made_up(dice) for _ in range(50)]
    assert sum(agree(broken(dice.choice(whole), dice), tmp_path) for _ in range(1500)) > 100


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_bytes_at_random_are_a_doubt_or_an_answer(content):
    start = made_up(random.Random(1))[: 132 + 200]
    for data in (content, start + content):
        try:
            elements(data, len(data), WANTED)
        except Doubt:
            continue


def test_a_header_that_goes_on_is_read_on(tmp_path):
    found = pydicom.dcmread(real_ct(), force=True)
    found.private_block(0x0011, "LONG", create=True).add_new(1, "OB", b"\0" * 300_000)
    path = tmp_path / "long.dcm"
    found.save_as(path)
    content = path.read_bytes()
    with pytest.raises(More):
        elements(content[: 1 << 16], len(content), WANTED)
    assert exact(read_elements(path, WANTED)) == exact(by_pydicom(path, WANTED))


def real_ct() -> Path:
    return Path(str(pydicom.data.get_testdata_file("CT_small.dcm")))


def test_a_value_that_lies_across_the_end_of_what_was_read_is_not_cut():
    content = real_ct().read_bytes()
    at = content.find(b"\x10\x00\x20\x00LO")
    whole = content[: at + 8 + content[at + 6]]  # PatientID is the last thing in the file
    with pytest.raises(More):
        elements(whole[:-2], len(whole), WANTED)
    with pytest.raises(Doubt):
        elements(whole[:-2], len(whole) - 2, WANTED)
    assert "PatientID" in elements(whole, len(whole), WANTED)


@pytest.mark.parametrize("name", ["image_dfl.dcm", "ExplVR_BigEnd.dcm", "UN_sequence.dcm", "nested_priv_SQ.dcm"])
def test_what_is_not_plain_is_read_by_pydicom(name):
    path = Path(str(pydicom.data.get_testdata_file(name)))
    assert ours(path.read_bytes()) is None
    assert read_elements(path, WANTED) == by_pydicom(path, WANTED)
    assert not isinstance(read_elements(path, WANTED), str)


def test_elements_out_of_order_or_twice_are_a_doubt():
    content = real_ct().read_bytes()
    at = content.find(b"\x10\x00\x20\x00LO")
    element = content[at : at + 8 + content[at + 6]]
    assert ours(content[:at] + element + content[at:]) is None
    assert ours(content[: at + len(element)] + b"\x10\x00\x10\x00PN\x00\x00" + content[at + len(element) :]) is None


@pytest.mark.parametrize("name", [b"NONSENSE", b"ISO 2022 IR 87", b"ISO_IR 100\\ISO 2022 IR 87"])
def test_a_character_set_in_which_ascii_may_not_be_ascii_is_a_doubt(name):
    content = real_ct().read_bytes()
    at = content.find(b"\x08\x00\x05\x00CS")
    name += b" " * (len(name) % 2)
    changed = content[: at + 6] + struct.pack("<H", len(name)) + name + content[at + 8 + content[at + 6] :]
    assert ours(content) is not None and ours(changed) is None


def test_a_file_that_says_implicit_and_is_explicit_is_a_doubt(tmp_path):
    content = real_ct().read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0", 1)
    assert ours(content) is None
    (tmp_path / "file").write_bytes(content)
    assert not isinstance(read_elements(tmp_path / "file", WANTED), str)


def test_a_first_length_that_looks_like_a_representation_is_a_doubt():
    """16,962 bytes are `BB` in the place where an explicit file writes what comes: pydicom then reads it as explicit."""
    content = Path(str(pydicom.data.get_testdata_file("MR_small_implicit.dcm"))).read_bytes()
    at = content.find(b"\x08\x00\x08\x00")  # ImageType is its first element
    first = b"\x08\x00\x01\x00" + struct.pack("<I", 0x4242) + b" " * 0x4242
    assert ours(content) is not None and ours(content[:at] + first + content[at:]) is None


def test_what_has_no_length_and_no_entry_in_the_dictionary_is_a_doubt():
    """Without a representation nobody knows whether it is a sequence, or bytes up to a mark."""
    content = Path(str(pydicom.data.get_testdata_file("MR_small_implicit.dcm"))).read_bytes()
    at = content.find(b"\x10\x00\x10\x00")
    empty = b"\xff\xff\xff\xff" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    assert ours(content[:at] + b"\x08\x00\x40\x11" + empty + content[at:]) is not None
    assert ours(content[:at] + b"\x09\x00\x40\x11" + empty + content[at:]) is None


def test_a_number_of_frames_that_is_no_number():
    assert read_elements(Path(str(pydicom.data.get_testdata_file("badVR.dcm"))), WANTED) == UNREADABLE


def test_plain_files_do_not_need_pydicom(monkeypatch):
    monkeypatch.setattr(reading, "quiet_pydicom", lambda: pytest.fail("pydicom was asked"))
    assert not isinstance(read_elements(real_ct(), WANTED), str)


def deflated(content: bytes, tmp_path: Path) -> Path:
    found = pydicom.dcmread(Path(str(pydicom.data.get_testdata_file("image_dfl.dcm"))), stop_before_pixels=True)
    path = tmp_path / "deflated.dcm"
    found.save_as(path)
    start = path.read_bytes()
    end = start.find(pydicom.uid.DeflatedExplicitVRLittleEndian.encode()) + 22
    length = struct.unpack_from("<I", start, 140)[0]
    packing = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    assert end <= 144 + length
    path.write_bytes(start[: 144 + length] + packing.compress(content) + packing.flush())
    return path


def test_a_file_that_inflates_without_end_is_refused_before_it_fills_the_memory(tmp_path):
    path = deflated(b"\0" * (300 << 20), tmp_path)
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    assert read_elements(path, WANTED) == TOO_DEFLATED
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_a_deflated_file_that_is_cut_is_unreadable(tmp_path):
    path = deflated(b"\x07" * 1000, tmp_path)
    path.write_bytes(path.read_bytes() + b"junk")
    assert read_elements(path, WANTED) in (UNREADABLE, {})


def test_lengths_that_lie_do_not_cost_memory():
    """An element of four thousand million bytes, and items in items in items."""
    content = made_up(random.Random(1))[:140] + b""
    nested = (
        b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff"
        + b"\xfe\xff\x00\xe0\xff\xff\xff\xff\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" * 3000
    )
    start = made_up(random.Random(1))
    start = start[: start.find(b"\x08\x00", 140)]
    for evil in (
        content,
        start + nested,
        start + b"\x10\x00\x20\x00LO\xff\xff",
        start + b"\x08\x00\x08\x00OB\0\0\xf0\xff\xff\xff",
    ):
        with pytest.raises(Doubt):
            elements(evil, len(evil), WANTED)


def test_the_same_bytes_under_another_parent_are_read_anew(tmp_path):
    """What is repeated is not read twice; but a place within something unwanted is none of this frame's."""
    from rapha.cli.demo.made_up_frames import group, with_undefined_lengths

    found = pydicom.dcmread(real_ct())
    place = {"PlanePositionSequence": {"ImagePositionPatient": [1, 2, 3]}}
    found.ReferencedImageSequence = [group(**place)]
    found.SharedFunctionalGroupsSequence = [group(**place)]
    with_undefined_lengths([found])
    found.save_as(tmp_path / "twice.dcm")
    answer = ours((tmp_path / "twice.dcm").read_bytes())
    assert answer is not None
    assert answer["SharedFunctionalGroupsSequence"] == (
        {"PlanePositionSequence": ({"ImagePositionPatient": (1.0, 2.0, 3.0)},)},
    )


def test_what_is_no_file_of_images(tmp_path):
    assert read_elements(tmp_path, WANTED) == NOT_DICOM
    assert read_elements(tmp_path / "none", WANTED) == NOT_DICOM
