"""Which reference genome a file is called against. Positions of one are wrong in the other, so it is checked, never guessed;
and nothing is lifted over unless a mapping asks (`lift`)."""

from collections.abc import Mapping

from rapha.errors import SourceError

LENGTHS = {
    "1": (249_250_621, 248_956_422), "2": (243_199_373, 242_193_529), "3": (198_022_430, 198_295_559),
    "4": (191_154_276, 190_214_555), "5": (180_915_260, 181_538_259), "6": (171_115_067, 170_805_979),
    "7": (159_138_663, 159_345_973), "8": (146_364_022, 145_138_636), "9": (141_213_431, 138_394_717),
    "10": (135_534_747, 133_797_422), "11": (135_006_516, 135_086_622), "12": (133_851_895, 133_275_309),
    "13": (115_169_878, 114_364_328), "14": (107_349_540, 107_043_718), "15": (102_531_392, 101_991_189),
    "16": (90_354_753, 90_338_345), "17": (81_195_210, 83_257_441), "18": (78_077_248, 80_373_285),
    "19": (59_128_983, 58_617_616), "20": (63_025_520, 64_444_167), "21": (48_129_895, 46_709_983),
    "22": (51_304_566, 50_818_468), "X": (155_270_560, 156_040_895), "Y": (59_373_566, 57_227_415),
}  # fmt: skip
"""Bases of each chromosome in GRCh37 and GRCh38 (Genome Reference Consortium)."""
CHROMOSOMES = frozenset({*LENGTHS, "MT"})
"""As `chromosome` names them."""
BUILDS = ("GRCh37", "GRCh38")


def check_build(name: str, lengths: Mapping[str, int], build: str) -> bool:
    """Whether the contigs of a file's header show that it is of the build; False where they show nothing.

    Raises:
        SourceError: they show another build.
    """
    known = {plain: length for contig, length in lengths.items() if (plain := chromosome(contig)) in LENGTHS}
    place = BUILDS.index(build)
    for plain, length in known.items():
        if length != LENGTHS[plain][place]:
            other = BUILDS[LENGTHS[plain].index(length)] if length in LENGTHS[plain] else "no build that is known here"
            raise SourceError(
                f"{name}: chromosome {plain} is as long as in {other}, and the mapping says {build}: call it against "
                f"{build}, or correct the mapping; nothing is lifted over unless it says `lift`"
            )
    return bool(known)


def chromosome(contig: str) -> str:
    """`chr19` and `19` are one chromosome; `chrM` and `MT` too."""
    plain = contig[3:] if contig.lower().startswith("chr") else contig
    return "MT" if plain in ("M", "MT") else plain
