"""A file's wanted elements: by our own reader where the header is plain, by pydicom in every other case. Files are untrusted bytes."""

import logging
import os
import warnings
import zlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

from rapha.errors import ConfigurationError
from rapha.sources.dicom.elements import Doubt, Elements, More, Value, deflated_from, elements
from rapha.sources.dicom.wanted import Element, Tree

FIRST_READS = (1 << 16, 1 << 18, 1 << 20, 1 << 24)
"""How many bytes of a file are looked at, first and then; a header that goes on further is one for pydicom."""
_BY_PILLOW = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")
"""JPEG of 8 bits and JPEG 2000."""
_PIXELS = b"\xe0\x7f\x10\x00"
LARGEST_INFLATED = 1 << 28
NOT_DICOM, UNREADABLE = "is no DICOM file", "has a header that cannot be read"
TOO_DEFLATED = "is deflated to what is larger than 256 MB, or in a way that is not read"


def read_elements(path: Path, wanted: Tree) -> Elements | str:
    """What is wanted of a file's header, or why it is of no use.

    Raises:
        ConfigurationError: the `imaging` extra is not installed.
    """
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            data = b""
            for limit in FIRST_READS:
                data += file.read(limit - len(data))
                if len(data) < size and _PIXELS not in data and limit != FIRST_READS[-1]:
                    continue  # it goes on, most likely; only speed depends on that
                try:
                    return elements(data, size, wanted)
                except More:
                    continue
                except Doubt:
                    break
    except OSError:
        return NOT_DICOM
    return _inflates_too_far(path, data[: FIRST_READS[0]]) or by_pydicom(path, wanted)


def by_pydicom(path: Path, wanted: Tree) -> Elements | str:
    """The same by pydicom, which reads what is not plain: slower, and with more forbearance."""
    pydicom = quiet_pydicom()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(wanted), defer_size=1 << 20)
            return _of_dataset(found, wanted)
    except (pydicom.errors.InvalidDicomError, OSError):
        return NOT_DICOM
    except Exception:  # a header may hold anything, and pydicom fails in as many ways
        return UNREADABLE


def quiet_pydicom() -> Any:
    """The library, with its own log off.

    Raises:
        ConfigurationError: the `imaging` extra is not installed.
    """
    try:
        import pydicom
    except ImportError:
        raise ConfigurationError("images need an extra: pip install 'rapha[imaging]'") from None
    logging.getLogger("pydicom").disabled = True  # it quotes values, and they are a patient's
    return pydicom


def not_decoded(dataset: Any) -> str | None:
    """Why the pixels of a file cannot be decoded here, where no decoder at hand reads its transfer syntax; named as the standard does."""
    from pydicom.pixels.decoders.base import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        if get_decoder(syntax).is_available:
            return None
    except NotImplementedError:
        pass
    if syntax.is_private or syntax.name == syntax:
        return "is compressed in a way of its maker's own, which is not read here"
    if syntax in _BY_PILLOW:
        return f"is compressed as {syntax.name}, which needs Pillow: pip install 'rapha[imaging]'"
    return f"is compressed as {syntax.name}, which is not read here"


def of_another_size(dataset: Any) -> bool:
    """Whether a frame that is compressed as JPEG or JPEG 2000 says other sides of its own than the header; nothing is decoded.

    Raises:
        Exception: of any kind, where it cannot be read.
    """
    if dataset.file_meta.TransferSyntaxUID not in _BY_PILLOW:
        return False
    from PIL import Image
    from pydicom.encaps import generate_frames

    sides = int(dataset.Columns), int(dataset.Rows)
    frames = generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames") or 1))
    return any(Image.open(BytesIO(frame)).size != sides for frame in frames)


def _inflates_too_far(path: Path, data: bytes) -> str | None:
    """pydicom inflates a whole file at once; so it is done here before, in pieces that are thrown away."""
    try:
        start = deflated_from(data)
    except Doubt:
        return TOO_DEFLATED
    if start is None:
        return None
    inflating, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with path.open("rb") as file:
        file.seek(start)
        while piece := inflating.unconsumed_tail or file.read(1 << 16):
            try:
                total += len(inflating.decompress(piece, 1 << 20))
            except zlib.error:
                return UNREADABLE
            if total > LARGEST_INFLATED:
                return TOO_DEFLATED
    return None


def _of_dataset(found: Any, wanted: Tree) -> Elements:
    values: Elements = {}
    for tag, element in wanted.items():
        if tag in found:
            value = found[tag].value
            if element.inside is not None:
                values[element.name] = tuple(_of_dataset(item, element.inside) for item in value or ())
            else:
                values[element.name] = tuple(_value(each, element) for each in _several(value))
    return values


def _several(value: Any) -> Iterable[Any]:
    if value is None or (isinstance(value, str) and not value):
        return ()
    return value if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else (value,)


def _value(value: Any, element: Element) -> Value:
    """As the dictionary's value representation says.

    Raises:
        ValueError: it is none of these.
        TypeError: the same.
    """
    if isinstance(value, bytes):
        raise TypeError
    match element.vr:
        case "DS" | "FD":
            return float(value)
        case "IS" | "US" | "UL":
            return int(value)
        case _:
            return str(value).strip(" \0")
