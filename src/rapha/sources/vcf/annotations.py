"""What the annotation of a call file (VEP's CSQ, SnpEff's ANN) says of a variant: at each transcript its gene and consequences; and
how common it is elsewhere. Untrusted text, so read with limits: what is not as the header says is set aside and counted.

VEP spells an allele in its own way: where a record has an insertion or deletion and all alleles begin with the same base, that is
cut, and what is left empty is `-` (Ensembl VEP, `Parser/VCF.pm`). SnpEff spells it as the record does, and `A-B` where B is compared
with A and not with the reference: such lines are of a pair of variants, and are passed over.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

from rapha.errors import SourceError
from rapha.records.consequence import Consequence
from rapha.sources.vcf.mapping import Annotation

MOST_CHARACTERS = 1 << 20
"""Of one record's annotation."""
MOST_LINES = 5000
"""Of one record's annotation: a line is an allele at a transcript."""
TERMS = frozenset(get_args(Consequence))
UNREADABLE = "has an annotation that is not as its header says"
UNKNOWN_TERM = "has an annotation with a consequence that is no known term of the Sequence Ontology"
OTHER_ALLELE = "has an annotation of an allele that it has not"
_OLDER = {"non_coding_exon_variant": "non_coding_transcript_exon_variant", "intergenic_region": "intergenic_variant"}
"""Terms that SnpEff still writes, and their names in the ontology."""
_ANN = ("Allele", "Consequence", "IMPACT", "SYMBOL", "Gene", "Feature_type", "Feature")
"""The first columns of ANN, by the names that VEP has for them (ANN specification 1.0, Cingolani et al. 2015)."""


class Effect(NamedTuple):
    """What a variant is at one transcript. `population` names where its frequency was looked up; None where nowhere."""

    gene: str | None
    gene_id: str | None
    consequences: tuple[str, ...]
    population: str | None = None
    frequency: float | None = None


class Annotations:
    """Reads one file's annotation as the mapping says. `faults`: why the last record's was not, or not all, taken."""

    def __init__(self, calls: Any, name: str, asked: Annotation) -> None:
        """Raises SourceError: the file's header does not declare what the mapping names."""
        self._asked, self._of = asked, asked.frequency
        self._columns = _columns(calls, name, asked.field)
        self._check(name)
        if self._of and self._of.info and not _declared(calls, self._of.info):
            raise SourceError(
                f"{name}: its header declares no {self._of.info}: see annotation.frequency of the mapping"
            )
        self.faults: list[str] = []

    def read(self, record: Any) -> list[list[Effect]]:
        """Of each alternative of a record what is said of it, in the order of the record."""
        self.faults = []
        said: list[list[Effect]] = [[] for _ in record.ALT]
        lines: list[list[dict[str, str]]] = [[] for _ in record.ALT]
        found = list(self._lines(record.INFO.get(self._asked.field)))
        numbered = all(_number(line) <= len(record.ALT) for line in found)
        for line in found:
            at = self._allele(line, record.REF, record.ALT, numbered)
            if at is not None:
                lines[at].append(line)
        in_info = self._in_info(record)
        for at, of in enumerate(lines):
            elsewhere = self._elsewhere(of, in_info[at])
            effects = [self._effect(line)._replace(**elsewhere) for line in of if self._is_asked(line)]
            said[at] = effects or ([Effect(None, None, ())._replace(**elsewhere)] if elsewhere else [])
        return said

    def _check(self, name: str) -> None:
        wanted = ["Allele", "Consequence", "SYMBOL"]
        wanted += {"all": [], "canonical": ["CANONICAL"], "mane": ["MANE_SELECT"]}[self._asked.transcripts]
        wanted += [self._of.column] if self._of and self._of.column else []
        if missing := [column for column in wanted if column not in self._columns]:
            raise SourceError(
                f"{name}: its {self._asked.field} has no {missing[0]}: annotate it so, or change the mapping"
            )

    def _lines(self, text: Any) -> Iterator[dict[str, str]]:
        if text is None:
            return
        lines = str(text).split(",") if len(str(text)) <= MOST_CHARACTERS else []
        if not 0 < len(lines) <= MOST_LINES:
            self.faults.append(UNREADABLE)
            return
        for line in lines:
            values = line.strip("()").split("|")
            if len(values) < len(self._columns) or (self._asked.field != "ANN" and len(values) > len(self._columns)):
                self.faults.append(UNREADABLE)
            else:
                yield dict(zip(self._columns, map(str.strip, values), strict=False))

    def _allele(self, line: dict[str, str], reference: str, alternatives: list[str], numbered: bool) -> int | None:
        """Which alternative a line is of; None where of none, or of a pair. Its number tells apart what is spelt alike; it is of the
        record that was annotated, which may have been split since."""
        number, spelt = _number(line), line["Allele"]
        spelling = alternatives if self._asked.field == "ANN" else as_vep_spells(reference, alternatives)
        if numbered and number and spelling[number - 1] == spelt:
            return number - 1
        if spelling.count(spelt) == 1:
            return spelling.index(spelt)
        if not (self._asked.field == "ANN" and "-" in spelt):
            self.faults.append(OTHER_ALLELE)
        return None

    def _is_asked(self, line: dict[str, str]) -> bool:
        match self._asked.transcripts:
            case "canonical":
                return line["CANONICAL"] == "YES"
            case "mane":
                return bool(line["MANE_SELECT"])
            case "all":
                return True

    def _effect(self, line: dict[str, str]) -> Effect:
        said = [_OLDER.get(term, term) for term in line["Consequence"].split("&") if term]
        if any(term not in TERMS for term in said):
            self.faults.append(UNKNOWN_TERM)
        terms = tuple(sorted({term for term in said if term in TERMS}))
        identifier = line.get("Gene", "").partition(".")[0] or None
        return Effect(line["SYMBOL"] or None, identifier, terms)

    def _elsewhere(self, lines: list[dict[str, str]], in_info: float | None) -> dict[str, Any]:
        """Where an allele was looked up, and how common it is there; nothing where it was not. It is of the allele, so it is the
        same for transcripts that are not asked for."""
        if not self._of or (self._of.column and not lines):
            return {}
        column = self._of.column
        texts = [text for line in lines for text in line[column].split("&")] if column else []
        return {"population": self._of.population, "frequency": self._highest(texts) if column else in_info}

    def _in_info(self, record: Any) -> list[float | None]:
        """The frequency of each alternative by a field of INFO; None of all where it is not in one."""
        if not (self._of and self._of.info):
            return [None] * len(record.ALT)
        found = record.INFO.get(self._of.info)
        values = list(found) if isinstance(found, tuple) else [found]
        if len(values) != len(record.ALT):
            if found is not None:
                self.faults.append(UNREADABLE)
                return [1.0] * len(record.ALT)  # not known to be rare
            return [None] * len(record.ALT)
        # a number there is a float32, of seven digits
        texts = [
            f"{value:.7g}" if isinstance(value, float) else "" if value is None else str(value) for value in values
        ]
        return [self._highest([text]) for text in texts]

    def _highest(self, texts: list[str]) -> float | None:
        """Of several known variants at one place the most common: what is rare must be rare by all of them."""
        found = [share for text in texts if text not in ("", ".") for share in [_share(text)]]
        if None in found:
            self.faults.append(UNREADABLE)
            return 1.0  # not known to be rare
        return max((share for share in found if share is not None), default=None)


def as_vep_spells(reference: str, alternatives: list[str]) -> list[str]:
    """The alternatives of a record as VEP spells them."""
    same_length = len({len(allele) for allele in (reference, *alternatives)}) == 1
    first = {allele[:1] for allele in (reference, *alternatives) if allele != "*"}
    if same_length or len(first) > 1:
        return list(alternatives)
    return [allele if allele == "*" else allele[1:] or "-" for allele in alternatives]


def _columns(calls: Any, name: str, field: str) -> tuple[str, ...]:
    described = _declared(calls, field)
    if described is None:
        raise SourceError(f"{name}: its header declares no {field}: see `annotation` of the mapping")
    if field == "ANN":
        return _ANN
    _, found, columns = described.partition("Format:")
    if not found:
        raise SourceError(f"{name}: its header does not say which columns {field} has")
    return tuple(column.strip(' "') for column in columns.split("|"))


def _declared(calls: Any, field: str) -> str | None:
    """The description of an INFO field; None where the header has it not."""
    try:
        return str(calls.get_header_type(field, order=[1]).get("Description", ""))
    except KeyError:
        return None


def _number(line: dict[str, str]) -> int:
    """Which alternative of the record that was annotated, from 1; 0 where that is not said."""
    number = line.get("ALLELE_NUM", "")
    return int(number[:9]) if number.isdecimal() else 0


def _share(text: str) -> float | None:
    try:
        share = float(text)
    except ValueError:
        return None
    return share if math.isfinite(share) and 0 <= share <= 1 else None
