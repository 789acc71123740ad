"""Two made-up builds of one chromosome, and which base of one is which of the other: written down while they are made, base by base."""

import random
from pathlib import Path
from typing import NamedTuple

COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}
WIDTH = 50
SHOWS = "chain 1 chr21 48129895 + 0 1 chr21 46709983 + 0 1 99\n1\n\n"
"""Shows by its lengths that a chain leads from GRCh37 to GRCh38."""
Image = tuple[int, bool]
"""A base in the other build, from 1; whether on the other strand."""


class Builds(NamedTuple):
    """`images` of each base of the old one that has exactly one, which is no other's."""

    old: str
    new: str
    chain: str
    images: dict[int, Image]

    def sources(self) -> dict[int, int]:
        """Of each base of the new build that is an image, whose."""
        return {there: here for here, (there, _) in self.images.items()}


def turned(bases: str) -> str:
    return "".join(COMPLEMENT[base] for base in reversed(bases))


def repetitive(dice: random.Random, length: int) -> str:
    parts = ["".join(dice.choices("ACGT", k=dice.randint(1, 3))) * dice.randint(1, 4) for _ in range(length)]
    return "".join(parts)[:length]


def two_builds(dice: random.Random, stretches: int = 8) -> Builds:
    """Stretches that both have, some turned and with some other bases; some that only one has, or that the old one has twice."""
    old, new, blocks = "", "", list[tuple[int, int, int, bool]]()
    for _ in range(stretches):
        bases = repetitive(dice, dice.randint(1, 40))
        match dice.choice(["both", "both", "both", "turned", "old", "new", "twice"]):
            case "old":
                old += bases
            case "new":
                new += bases
            case "twice":
                blocks += [
                    (len(old), len(new), len(bases), False),
                    (len(old) + len(bases), len(new), len(bases), False),
                ]
                old, new = old + bases * 2, new + bases
            case way:
                blocks.append((len(old), len(new), len(bases), way == "turned"))
                changed = "".join(dice.choice("ACGT") if dice.random() < 0.04 else base for base in bases)
                old, new = old + bases, new + (turned(changed) if way == "turned" else changed)
    old, new = old + "ACGT", new + "ACGT"
    found: list[tuple[int, Image]] = []
    for here, there, length, way in blocks:
        found += [(here + at + 1, (there + (length - 1 - at if way else at) + 1, way)) for at in range(length)]
    twice = [there for _, (there, _) in found]
    images = {here: image for here, image in found if twice.count(image[0]) == 1}
    return Builds(old, new, _chain(blocks, len(old), len(new)), images)


def _chain(blocks: list[tuple[int, int, int, bool]], old: int, new: int) -> str:
    lines = []
    for number, (here, there, length, way) in enumerate(blocks):
        onto = new - there - length if way else there
        lines.append(
            f"chain 1 chrM {old} + {here} {here + length} chrM {new} {'-' if way else '+'} {onto} {onto + length} {number}\n{length}\n"
        )
    return SHOWS + "\n".join(lines)


def write_genome(path: Path, sequences: dict[str, str]) -> None:
    """A FASTA file, and its index beside it."""
    text, listing = "", ""
    for name, bases in sequences.items():
        text += f">{name}\n"
        listing += f"{name}\t{len(bases)}\t{len(text)}\t{WIDTH}\t{WIDTH + 1}\n"
        text += "".join(bases[at : at + WIDTH] + "\n" for at in range(0, len(bases), WIDTH))
    path.write_text(text)
    path.with_name(path.name + ".fai").write_text(listing)
