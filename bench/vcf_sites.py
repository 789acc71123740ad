"""A gVCF of one sample, 300,000 records, with a hundred variants of interest: records per second, beside cyvcf2's own loop."""

import random
import sys
import tempfile
import time
from pathlib import Path

from figure import figure_line

from rapha.sources.vcf.calls import Calls
from rapha.sources.vcf.mapping import Quality
from rapha.sources.vcf.variants import Variant
from rapha.sources.vcf.wanted import Wanted

RECORDS, RUNS, TARGET_RATE = 300_000, 5, 500_000
"""The target is a rate, 500,000 records a second; the figure is the time for one such file."""


def write(path: Path) -> list[Variant]:
    """Blocks and variants in turn; the variants that are looked for."""
    dice = random.Random(7)
    wanted: list[Variant] = []
    with path.open("w") as file:
        file.write("##fileformat=VCFv4.3\n##contig=<ID=chr1,length=248956422>\n")
        file.write('##INFO=<ID=END,Number=1,Type=Integer,Description="end">\n##ALT=<ID=NON_REF,Description="other">\n')
        file.write(
            '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="q">\n'
        )
        file.write("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\n")
        position = 10_000
        for number in range(RECORDS // 2):
            end = position + dice.randint(5, 500)
            file.write(f"chr1\t{position}\t.\tA\t<NON_REF>\t.\t.\tEND={end}\tGT:GQ\t0/0:60\n")
            file.write(f"chr1\t{end + 1}\t.\tA\tG,<NON_REF>\t50\tPASS\t.\tGT:GQ\t0/1:99\n")
            if number % (RECORDS // 200) == 0:
                wanted.append(Variant("1", end + 1, "A", "G"))
            position = end + 2
    return wanted


def main() -> None:
    from cyvcf2 import VCF

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.g.vcf"
        wanted = write(path)
        ours, bare = [], []
        for _ in range(RUNS):
            begun = time.perf_counter()
            for _record in VCF(str(path)):
                pass
            bare.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            calls = Calls(["s1"], Wanted(wanted, ()), Quality(), "GRCh38")
            calls.read(path)
            ours.append(time.perf_counter() - begun)
            if len(calls.dosage) != len(wanted):
                sys.exit("error: not every variant was found")
        print(
            f"{RECORDS / sorted(ours)[RUNS // 2]:,.0f} records/s, cyvcf2 alone {RECORDS / sorted(bare)[RUNS // 2]:,.0f}"
        )
        print(figure_line("vcf_sites", ours, RECORDS / TARGET_RATE, floor=sorted(bare)[RUNS // 2]))


if __name__ == "__main__":
    main()
