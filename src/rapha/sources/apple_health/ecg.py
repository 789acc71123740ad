"""The head of an electrocardiogram's CSV: when it was taken, and what the Watch made of it. The curve is not read.

Eight lines of a word and a value, in the phone's language, in this order: name, date of birth, date of the recording,
classification, symptoms, software, device, sample rate. Only the third and fourth are looked at.
"""

import csv
import io
import re
from typing import NamedTuple

from rapha.sources.apple_health.vocabulary import ECG_CLASSES

_MOMENT = re.compile(r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2} [+-]\d{4}$")


class Ecg(NamedTuple):
    """`moment` as Apple writes it, with an offset; `found` is a word of our own."""

    moment: str
    found: str


def read_ecg(head: bytes) -> Ecg | None:
    """What the file's first bytes say; None where they are not those of an electrocardiogram."""
    try:
        text = head.decode("utf-8-sig", errors="replace")
        rows = [row for row in csv.reader(io.StringIO(text.replace("\x00", ""))) if row][:4]
    except csv.Error:
        return None
    if len(rows) < 4 or len(rows[2]) < 2 or len(rows[3]) < 2 or not _MOMENT.match(rows[2][1].strip()):
        return None
    return Ecg(rows[2][1].strip(), ECG_CLASSES.get(rows[3][1].strip().lower(), "unrecognised"))
