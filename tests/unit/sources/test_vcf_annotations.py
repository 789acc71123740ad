"""What VEP or SnpEff wrote into a call file, and where genes lie: what becomes of it, and what is set aside."""

import hashlib
from pathlib import Path

import pytest

pytest.importorskip("cyvcf2", reason="the genomics extra is not installed")
import test_vcf_rows
from test_vcf_rows import Laboratory, line

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.vcf.annotations import MOST_CHARACTERS, OTHER_ALLELE, UNKNOWN_TERM, UNREADABLE
from rapha.timeline.reader import open_timeline

CSQ = "Allele|Consequence|IMPACT|SYMBOL|Gene|CANONICAL|MANE_SELECT|gnomADe_AF"
DECLARED = f"""\
##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: {CSQ}">
##INFO=<ID=ANN,Number=.,Type=String,Description="Functional annotations: 'Allele | Annotation | Annotation_Impact | Gene_Name | Gene_ID | ...'">
##INFO=<ID=AF_nfe,Number=A,Type=Float,Description="frequency">
"""
REGION = 'regions: ["19:1000-9000"]\n'
VEP = REGION + "annotation: {field: CSQ, frequency: {population: gnomad, column: gnomADe_AF}}\n"
SNPEFF = REGION + "annotation: {field: ANN}\n"
CALLS = "0/1:99 0/0:99 1/1:99"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    monkeypatch.setattr(test_vcf_rows, "HEADER", test_vcf_rows.HEADER + DECLARED)
    return Laboratory(tmp_path)


def csq(
    allele: str, terms: str, gene: str = "APOE", canonical: str = "YES", mane: str = "NM_1", share: str = ""
) -> str:
    return f"{allele}|{terms}|HIGH|{gene}|ENSG00000130203.12|{canonical}|{mane}|{share}"


def at(info: str, ref: str = "A", alt: str = "G", position: int = 2000, calls: str = CALLS) -> str:
    return line(calls, position=position, ref=ref, alt=alt, info=info)


def told(lab: Laboratory, columns: str = "code, gene, consequences") -> list[tuple[object, ...]]:
    with open_timeline(lab.timeline).connect() as connection:
        return connection.execute(f"SELECT {columns} FROM variants ORDER BY ALL").fetchall()


def test_a_line_is_a_gene_and_its_consequences_at_one_transcript(lab: Laboratory) -> None:
    lab.ingest(VEP, at("CSQ=" + ",".join([csq("G", "stop_gained&splice_region_variant"), csq("G", "missense_variant"),
                                          csq("G", "missense_variant"), csq("G", "upstream_gene_variant", "TOMM40")])))  # fmt: skip
    assert told(lab) == [
        ("19-2000-A-G", "APOE", ["missense_variant"]),
        ("19-2000-A-G", "APOE", ["splice_region_variant", "stop_gained"]),
        ("19-2000-A-G", "TOMM40", ["upstream_gene_variant"]),
    ]
    assert {row[0] for row in told(lab, "gene_id")} == {"ENSG00000130203"}


@pytest.mark.parametrize(
    ("ref", "alt", "spelt", "code"),
    [
        pytest.param("A", "G,T", "T", "19-2000-A-T", id="of several, its own"),
        pytest.param("CT", "C", "-", "19-2000-CT-C", id="a deletion is a dash"),
        pytest.param("C", "CTT", "TT", "19-2000-C-CTT", id="an insertion is what is inserted"),
        pytest.param("CT", "C,CTT", "TT", "19-2000-C-CT", id="cut alike in all alleles of a record"),
        pytest.param("CT", "GT", "GT", "19-2000-C-G", id="nothing is cut where lengths are the same"),
        pytest.param("AT", "AG,*", "G", "19-2001-T-G", id="a star is shorter, and the rest is cut"),
        pytest.param("CT", "C,*", "-", "19-2000-CT-C", id="a star is no allele to cut by"),
    ],
)
def test_an_allele_is_found_as_vep_spells_it(lab: Laboratory, ref: str, alt: str, spelt: str, code: str) -> None:
    report = lab.ingest(
        VEP,
        at(f"CSQ={csq(spelt, 'frameshift_variant')}", ref, alt, calls="0/1:99 0/2:99 0/1:99" if "," in alt else CALLS),
    )
    assert [row for row in told(lab) if row[1]] == [(code, "APOE", ["frameshift_variant"])]
    assert OTHER_ALLELE not in report.files[1].set_aside


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        pytest.param(f"CSQ={csq('T', 'stop_gained')}", OTHER_ALLELE, id="of another allele"),
        pytest.param("CSQ=G|stop_gained|HIGH", UNREADABLE, id="too few columns"),
        pytest.param(f"CSQ={csq('G', 'stop_gained')}|more", UNREADABLE, id="too many columns"),
        pytest.param(f"CSQ={csq('G', 'gained_a_stop')}", UNKNOWN_TERM, id="no term"),
        pytest.param("CSQ=" + ",".join([csq("G", "stop_gained")] * 6000), UNREADABLE, id="too many lines"),
        pytest.param("CSQ=" + "G" * (MOST_CHARACTERS + 1), UNREADABLE, id="too long"),
        pytest.param(f"CSQ={csq('G', 'stop_gained', share='often')}", UNREADABLE, id="a frequency that is none"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_set_aside_and_the_call_is_kept(lab: Laboratory, info: str, reason: str) -> None:
    report = lab.ingest(VEP, at(info))
    assert report.files[1].set_aside == {reason: 1}
    assert lab.dosage("19-2000-A-G") == {"p1": 1, "p2": 0, "p3": 2}
    assert not [row for row in told(lab, "consequences, frequency") if "stop_gained" in row[0] and row[1] != 1.0]


def test_how_common_it_is_elsewhere(lab: Laboratory) -> None:
    lab.ingest(
        VEP,
        at(f"CSQ={csq('G', 'stop_gained', share='0.001&0.2')}", position=2000),
        at(f"CSQ={csq('G', 'stop_gained')}", position=2001),
        at(".", position=2002),
    )
    assert told(lab, "first, population, frequency") == [
        (2000, "gnomad", 0.2),
        (2001, "gnomad", None),
        (2002, None, None),
    ]


def test_how_common_by_a_field_of_its_own(lab: Laboratory) -> None:
    lab.ingest(REGION + "annotation: {field: ANN, frequency: {population: nfe, info: AF_nfe}}\n",
               at("AF_nfe=0.1,0.5", alt="G,T"), at(".", position=2001))  # fmt: skip
    assert told(lab, "code, population, round(frequency, 3)") == [
        ("19-2000-A-G", "nfe", 0.1), ("19-2000-A-T", "nfe", 0.5), ("19-2001-A-G", "nfe", None),
    ]  # fmt: skip


def test_a_frequency_of_too_few_alleles_is_not_known_to_be_rare(lab: Laboratory) -> None:
    report = lab.ingest(REGION + "annotation: {field: ANN, frequency: {population: nfe, info: AF_nfe}}\n",
                        at("AF_nfe=0.1", alt="G,T"), at("AF_nfe=0.001", position=2001))  # fmt: skip
    assert told(lab, "first, frequency") == [(2000, 1.0), (2000, 1.0), (2001, 0.001)]
    assert report.files[1].set_aside == {UNREADABLE: 1}


def test_a_number_of_an_allele_is_of_the_record_that_was_annotated(
    lab: Laboratory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that was split since keeps the lines of all its alleles."""
    numbered = DECLARED.replace("Format: Allele|", "Format: ALLELE_NUM|Allele|")
    monkeypatch.setattr(test_vcf_rows, "HEADER", test_vcf_rows.HEADER.replace(DECLARED, numbered))
    both = f"CSQ=1|{csq('T', 'stop_gained')},2|{csq('G', 'synonymous_variant')}"
    lab.ingest(VEP, at(both, alt="T"), at(both, alt="G"), at(f"CSQ=1|{csq('T', 'stop_gained')}", position=2001))
    assert told(lab, "code, consequences") == [
        ("19-2000-A-G", ["synonymous_variant"]), ("19-2000-A-T", ["stop_gained"]), ("19-2001-A-G", []),
    ]  # fmt: skip


def test_only_the_transcripts_that_count(lab: Laboratory) -> None:
    info = "CSQ=" + ",".join([csq("G", "stop_gained", mane="", share="0.3"), csq("G", "intron_variant", mane="NM_1")])
    lab.ingest(VEP.replace("CSQ,", "CSQ, transcripts: mane,"), at(info))
    assert told(lab, "consequences, frequency") == [(["intron_variant"], 0.3)]


def test_snpeff(lab: Laboratory) -> None:
    ann = "ANN=C|frameshift_variant&non_coding_exon_variant|HIGH|APOE|ENSG1|transcript|NM_1|x|1/2,G-T|stop_gained|HIGH|APOE|ENSG1|transcript|NM_1"
    report = lab.ingest(SNPEFF, at(ann, "CT", "C"))
    assert told(lab) == [("19-2000-CT-C", "APOE", ["frameshift_variant", "non_coding_transcript_exon_variant"])]
    assert report.files[1].set_aside == {}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (VEP.replace("gnomADe_AF", "gnomADg_AF"), "its CSQ has no gnomADg_AF"),
        (REGION + "annotation: {field: ANN, frequency: {population: x, info: AF}}\n", "its header declares no AF"),
    ],
)
def test_an_annotation_that_is_not_there_is_refused(lab: Laboratory, mapping: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        lab.ingest(mapping, at("."))


def test_a_file_without_the_annotation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="its header declares no CSQ"):
        Laboratory(tmp_path).ingest(VEP, at("."))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("annotation: {field: ANN, transcripts: mane}\n" + REGION, "which transcript"),
        ("annotation: {field: CSQ, frequency: {population: gnomad}}\n" + REGION, "where the frequency stands"),
        ("annotation: {field: CSQ}\nscores: [{file: a.txt}]\n", "is of the events"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(lab: Laboratory, words: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        lab.ingest(words, at("."))


def test_a_genotype_is_said_with_the_number_of_copies_there_are(lab: Laboratory) -> None:
    lab.ingest('regions: ["X:1-9000", "19:1000-9000"]\n', at("."),
               line("1:99 0/1:99 0:99", position=500, ref="A", alt="G", chrom="chrX"))  # fmt: skip
    rows = lab.ask("code, num, value_code", "system = 'dosage:GRCh38'")
    assert set(rows) == {
        ("19-2000-A-G", 1.0, "heterozygous"), ("19-2000-A-G", 0.0, "reference"), ("19-2000-A-G", 2.0, "homozygous"),
        ("X-500-A-G", 1.0, "hemizygous"), ("X-500-A-G", 1.0, "heterozygous"), ("X-500-A-G", 0.0, "reference"),
    }  # fmt: skip


GENES = "#build=GRCh38\ngene\tchromosome\tfirst\tlast\tgene_id\nAPOE\tchr19\t2001\t3000\tENSG1.5\nTOMM40\t19\t1000\t2001\t\n"


def test_which_genes_a_variant_lies_in_by_a_file(lab: Laboratory) -> None:
    (lab.data / "genes.tsv").write_text(GENES)
    lab.ingest(REGION + "genes: genes.tsv\n", at(".", "AG", "A", 2000), at(".", position=2000), at(".", position=4000))
    digest = "sha256:" + hashlib.sha256(GENES.encode()).hexdigest()
    assert told(lab, "code, gene, gene_id, coordinates, first, last") == [
        ("19-2000-A-G", "TOMM40", None, digest, 2000, 2000),
        ("19-2000-A-G", None, None, None, 2000, 2000),
        ("19-2000-AG-A", "APOE", "ENSG1", digest, 2001, 2001),  # the base that is taken out, not the one before it
        ("19-2000-AG-A", "TOMM40", None, digest, 2001, 2001),
        ("19-2000-AG-A", None, None, None, 2001, 2001),
        ("19-4000-A-G", None, None, None, 4000, 4000),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GENES.replace("GRCh38", "GRCh37"), "first line is not #build=GRCh38"),
        (GENES.partition("\n")[2], "first line is not #build=GRCh38"),
        (GENES.replace("2001\t3000", "3000\t2001"), "genes.tsv, line 3"),
        (GENES.replace("first", "start"), "has no column 'first'"),
        ("#build=GRCh38\ngene\tchromosome\tfirst\tlast\n", "holds no genes"),
    ],
)
def test_a_file_of_genes_that_cannot_be_meant_is_refused(lab: Laboratory, text: str, message: str) -> None:
    (lab.data / "genes.tsv").write_text(text)
    with pytest.raises(SourceError, match=message):
        lab.ingest(REGION + "genes: genes.tsv\n", at("."))


def test_another_file_of_genes_is_another_batch(lab: Laboratory) -> None:
    (lab.data / "genes.tsv").write_text(GENES)
    assert not lab.ingest(REGION + "genes: genes.tsv\n", at(".")).unchanged
    assert lab.ingest(REGION + "genes: genes.tsv\n", at(".")).unchanged
    (lab.data / "genes.tsv").write_text(GENES.replace("2001\t3000", "2001\t3001"))
    assert not lab.ingest(REGION + "genes: genes.tsv\n", at(".")).unchanged
