"""Real DICOM files that packages bring, broken copies of them, and headers made up at random."""

import importlib.util
import random
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

from rapha.sources.dicom.wanted import WANTED, Tree

MARKS = (b"\xff\xff\xff\xff", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0", b"\xfe\xff\x00\xe0", b"\x08\x00\x05\x00")
KINDS = (b"CS", b"SQ", b"UN", b"OB", b"IS", b"DS", b"US", b"LO", b"ZZ", b"\0\0", b"UI")
SIGNS = (b"\\", b" ", b"\0", b"9", b".", b"e", b"-", b"+", b"\x1b", b"_", b"n", b"\xe4")
_PLAIN = {"CS": "ORIGINAL", "UI": "1.2.3", "DA": "20150601", "TM": "093000.5", "DT": "20150601093000", "LO": "p 1",
          "SH": "+0100", "IS": -12, "DS": 1.5, "US": 7, "UL": 70_000, "FD": 0.1}  # fmt: skip


def real_files() -> list[Path]:
    """Every file of pydicom's own test data, and of `pydicom-data` where that is installed."""
    found: list[Path] = []
    for package, folder in (("pydicom", "data"), ("data_store", "data")):
        spec = importlib.util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            found += [
                path
                for path in (Path(place) / folder).rglob("*")
                if path.is_file() and path.suffix not in (".py", ".pyc")
            ]
    return sorted(found)


def head(content: bytes) -> bytes:
    """A file as far as its pixels, and a little further."""
    at = content.find(b"\xe0\x7f\x10\x00")
    return content[: at + 200] if 0 < at < 200_000 else content[:60_000]


def broken(content: bytes, dice: random.Random) -> bytes:
    """The same with one to three small things wrong, of the kinds that files have and of those that attackers choose."""
    found = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        at, kind = dice.randrange(132, max(133, len(found))), dice.randrange(8)
        match kind:
            case 0:
                found[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del found[at : at + dice.choice((1, 2, 4, 8, 50))]
            case 2:
                found[at:at] = dice.randbytes(dice.choice((1, 2, 4, 8)))
            case 3:
                del found[at:]
            case 4:
                found[at : at + 2] = dice.choice(KINDS)
            case 5:
                found[at : at + 4] = dice.choice(MARKS)
            case 6:
                piece = bytes(found[at : at + dice.choice((8, 20, 60))])
                to = dice.randrange(132, len(found) + 1)
                found[to:to] = piece
            case _:
                tag = dice.choice(list(WANTED))
                place = found.find(struct.pack("<HH", tag >> 16, tag & 0xFFFF), 132)
                if place > 0:
                    place += dice.randrange(16)
                    found[place : place + 1] = dice.choice(SIGNS)
    return bytes(found)


def made_up(dice: random.Random) -> bytes:
    """A file with some wanted elements, among others that are not wanted, written by pydicom in one of its two plain ways."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    found = _dataset(WANTED, dice)
    found.SOPClassUID, found.SOPInstanceUID = CTImageStorage, "1.2.4"
    found.PixelData = b"\0" * 32
    found["PixelData"].VR = "OW"
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = dice.choice((ExplicitVRLittleEndian, ImplicitVRLittleEndian))
    found.file_meta.MediaStorageSOPClassUID, found.file_meta.MediaStorageSOPInstanceUID = CTImageStorage, "1.2.4"
    out = BytesIO()
    found.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _dataset(tree: Tree, dice: random.Random) -> Any:
    from pydicom import DataElement, Dataset

    found = Dataset()
    for tag, element in tree.items():
        if dice.random() < 0.4:
            continue
        if element.inside is not None:
            items = [_dataset(element.inside, dice) for _ in range(dice.randrange(4))]
            found.add(_sequence(tag, items, dice))
        else:
            count = dice.choice((0, 1, 1, 1, 3)) if element.vr not in ("DA", "TM") else dice.choice((0, 1))
            found.add(DataElement(tag, element.vr, [_PLAIN[element.vr]] * count if count != 1 else _PLAIN[element.vr]))
    if dice.random() < 0.5:
        found.add(DataElement(0x00080005, "CS", dice.choice(("ISO_IR 100", "ISO_IR 192"))))
        found.add(DataElement(0x00104000, "LT", "x" * dice.randrange(200)))
        found.add(_sequence(0x00081140, [Dataset() for _ in range(dice.randrange(3))], dice))
        block = found.private_block(0x0019, "MADE UP", create=True)
        block.add_new(1, "LO", "a private word")
        block.add_new(2, "OB", dice.randbytes(2 * dice.randrange(40)))
    return found


def _sequence(tag: int, items: list[Any], dice: random.Random) -> Any:
    from pydicom import DataElement

    element = DataElement(tag, "SQ", items)
    element.is_undefined_length = dice.random() < 0.5
    for item in items:
        item.is_undefined_length_sequence_item = dice.random() < 0.5
    return element
