"""A BCF of 2,500 samples, 12,000 common variants, all of them wanted: variants per second into a matrix, beside cyvcf2's own
loop over `genotype.array()`."""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from figure import figure_line

from rapha.sources.vcf.calls import Calls
from rapha.sources.vcf.mapping import Quality
from rapha.sources.vcf.wanted import Wanted

VARIANTS, SAMPLES, RUNS, TARGET_RATE = 12_000, 2_500, 5, 30_000
"""The target is a rate, 30,000 variants a second; the figure is the time for one such file."""
HEADER = """\
##fileformat=VCFv4.3
##contig=<ID=chr22,length=50818468>
##FORMAT=<ID=GT,Number=1,Type=String,Description="g">
"""


def write(path: Path) -> None:
    """Two in a thousand calls are missing."""
    from cyvcf2 import VCF, Writer

    dice = np.random.default_rng(22)
    words = np.array(["0/0", "0/1", "1/1", "./."])
    plain = path.with_suffix(".vcf")
    with plain.open("w") as file:
        names = "\t".join(f"s{number:05}" for number in range(SAMPLES))
        file.write(f"{HEADER}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}\n")
        for number in range(VARIANTS):
            calls = dice.binomial(2, dice.uniform(0.1, 0.5), SAMPLES)
            calls[dice.random(SAMPLES) < 0.002] = 3
            file.write(f"chr22\t{16_000_000 + 10 * number}\t.\tA\tG\t50\tPASS\t.\tGT\t")
            file.write("\t".join(words[calls]) + "\n")
    source = VCF(str(plain))
    target = Writer(str(path), source, mode="wb")
    for record in source:
        target.write_record(record)
    target.close()
    plain.unlink()


def main() -> None:
    from cyvcf2 import VCF

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.bcf"
        write(path)
        ours, bare = [], []
        for _ in range(RUNS):
            begun = time.perf_counter()
            for record in VCF(str(path)):
                record.genotype.array()
            bare.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            calls = Calls(
                [f"s{number:05}" for number in range(SAMPLES)],
                Wanted((), ["22:1-50818468"]),
                Quality(least_quality=0),
                "GRCh38",
            )
            calls.read(path)
            ours.append(time.perf_counter() - begun)
            if len(calls.dosage) != VARIANTS or not all((copies == 2).any() for copies in calls.dosage.values()):
                sys.exit("error: not every variant was found, with its copies")
        rates = [f"{VARIANTS / sorted(times)[RUNS // 2]:,.0f}" for times in (ours, bare)]
        print(f"{rates[0]} variants/s of {SAMPLES:,} samples, cyvcf2's arrays alone {rates[1]}")
        print(figure_line("vcf_matrix", ours, VARIANTS / TARGET_RATE, floor=sorted(bare)[RUNS // 2]))


if __name__ == "__main__":
    main()
