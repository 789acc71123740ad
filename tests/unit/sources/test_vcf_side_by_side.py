"""A call file read by several processes, share by share, is the same as read by one; and what must not pass for a whole file."""

import gzip
import os
import random
import signal
import struct
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
import cyvcf2
from call_index import write_index
from patience import until

from rapha.errors import SourceError
from rapha.sources.vcf import calls as calls_module
from rapha.sources.vcf import index as index_module
from rapha.sources.vcf import side_by_side
from rapha.sources.vcf.called import Called
from rapha.sources.vcf.calls import Calls
from rapha.sources.vcf.index import Unusable, index_of, shares_of
from rapha.sources.vcf.mapping import Annotation, Quality
from rapha.sources.vcf.variants import Variant
from rapha.sources.vcf.wanted import Wanted

pytestmark = pytest.mark.skipif(not side_by_side.SIDE_BY_SIDE, reason="files are read by one process here")
HEADER = """\
##fileformat=VCFv4.3
##contig=<ID=chr2,length=242193529>
##contig=<ID={second},length=58617616>
##FILTER=<ID=LowQual,Description="low">
##INFO=<ID=END,Number=1,Type=Integer,Description="end">
##INFO=<ID=CSQ,Number=.,Type=String,Description="Format: Allele|Consequence|IMPACT|SYMBOL|Gene">
##ALT=<ID=NON_REF,Description="any other">
##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="quality">
"""
MANY = 500
NAMES = [f"s{number:03}" for number in range(400)]
OURS = [*NAMES[30:], "elsewhere", *NAMES[:20]]
REGIONS = ["2:1-90000", "2:120000-180000", "19:1-58617616"]
GENOTYPES = ("0/0", "0/1", "1/1", "0|1", "./.", "0/.", "1", ".", "1/2", "0/3", "0/0/1")
KINDS = [("wb", "calls.bcf", 14), ("wb", "calls.bcf", 12), ("wz", "calls.vcf.gz", 0), ("wz", "calls.vcf.gz", 14)]


@cache
def lines(records: int, second: str = "chr19") -> tuple[str, ...]:
    return tuple(_lines(records, second))


def _lines(records: int, second: str) -> Iterator[str]:
    """Of two contigs: variants, several alternatives, deletions, blocks, records that failed, and some that say something twice."""
    dice = random.Random(7)
    for contig in ("chr2", second):
        position = 10
        for _ in range(records):
            position += dice.choice((0, 0, 1, 30, 700))
            ref, alt = dice.choice(
                (("A", "G"), ("A", "G"), ("A", "C,G"), ("ACGT", "A"), ("A", "<NON_REF>"), ("A", "<DEL>"), ("A", "."))
            )
            info = (
                f"END={position + dice.choice((1, 700, 9000))}"
                if "<" in alt
                else f"CSQ={alt[-1]}|missense_variant||GENE{position % 9}|"
            )
            likely = (9, 5, 2, 1, 1, 1, *([0.1] * 5)) if dice.random() < 0.3 else (9, 5, 2, 0, 0.1, *([0] * 6))
            calls = "\t".join(f"{dice.choices(GENOTYPES, likely)[0]}:{dice.randint(10, 99)}" for _ in NAMES)
            passed = "LowQual" if dice.random() < 0.03 else "PASS"
            yield "\t".join(
                [contig, str(position), ".", ref, alt, "50", passed, info if alt != "." else ".", "GT:GQ", calls]
            )


def write(path: Path, mode: str, written: list[str], second: str = "chr19") -> None:
    plain = path.with_name("plain.vcf")
    columns = "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *NAMES])
    plain.write_text(HEADER.format(second=second) + columns + "\n" + "\n".join(written) + "\n")
    source = cyvcf2.VCF(str(plain))
    target = cyvcf2.Writer(str(path), source, mode=mode)
    for record in source:
        target.write_record(record)
    target.close()
    source.close()
    plain.unlink()


def calls_of(least_bytes: int, least_quality: int = 20, marks: bool = True, named: bool = True) -> Calls:
    variants = [Variant("2", at, "A", base) for at in range(100, 90000, 900) for base in "GT"] if named else []
    wanted = Wanted(variants[::2], REGIONS, variants[1::2])
    annotation = Annotation(field="CSQ")
    called = Called(REGIONS, at_once=1 << 12) if marks else None
    return Calls(
        OURS, wanted, Quality(least_quality=least_quality), "GRCh38", annotation, called, least_bytes=least_bytes
    )


def everything(calls: Calls) -> dict[str, object]:
    held = {name: {str(of): array.tobytes() for of, array in getattr(calls, name).items()} for name in
            ("dosage", "single", "_by_others", "_differing")}  # fmt: skip
    order = list(calls.dosage)
    stretches = list(calls.called.stretches()) if calls.called else []
    return held | {"order": order, "effects": calls.effects, "records": calls.records, "aside": calls.aside, "lines": calls.lines,
                   "seen": calls.seen, "stretches": stretches, "on_trust": calls.on_trust}  # fmt: skip


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Three processes, small shares; how many shares were read so."""
    read: list[int] = []
    plain = calls_module.read_shares

    def counted(name: str, shares: index_module.Shares, *rest: object) -> int:
        read.append(len(shares.shares))
        return plain(name, shares, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(calls_module, "read_shares", counted)
    monkeypatch.setattr(calls_module, "processes_for", lambda shares: min(3, shares))
    monkeypatch.setattr(index_module, "SHARE_BYTES", 1)
    return read


COUNTS = struct.pack("<IQ", 37450, 0)
"""Where an index says how many records a contig has, and, behind it, in how many parts."""
ALL = 1 << 40
"""No file is so large."""


@pytest.mark.parametrize(
    ("mode", "name", "shift", "asked"),
    [
        *((*kind, {}) for kind in KINDS),
        (*KINDS[0], {"marks": False, "named": False, "least_quality": 0}),
        (*KINDS[2], {"marks": False}),
    ],
)
def test_several_processes_read_what_one_reads(
    tmp_path: Path, several: list[int], mode: str, name: str, shift: int, asked: dict[str, int]
) -> None:
    path = tmp_path / name
    write(path, mode, list(lines(MANY)))
    write_index(path, shift)
    one, many = calls_of(ALL, **asked), calls_of(0, **asked)  # type: ignore[arg-type]
    one.read(path)
    assert not several
    many.read(path)
    assert len(several) == 1 and several[0] > 2 and not many.told
    assert everything(one) == everything(many)
    assert one.records == {name: 2 * MANY} and len(one.dosage) > 100 and one.lines


@pytest.mark.parametrize(("mode", "name", "shift"), KINDS[1:3])
def test_the_copies_are_those_of_a_plain_loop_over_cyvcf2(
    tmp_path: Path, several: list[int], mode: str, name: str, shift: int
) -> None:
    path = tmp_path / name
    write(path, mode, list(lines(MANY)))
    write_index(path, shift)
    calls = Calls(
        NAMES, Wanted((), ["2:1-200000000", "19:1-58617616"]), Quality(least_quality=20), "GRCh38", least_bytes=0
    )
    calls.read(path)
    expected: dict[str, list[list[int]]] = {}
    for record in cyvcf2.VCF(str(path)):
        if record.FILTERS == ["LowQual"]:
            continue
        for number, alternative in enumerate(record.ALT, 1):
            if "<" in alternative:
                continue
            copies = []
            for (*alleles, _), quality in zip(record.genotypes, record.format("GQ")[:, 0], strict=True):
                there = [allele for allele in alleles if allele != -2]
                known = all(0 <= allele <= len(record.ALT) for allele in there) and quality >= 20
                copies.append(there.count(number) if known else -1)
            variant = f"{record.CHROM[3:]}-{record.POS}-{record.REF}-{alternative}"
            expected.setdefault(variant, []).append(copies)
    assert several and set(map(str, calls.dosage)) == set(expected)
    for variant, said in expected.items():
        agreed = []
        for of_one in np.array(said).T:
            told = set(of_one[of_one >= 0].tolist())
            agreed.append(told.pop() if len(told) == 1 else -1)
        assert calls.dosage[next(each for each in calls.dosage if str(each) == variant)].tolist() == agreed


def test_a_process_that_dies_fails_the_reading(
    tmp_path: Path, several: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, here, plain = tmp_path / "calls.bcf", os.getpid(), calls_module._open
    write(path, "wb", list(lines(MANY)))
    write_index(path)

    def dying(of: Path) -> object:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(of)

    monkeypatch.setattr(calls_module, "_open", dying)
    with pytest.raises(SourceError, match=r"calls\.bcf: a process that read a part of it was ended by SIGKILL"):
        calls_of(0).read(path)
    assert several


def test_what_a_process_cannot_read_is_told_in_its_words(
    tmp_path: Path, several: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calls.vcf.gz"
    write(path, "wz", list(lines(MANY)))
    write_index(path, 0)
    content, stamp = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2 : len(content) // 2 + 200] = bytes(200)
    path.write_bytes(content)
    os.utime(path, (stamp.st_atime, stamp.st_mtime))
    with pytest.raises(SourceError, match=r"calls\.vcf\.gz: (damaged in chr|its index tells of other records)"):
        calls_of(0).read(path)
    assert several


def test_an_index_that_tells_of_other_records_fails_the_reading(
    tmp_path: Path, several: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "calls.bcf"
    write(path, "wb", list(lines(MANY)))
    write_index(path)

    def other(*asked: object) -> index_module.Shares:
        found = shares_of(*asked)  # type: ignore[arg-type]
        return found._replace(records=found.records | {"chr19": MANY + 1})

    monkeypatch.setattr(calls_module, "shares_of", other)
    with pytest.raises(SourceError, match="its index tells of other records than it has"):
        calls_of(0).read(path)


def test_an_index_that_cannot_be_of_the_file_is_not_used_and_told(tmp_path: Path, several: list[int]) -> None:
    path = tmp_path / "calls.bcf"
    write(path, "wb", list(lines(MANY)))
    write_index(path)
    index = index_of(path)
    assert index
    assert gzip.decompress(index.read_bytes()).count(COUNTS + b"\2") == 2
    good, one = index.read_bytes(), calls_of(ALL, marks=False, named=False)
    one.read(path)
    for content, stamp, why in (
        (good, 1, "is older than the file"),
        (b"CSI", None, "cannot be read"),
        (good[:-40], None, "cannot be read"),
        (gzip.compress(gzip.decompress(good).replace(COUNTS + b"\2", COUNTS + b"\1", 1)), None, "cannot be read"),
        (
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b\x04\x00\x43\xbe\xb7\xe8\x01\x00\x00\x00",
            None,
            "cannot be read",
        ),
    ):
        index.write_bytes(content)
        if stamp:
            os.utime(index, (stamp, stamp))
        calls = calls_of(0, marks=False, named=False)
        calls.read(path)
        assert calls.told == [f"calls.bcf: its index {why}, so the file is read by one process"]
        assert everything(calls) == everything(one) and not several
    index.write_bytes(good)


@pytest.mark.parametrize("more", [1, 300])
def test_records_written_behind_what_an_index_tells_of_are_not_lost(
    tmp_path: Path, several: list[int], more: int
) -> None:
    path, written = tmp_path / "calls.bcf", list(lines(MANY))
    write(path, "wb", written)
    write_index(path)
    assert shares_of(path, index_of(path), ["chr2", "chr19"]).records == {"chr2": MANY, "chr19": MANY}  # type: ignore[arg-type]
    last = written[-1].split("\t")
    write(path, "wb", written + ["\t".join([last[0], str(int(last[1]) + 1 + at), *last[2:]]) for at in range(more)])
    os.utime(path, (1, 1))
    calls = calls_of(0, marks=False, named=False)
    calls.read(path)
    assert calls.records == {"calls.bcf": 2 * MANY + more}
    assert calls.told == ["calls.bcf: its index is of another file, so the file is read by one process"] and not several


def test_a_process_whose_starter_is_gone_ends(tmp_path: Path, several: list[int]) -> None:
    """The starter is killed while its three readers wait to be asked."""
    path = tmp_path / "calls.bcf"
    write(path, "wb", list(lines(MANY)))
    write_index(path)
    here, there = os.pipe()
    starter = os.fork()
    if not starter:
        calls = calls_of(0, marks=False, named=False)
        calls._hold = lambda *_: (os.write(there, b"."), signal.pause())  # type: ignore[assignment]
        calls.read(path)
        os._exit(1)
    os.close(there)  # the readers hold it too, so that it ends when they do
    assert os.read(here, 1) == b"."
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    ended = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(here, 99), b"")], daemon=True)
    ended.start()
    until(lambda: not ended.is_alive(), lambda: "a reader is still there", seconds=60)
    os.close(here)


def test_a_contig_that_could_be_taken_for_a_region_is_read_by_one_process(tmp_path: Path, several: list[int]) -> None:
    path = tmp_path / "calls.bcf"
    write(path, "wb", list(lines(MANY, "HLA-A*01:01")), "HLA-A*01:01")
    write_index(path)
    with pytest.raises(Unusable, match="could be taken for a region"):
        shares_of(path, index_of(path), ["chr2", "HLA-A*01:01"])  # type: ignore[arg-type]


def test_a_file_without_an_index_or_a_small_one_is_read_by_one_process(tmp_path: Path, several: list[int]) -> None:
    path = tmp_path / "calls.bcf"
    write(path, "wb", list(lines(MANY)))
    calls_of(0).read(path)
    write_index(path)
    calls_of(1 << 20).read(path)
    assert not several and path.stat().st_size < 1 << 20
