"""Calls told in another build than they are of: against changing made-up genomes base by base, and in an ingest."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from two_builds import SHOWS, Builds, turned, two_builds, write_genome

from rapha.sources.vcf.calls import Calls
from rapha.sources.vcf.lift import BUILDS_DIFFER, OF_ANOTHER_GENOME, read_lift
from rapha.sources.vcf.mapping import Lifting, Quality
from rapha.sources.vcf.reference import Reference
from rapha.sources.vcf.variants import Variant, trimmed
from rapha.sources.vcf.wanted import Wanted

HEAD = """\
##fileformat=VCFv4.3
##contig=<ID=chrM,length={length}>
##INFO=<ID=END,Number=1,Type=Integer,Description="end">
##ALT=<ID=NON_REF,Description="any other">
##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">
#CHROM	POS	ID	REF	ALT	QUAL	FILTER	INFO	FORMAT	s1
"""
Record = tuple[int, str, str, int | None, str]
"""Position, reference, alternatives, end of a block, genotype."""
HERE = Path(__file__).parent


def lifted(
    folder: Path, builds: Builds, records: list[Record], genome: bool = True, variants: tuple[Variant, ...] = ()
) -> Calls:
    """What a file of these records says in the new build."""
    write_genome(folder / "old.fa", {"chrM": builds.old})
    write_genome(folder / "new.fa", {"chrM": builds.new})
    (folder / "old.chain").write_text(builds.chain)
    rows = [f"chrM\t{p}\t.\t{r}\t{a}\t.\tPASS\t{f'END={e}' if e else '.'}\tGT\t{g}" for p, r, a, e, g in records]
    (folder / "calls.vcf").write_text(HEAD.format(length=len(builds.old)) + "\n".join(rows) + "\n")
    reference = Reference(folder / "new.fa", "GRCh38")
    asked = Lifting(to="GRCh38", chain="old.chain", genome="old.fa" if genome else None)
    lift = read_lift(asked, folder, "GRCh37", reference)
    everything = [f"MT:1-{len(builds.new)}"]
    quality = Quality(least_quality=0)
    calls = Calls(["s1"], Wanted(variants, everything), quality, "GRCh37", reference=reference, lift=lift)
    calls.read(folder / "calls.vcf")
    return calls


def some_changes(dice: random.Random, old: str) -> list[Variant]:
    """One of each position at most."""
    found = {}
    for _ in range(25):
        first, size = dice.randrange(len(old) - 5), dice.randint(1, 4)
        bases, other = old[first], dice.choice("ACGT")
        match dice.choice(["one", "several", "out", "in"]):
            case "one" if other != bases:
                found[first] = Variant("MT", first + 1, bases, other)
            case "several":
                bases, other = old[first : first + size], "".join(dice.choices("ACGT", k=size))
                if bases != other:
                    found[first] = Variant("MT", first + 1, bases, other)
            case "out":
                found[first] = Variant("MT", first + 1, old[first : first + size + 1], bases)
            case "in":
                found[first] = Variant("MT", first + 1, bases, bases + "".join(dice.choices(bases + other, k=size)))
            case _:
                pass
    return [found[first] for first in sorted(found)]


def spellings(new: str, position: int, reference: str, alternative: str) -> set[tuple[int, int]]:
    """Every stretch (first base and the one behind the last) that an insertion or deletion can be said to change, for the same sequence, found by trying."""
    whole = new[: position - 1] + alternative + new[position - 1 + len(reference) :]
    longer = len(alternative) - len(reference)
    out = max(0, -longer)
    return {
        (first, first + out)
        for first in range(1, len(new) - out + 2)
        if new[: first - 1] + whole[first - 1 : first - 1 + max(0, longer)] + new[first - 1 + out :] == whole
    }


def expected(builds: Builds, variant: Variant) -> Variant | None:
    """The variant in the new build, leftmost; None where it may be set aside, since a base that it could change, or one beside, is not the same in both."""
    _, position, reference, alternative = variant
    images = [builds.images.get(base) for base in range(position, position + len(reference))]
    if None in images or not side_by_side(builds, {image[0] for image in images if image}):
        return None
    there = min(image[0] for image in images if image)
    if images[0] and images[0][1]:
        reference, alternative = turned(reference), turned(alternative)
    if builds.new[there - 1 : there - 1 + len(reference)] != reference:
        return None
    if len(reference) == len(alternative):
        return trimmed("MT", there, reference, alternative)
    stretches = spellings(builds.new, there, reference, alternative)
    first, behind = min(stretches)
    around = set(range(first - 1, max(end for _, end in stretches) + 1))
    if first == 1 or not (around <= both_have(builds, 1, len(builds.old)) and side_by_side(builds, around)):
        return None
    whole = builds.new[: there - 1] + alternative + builds.new[there - 1 + len(reference) :]
    put_in = whole[first - 1 : first - 1 + max(0, len(alternative) - len(reference))]
    anchor = builds.new[first - 2]
    return Variant("MT", first - 1, anchor + builds.new[first - 1 : behind - 1], anchor + put_in)


def side_by_side(builds: Builds, bases: set[int]) -> bool:
    """Whether these bases lie side by side in both builds, all on one strand."""
    sources = builds.sources()
    if not bases <= sources.keys() or max(bases) - min(bases) >= len(bases):
        return False
    of = [sources[base] for base in sorted(bases)]
    ways = {builds.images[each][1] for each in of}
    step = -1 if True in ways else 1
    return len(ways) == 1 and all(after - before == step for before, after in pairwise(of))


def results(builds: Builds, variant: Variant) -> set[str | None]:
    """The new build with the change in it, made by hand at each place in which the old build lets one spell it; None for a place that has no image."""
    _, position, reference, alternative = variant
    old = builds.old[: position - 1] + alternative + builds.old[position - 1 + len(reference) :]
    longer = len(alternative) - len(reference)
    stretches = (
        spellings(builds.old, position, reference, alternative) if longer else {(position, position + len(reference))}
    )
    return {made(builds, first, behind, old[first - 1 : behind - 1 + longer]) for first, behind in stretches}


def made(builds: Builds, first: int, behind: int, bases: str) -> str | None:
    """The new build with these bases in the place of those of the old one from `first` on to the one before `behind`."""
    images = [builds.images.get(base) for base in range(first, behind)]
    if not images:  # what is put in lies between two bases
        before, after = builds.images.get(first - 1), builds.images.get(first)
        if before is None or after is None or after != (before[0] + (-1 if before[1] else 1), before[1]):
            return None
        kept = builds.new[after[0] - 1]
        images, bases = [after], bases + (turned(kept) if after[1] else kept)
    known = [image for image in images if image]
    if len(known) < len(images) or not side_by_side(builds, {there for there, _ in known}):
        return None
    there, way = min(known)
    return builds.new[: there - 1] + (turned(bases) if way else bases) + builds.new[there - 1 + len(known) :]


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_a_change_makes_of_the_new_build_what_making_it_by_hand_makes(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """Wherever in a repeat of the old build it is said to be, so nothing hangs on where an aligner put it."""
    dice = random.Random(seed)
    builds = two_builds(dice)
    variants = some_changes(dice, builds.old)
    records: list[Record] = [(v.position, v.reference, v.alternative, None, "1/1") for v in variants]
    calls = lifted(tmp_path_factory.mktemp("lift"), builds, records)
    told = {builds.new[: each.position - 1] + each.alternative + builds.new[each.last :]: each for each in calls.dosage}
    sure = {next(iter(made)) for variant in variants if len(made := results(builds, variant)) == 1}
    assert told.keys() <= sure and len(told) == len(calls.dosage)
    assert set(calls.dosage) >= {each for variant in variants if (each := expected(builds, variant))}
    assert all(copies.tolist() == [2] for copies in calls.dosage.values())
    assert calls.aside["calls.vcf"].total() + calls.lifts["calls.vcf"].total() == len(variants)


def straight(old: str, new: str, gap: str = "") -> Builds:
    """Two builds that lie side by side, but for a gap (`size dt dq`)."""
    body = f"{gap}\n{len(new) - int(gap.split()[0])}" if gap else str(len(old))
    chain = f"{SHOWS}chain 1 chrM {len(old)} + 0 {len(old)} chrM {len(new)} + 0 {len(new)} 1\n{body}\n"
    return Builds(old, new, chain, {})


LEFT, RIGHT = "GTCGATGCTTGC", "TGCCATGGTC"


@pytest.mark.parametrize(
    "new", ["AATA", "AAAG", "CAAA"], ids=["inside the repeat", "at its right end", "at its left end"]
)
def test_a_deletion_in_a_repeat_that_differs_is_set_aside(tmp_path: Path, new: str) -> None:
    """The sample is the new build without the T: with one A fewer, it would be another one."""
    builds = straight(LEFT + "AAAA" + RIGHT, LEFT + new + RIGHT)
    calls = lifted(tmp_path, builds, [(len(LEFT), "CA", "C", None, "1/1")])
    assert not calls.dosage and calls.aside["calls.vcf"].total() == 1


def test_a_base_beside_the_repeat_that_differs_is_enough_to_set_it_aside(tmp_path: Path) -> None:
    for old, new in (
        (LEFT + "AAAA" + RIGHT, LEFT + "AAAA" + "C" + RIGHT[1:]),
        (LEFT + "AAAA" + RIGHT, LEFT[:-1] + "T" + "AAAA" + RIGHT),
    ):
        calls = lifted(tmp_path, straight(old, new), [(len(LEFT) + 1, "AA", "A", None, "1/1")])
        assert not calls.dosage and calls.aside["calls.vcf"] == {BUILDS_DIFFER: 1}


def test_a_block_tells_nothing_of_bases_that_only_the_old_build_has(tmp_path: Path) -> None:
    """Whoever has the old reference has what the new build calls an insertion; what lies beside it is told base by base."""
    gone = "GGATCCTTAGAC"
    builds = straight(LEFT + gone + RIGHT, LEFT + RIGHT, gap=f"{len(LEFT)} {len(gone)} 0")
    put_in, beside = Variant("MT", 12, "C", "C" + gone), Variant("MT", 12, "C", "A")
    block: Record = (1, LEFT[0], "<NON_REF>", len(builds.old), "0/0")
    calls = lifted(tmp_path, builds, [block], variants=(put_in, beside))
    assert {variant: copies.tolist() for variant, copies in calls.dosage.items()} == {beside: [0]}


def test_a_block_of_another_genome_tells_nothing(tmp_path: Path) -> None:
    same, named = LEFT + RIGHT, Variant("MT", 10, "T", "A")
    for reference, free, aside in ((same[4], [[0]], {}), (same[3], [], {OF_ANOTHER_GENOME: 1})):
        calls = lifted(tmp_path, straight(same, same), [(5, reference, "<NON_REF>", 20, "0/0")], variants=(named,))
        assert [each.tolist() for each in calls.dosage.values()] == free and calls.aside["calls.vcf"] == aside


def test_a_block_over_many_differences_is_one_record(tmp_path: Path) -> None:
    old = LEFT * 5
    new = "".join(turned(base) if at % 7 == 3 else base for at, base in enumerate(old))
    named = tuple(
        Variant("MT", at, base, "A" if base != "A" else "C") for at, base in enumerate(new, 1) if base == old[at - 1]
    )
    calls = lifted(tmp_path, straight(old, new), [(1, old[0], "<NON_REF>", len(old), "0/0")], variants=named)
    assert calls.lifts["calls.vcf"] == {"block": 1} and set(calls.dosage) == set(named)


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_a_block_tells_of_variants_of_which_both_builds_have_the_bases(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    dice = random.Random(seed)
    builds = two_builds(dice)
    first, last = sorted(dice.sample(range(1, len(builds.old) + 1), 2))
    named = {trimmed(*each) for each in some_changes(dice, builds.new)}
    folder = tmp_path_factory.mktemp("lift")
    block: Record = (first, builds.old[first - 1], "<NON_REF>", last, "0/0")
    calls = lifted(folder, builds, [block], variants=tuple(each for each in named if around(builds.new, each)))
    same = both_have(builds, first, last)
    free = {each for each in named if (of := around(builds.new, each)) and of <= same and side_by_side(builds, of)}
    assert {variant: copies.tolist() for variant, copies in calls.dosage.items()} == {each: [0] for each in free}


def both_have(builds: Builds, first: int, last: int) -> set[int]:
    """Bases of the new build that are those of a stretch of the old one, and the same."""
    return {
        there
        for here, (there, way) in builds.images.items()
        if first <= here <= last and builds.new[there - 1] == (turned if way else str)(builds.old[here - 1])
    }


def around(new: str, variant: Variant) -> set[int]:
    """The bases that a variant changes, of an insertion or deletion all that it could change and one on either side; none where it is not leftmost."""
    _, position, reference, alternative = variant
    if len(reference) == len(alternative):
        return set(range(position, variant.last + 1))
    stretches = spellings(new, position, reference, alternative)
    first = min(stretches)[0]
    return set(range(first - 1, max(end for _, end in stretches) + 1)) if first - 1 == position else set()
