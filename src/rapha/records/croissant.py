"""A profile as Croissant 1.1 (MLCommons, JSON-LD): what a catalogue of data sets reads. No file of it can be fetched.

Followed: the Croissant Format Specification 1.1 (2026-01-29): required are @context, @type, conformsTo, name, description,
license, url, creator and datePublished; data use is said by `usageInfo` as terms of the GA4GH Data Use Ontology. The counts are
records of a RecordSet with `data` in the page itself: suppressed and rounded, as everywhere.
"""

import json
from typing import Any

from rapha.records.site import ConceptCoverage, SiteProfile

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
DUO = "http://purl.obolibrary.org/obo/"
DUO_NAMES = {
    "DUO:0000004": "no restriction",
    "DUO:0000006": "health or medical or biomedical research",
    "DUO:0000007": "disease specific research",
    "DUO:0000011": "population origins or ancestry research only",
    "DUO:0000042": "general research use",
}
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "samplingRate": "cr:samplingRate",
    "equivalentProperty": "cr:equivalentProperty",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_FIELDS = (("system", "sc:Text"), ("code", "sc:Text"), ("patients", "sc:Integer"))


def croissant_text(profile: SiteProfile) -> str:
    """The page, indented."""
    return json.dumps(croissant(profile), indent=2, ensure_ascii=False)


def croissant(profile: SiteProfile) -> dict[str, Any]:
    """The JSON-LD value. `datePublished` is the last year of the data: a profile has no date, so that the same data give the
    same bytes."""
    year = profile.last_year or 1970
    page: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": profile.site,
        "alternateName": profile.name,
        "description": (
            f"Health records of {profile.name}: {profile.patients} patients. The data stay there; studies come to them. "
            "Every count is suppressed where it is small, and rounded."
        ),
        "license": "http://publications.europa.eu/resource/authority/access-right/NON_PUBLIC",
        "url": f"urn:rapha:site:{profile.site}",
        "creator": {"@type": "sc:Organization", "name": profile.name},
        "datePublished": f"{year}-12-31",
        "version": "1.0.0",
        "isLiveDataset": True,
        "keywords": list(profile.modalities),
        "usageInfo": [_term(code) for code in profile.data_use],
        "recordSet": [_codes(profile)] if profile.coverage else [],
    }
    if profile.first_year:
        page["temporalCoverage"] = f"{profile.first_year}/{profile.last_year}"
    return page


def _term(code: str) -> dict[str, str]:
    term = {
        "@type": "sc:DefinedTerm",
        "@id": DUO + code.replace(":", "_"),
        "termCode": code,
        "inDefinedTermSet": "http://purl.obolibrary.org/obo/duo.owl",
    }
    return term | ({"name": DUO_NAMES[code]} if code in DUO_NAMES else {})


def _codes(profile: SiteProfile) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "codes",
        "name": "codes",
        "description": "Codes of enough patients, and about how many patients have any event of each.",
        "field": [
            {"@type": "cr:Field", "@id": f"codes/{name}", "name": name, "description": name, "dataType": kind}
            for name, kind in _FIELDS
        ],
        "data": [_row(line) for line in profile.coverage],
    }


def _row(line: ConceptCoverage) -> dict[str, Any]:
    return {"codes/system": line.system, "codes/code": line.code, "codes/patients": line.patients.about or 0}
