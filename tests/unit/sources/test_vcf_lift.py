"""Calls told in another build than they are of: against changing made-up genomes base by base, and in an ingest."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
from two_builds import Builds, turned, two_builds, write_genome

from rapha.sources.vcf.called import Called
from rapha.sources.vcf.calls import Calls
from rapha.sources.vcf.lift import read_lift
from rapha.sources.vcf.mapping import Lifting, Quality
from rapha.sources.vcf.reference import Reference
from rapha.sources.vcf.variants import Variant, trimmed
from rapha.sources.vcf.wanted import Wanted

HEAD = """\
##fileformat=VCFv4.3
##contig=<ID=chrY,length={length}>
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
    write_genome(folder / "old.fa", {"chrY": builds.old})
    write_genome(folder / "new.fa", {"chrY": builds.new})
    (folder / "old.chain").write_text(builds.chain)
    rows = [f"chrY\t{p}\t.\t{r}\t{a}\t.\tPASS\t{f'END={e}' if e else '.'}\tGT\t{g}" for p, r, a, e, g in records]
    (folder / "calls.vcf").write_text(HEAD.format(length=len(builds.old)) + "\n".join(rows) + "\n")
    reference = Reference(folder / "new.fa", "GRCh38")
    asked = Lifting(to="GRCh38", chain="old.chain", genome="old.fa" if genome else None)
    lift = read_lift(asked, folder, "GRCh37", reference)
    everything = [f"Y:1-{len(builds.new)}"]
    called = Called(everything) if genome else None
    quality = Quality(least_quality=0)
    calls = Calls(
        ["s1"], Wanted(variants, everything), quality, "GRCh37", called=called, reference=reference, lift=lift
    )
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
                found[first] = Variant("Y", first + 1, bases, other)
            case "several":
                bases, other = old[first : first + size], "".join(dice.choices("ACGT", k=size))
                if bases != other:
                    found[first] = Variant("Y", first + 1, bases, other)
            case "out":
                found[first] = Variant("Y", first + 1, old[first : first + size + 1], bases)
            case "in":
                found[first] = Variant("Y", first + 1, bases, bases + "".join(dice.choices(bases + other, k=size)))
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
    """The variant in the new build, leftmost; None where it is to be set aside."""
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
        return trimmed("Y", there, reference, alternative)
    stretches = spellings(builds.new, there, reference, alternative)
    first, behind = min(stretches)
    if first == 1 or not side_by_side(builds, set(range(first - 1, max(end for _, end in stretches) + 1))):
        return None
    whole = builds.new[: there - 1] + alternative + builds.new[there - 1 + len(reference) :]
    put_in = whole[first - 1 : first - 1 + max(0, len(alternative) - len(reference))]
    anchor = builds.new[first - 2]
    return Variant("Y", first - 1, anchor + builds.new[first - 1 : behind - 1], anchor + put_in)


def side_by_side(builds: Builds, bases: set[int]) -> bool:
    """Whether these bases lie side by side in both builds, all on one strand."""
    sources = builds.sources()
    if not bases <= sources.keys() or max(bases) - min(bases) >= len(bases):
        return False
    of = [sources[base] for base in sorted(bases)]
    ways = {builds.images[each][1] for each in of}
    step = -1 if True in ways else 1
    return len(ways) == 1 and all(after - before == step for before, after in pairwise(of))


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_a_change_stands_where_making_it_by_hand_puts_it(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    dice = random.Random(seed)
    builds = two_builds(dice)
    variants = some_changes(dice, builds.old)
    records: list[Record] = [(v.position, v.reference, v.alternative, None, "1/1") for v in variants]
    calls = lifted(tmp_path_factory.mktemp("lift"), builds, records)
    right = [each for variant in variants if (each := expected(builds, variant))]
    assert set(calls.dosage) == set(right)
    assert all(copies.tolist() == [2] for copies in calls.dosage.values())
    assert calls.aside["calls.vcf"].total() == len(variants) - len(right)
    assert calls.lifts["calls.vcf"].total() >= len(right)


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_a_block_calls_the_bases_that_both_builds_have_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    dice = random.Random(seed)
    builds = two_builds(dice)
    first, last = sorted(dice.sample(range(1, len(builds.old) + 1), 2))
    named = {trimmed(*each) for each in some_changes(dice, builds.new)}
    folder = tmp_path_factory.mktemp("lift")
    block: Record = (first, builds.old[first - 1], "<NON_REF>", last, "0/0")
    calls = lifted(folder, builds, [block], variants=tuple(each for each in named if around(builds.new, each)))
    assert calls.called
    told = {base for each in calls.called.stretches() for base in range(each.first, each.last + 1)}
    same = both_have(builds, first, last)
    assert told == same
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
