"""Files of ER7 text -> messages. Separators are those of each MSH; segments end with CR, LF or both."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rapha.errors import SourceError

ENDINGS = (".hl7", ".er7")
LARGEST_FILE, LONGEST_SEGMENT, MOST_SEGMENTS, MOST_FILES = 256 << 20, 1 << 20, 20_000, 100_000
_FRAMES = ("FHS", "BHS", "BTS", "FTS")


@dataclass(frozen=True)
class Segment:
    """One line of a message; fields are numbered as HL7 numbers them, from 1."""

    name: str
    fields: tuple[str, ...]
    marks: str  # component, repetition, escape, subcomponent
    field: str

    def raw(self, field: int) -> str:
        """A field as it stands, empty where it is absent; `""`, HL7's word for nothing, is empty too."""
        text = self.fields[field] if field < len(self.fields) else ""
        return "" if text == '""' else text

    def repeats(self, field: int) -> list[str]:
        return self.raw(field).split(self.marks[1])

    def parts(self, text: str) -> list[str]:
        """The components of a repetition, the first subcomponent of each, without escapes."""
        return [self.plain(part.split(self.marks[3])[0]) for part in text.split(self.marks[0])]

    def part(self, field: int, number: int = 1) -> str:
        """A component of the first repetition."""
        parts = self.parts(self.repeats(field)[0])
        return parts[number - 1].strip() if number <= len(parts) else ""

    def plain(self, text: str) -> str:
        """Without escapes: \\F\\ \\S\\ \\R\\ \\E\\ \\T\\ are separators, \\.br\\ a line's end; others stay as they stand."""
        escape = self.marks[2]
        if escape not in text:
            return text
        words = {"F": self.field, "S": self.marks[0], "R": self.marks[1], "E": escape, "T": self.marks[3], ".br": "\n"}
        pieces = text.split(escape)
        found, at = [pieces[0]], 1
        while at < len(pieces):
            if at + 1 < len(pieces) and pieces[at] in words:
                found += [words[pieces[at]], pieces[at + 1]]
                at += 2
            else:
                found.append(escape + pieces[at])
                at += 1
        return "".join(found)


@dataclass(frozen=True)
class Message:
    """`line` is that of its MSH. `broken` says why it cannot be read."""

    line: int
    segments: tuple[Segment, ...]
    broken: str | None = None


def find(folder: Path) -> dict[str, Path]:
    """Every file of messages by its name below the folder. Raises SourceError: there is none."""
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder: name the one that holds the messages")
    home = folder.resolve()
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if not hidden and path.suffix in ENDINGS and path.is_file() and path.resolve().is_relative_to(home):
            found[name.as_posix()] = path
        if len(found) > MOST_FILES:
            raise SourceError(f"{folder} holds more than {MOST_FILES:,} files: join them, or name a smaller folder")
    if not found:
        raise SourceError(f"{folder} holds no file that ends in {' or '.join(ENDINGS)}")
    return found


def read(path: Path, encoding: str) -> Iterator[Message]:
    """The messages of a file, in their order. Raises SourceError: it cannot be read, or is larger than 256 MiB."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    if len(data) > LARGEST_FILE:
        raise SourceError(f"{path} is larger than 256 MiB: split it")
    lines = data.replace(b"\r\n", b"\r").replace(b"\n", b"\r").split(b"\r")
    held: list[bytes] = []
    begun = 0
    for number, line in enumerate(lines, 1):
        line = line.strip(b"\x0b\x1c \t").removeprefix(b"\xef\xbb\xbf")
        if line.startswith((b"MSH", *(frame.encode() for frame in _FRAMES))):
            if held:
                yield _message(begun, held, encoding)
            held, begun = ([line], number) if line.startswith(b"MSH") else ([], number)
        elif line:
            if not held:
                yield Message(number, (), "stands before any MSH")
            else:
                held.append(line)
    if held:
        yield _message(begun, held, encoding)


def _message(line: int, held: list[bytes], encoding: str) -> Message:
    if len(held) > MOST_SEGMENTS or any(len(segment) > LONGEST_SEGMENT for segment in held):
        return Message(line, (), "has a segment longer than 1 MiB, or more than 20,000 of them")
    try:
        texts = [segment.decode(encoding) for segment in held]
    except UnicodeDecodeError:
        return Message(line, (), f"is not {encoding} text")
    head = texts[0]
    field, marks = head[3:4], head[4:].split(head[3:4] or "|")[0]
    if not field or len(marks) not in (4, 5) or len({field, *marks}) != len(marks) + 1 or field.isalnum():
        return Message(line, (), "names no separators in its MSH")
    segments = [Segment("MSH", ("MSH", field, *head[4:].split(field)), marks, field)]
    for text in texts[1:]:
        fields = tuple(text.split(field))
        segments.append(Segment(fields[0], fields, marks, field))
    return Message(line, tuple(segments))
