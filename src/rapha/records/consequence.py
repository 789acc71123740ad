"""What a change does to a gene, in the terms of the Sequence Ontology (Eilbeck et al. 2005, Genome Biol 6:R44), as VEP and SnpEff
write them: how severe each is, and which lie below which.

The order is that of Ensembl VEP, the most severe first; what SnpEff says more finely stands beside what it is a kind of.
Parents are those of the ontology's `so-simple.obo`, as far up as `transcript_variant`, `regulatory_region_variant` and
`intergenic_variant`; a term whose parents are changes of structure has none here.
"""

from collections.abc import Iterable
from typing import Literal, get_args

Consequence = Literal[
    "transcript_ablation", "exon_loss_variant", "splice_acceptor_variant", "splice_donor_variant", "stop_gained",
    "frameshift_variant", "stop_lost", "start_lost", "transcript_amplification", "feature_elongation", "feature_truncation",
    "disruptive_inframe_insertion", "conservative_inframe_insertion", "inframe_insertion",
    "disruptive_inframe_deletion", "conservative_inframe_deletion", "inframe_deletion", "rare_amino_acid_variant",
    "missense_variant", "protein_altering_variant", "splice_donor_5th_base_variant", "splice_region_variant",
    "splice_donor_region_variant", "splice_polypyrimidine_tract_variant", "incomplete_terminal_codon_variant",
    "initiator_codon_variant", "start_retained_variant", "stop_retained_variant", "synonymous_variant",
    "coding_sequence_variant", "mature_miRNA_variant", "5_prime_UTR_variant", "3_prime_UTR_variant",
    "non_coding_transcript_exon_variant", "intron_variant", "NMD_transcript_variant", "non_coding_transcript_variant",
    "coding_transcript_variant", "intragenic_variant", "upstream_gene_variant", "downstream_gene_variant",
    "TFBS_ablation", "TFBS_amplification", "TF_binding_site_variant", "regulatory_region_ablation",
    "regulatory_region_amplification", "regulatory_region_variant", "intergenic_variant",
]  # fmt: skip
"""A term as an annotation says it, the most severe first."""

Grouping = Literal[
    "splice_site_variant", "splicing_variant", "inframe_variant", "inframe_indel", "nonsynonymous_variant",
    "terminator_codon_variant", "UTR_variant", "exon_variant", "transcript_variant",
]  # fmt: skip
"""A term under which a study may gather others; no annotation says it of a variant."""

Term = Consequence | Grouping
BY_SEVERITY: tuple[Consequence, ...] = get_args(Consequence)

_PARENTS: dict[Term, tuple[Term, ...]] = {
    "exon_loss_variant": ("splicing_variant",),
    "splice_acceptor_variant": ("splice_site_variant",),
    "splice_donor_variant": ("splice_site_variant",),
    "splice_donor_5th_base_variant": ("splice_site_variant",),
    "splice_site_variant": ("splicing_variant", "intron_variant"),
    "splice_region_variant": ("splicing_variant",),
    "splice_donor_region_variant": ("splice_region_variant",),
    "splice_polypyrimidine_tract_variant": ("splicing_variant",),
    "splicing_variant": ("transcript_variant",),
    "stop_gained": ("feature_truncation", "nonsynonymous_variant"),
    "stop_lost": ("terminator_codon_variant", "feature_elongation", "nonsynonymous_variant"),
    "start_lost": ("initiator_codon_variant", "nonsynonymous_variant"),
    "missense_variant": ("nonsynonymous_variant",),
    "rare_amino_acid_variant": ("missense_variant",),
    "nonsynonymous_variant": ("inframe_variant",),
    "frameshift_variant": ("protein_altering_variant",),
    "inframe_variant": ("protein_altering_variant",),
    "inframe_indel": ("inframe_variant",),
    "inframe_insertion": ("inframe_indel", "feature_elongation"),
    "inframe_deletion": ("inframe_indel", "feature_truncation"),
    "conservative_inframe_insertion": ("inframe_insertion",),
    "disruptive_inframe_insertion": ("inframe_insertion",),
    "conservative_inframe_deletion": ("inframe_deletion",),
    "disruptive_inframe_deletion": ("inframe_deletion",),
    "protein_altering_variant": ("coding_sequence_variant",),
    "synonymous_variant": ("coding_sequence_variant",),
    "initiator_codon_variant": ("coding_sequence_variant",),
    "terminator_codon_variant": ("coding_sequence_variant",),
    "incomplete_terminal_codon_variant": ("terminator_codon_variant", "inframe_variant"),
    "stop_retained_variant": ("terminator_codon_variant", "synonymous_variant"),
    "start_retained_variant": ("initiator_codon_variant", "synonymous_variant"),
    "coding_sequence_variant": ("exon_variant", "coding_transcript_variant"),
    "UTR_variant": ("exon_variant", "coding_transcript_variant"),
    "5_prime_UTR_variant": ("UTR_variant",),
    "3_prime_UTR_variant": ("UTR_variant",),
    "coding_transcript_variant": ("transcript_variant",),
    "exon_variant": ("transcript_variant",),
    "intron_variant": ("transcript_variant",),
    "intragenic_variant": ("transcript_variant",),
    "NMD_transcript_variant": ("transcript_variant",),
    "non_coding_transcript_variant": ("transcript_variant",),
    "non_coding_transcript_exon_variant": ("non_coding_transcript_variant", "exon_variant"),
    "mature_miRNA_variant": ("non_coding_transcript_variant",),
    "TFBS_ablation": ("regulatory_region_ablation",),
    "TFBS_amplification": ("regulatory_region_amplification",),
    "TF_binding_site_variant": ("regulatory_region_variant",),
    "upstream_gene_variant": ("intergenic_variant",),
    "downstream_gene_variant": ("intergenic_variant",),
}


def with_all_below(terms: Iterable[Term]) -> frozenset[Consequence]:
    """What annotations say that is one of these terms or a kind of one."""
    wanted = set(terms)
    return frozenset(said for said in BY_SEVERITY if wanted & _upwards(said))


def as_severe_as(term: Consequence) -> frozenset[Consequence]:
    """The term, and all that are more severe."""
    return frozenset(BY_SEVERITY[: BY_SEVERITY.index(term) + 1])


def _upwards(term: Term) -> set[Term]:
    above: set[Term] = {term}
    for parent in _PARENTS.get(term, ()):
        above |= _upwards(parent)
    return above
