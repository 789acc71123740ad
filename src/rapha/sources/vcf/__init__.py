"""Variant calls (VCF, BCF, gVCF, PLINK 1) into the timeline: the variants that a site names, and polygenic scores.

mapping.py    the words of the mapping file
build.py      which reference genome a file is called against, by its contigs
variants.py   one spelling for a variant: split, trimmed, without `chr`
reference.py  a genome by which insertions and deletions are moved to their leftmost place
chain.py      which base of one build is which of another
lift.py       a record of one build -> what it says in another
wanted.py     what is looked for
genotypes.py  what htslib has of a record -> alleles, copies
saying.py     a record -> what it says of whom
calls.py      what the records say -> a dosage for each sample and variant, or unknown
index.py      shares of a file that can be read by themselves
side_by_side.py  several processes read them
called.py     where each sample was called well
plink_calls.py   the same of PLINK's files (plink.py: the way in)
annotations.py   what VEP or SnpEff wrote of a variant
genes.py      where genes lie
variant_rows.py  both -> what is known of each variant
scores.py     a PGS Catalog scoring file -> a score for each sample
matrices.py   a row of copies for each sample, as an asset
samples.py    which sample is whose, and since when that is known
event_rows.py dosages and scores -> events
ingest.py     the whole way
"""

from rapha.sources.vcf.ingest import ingest

__all__ = ["ingest"]
