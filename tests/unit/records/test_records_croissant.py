"""A profile as Croissant: what the specification requires is there; and `mlcroissant`, where it is installed, agrees."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from rapha.records.croissant import croissant, croissant_text
from rapha.records.site import SiteProfile

GOLDEN = Path(__file__).parents[2] / "vectors" / "records" / "site-profile.json"
REQUIRED = ("@context", "@type", "conformsTo", "name", "description", "license", "url", "creator", "datePublished")


@pytest.fixture
def profile() -> SiteProfile:
    return SiteProfile.from_bytes(GOLDEN.read_bytes())


def test_every_required_property_is_there(profile: SiteProfile) -> None:
    page = croissant(profile)
    assert all(page[name] for name in REQUIRED)
    assert page["conformsTo"] == "http://mlcommons.org/croissant/1.1"


def test_data_use_is_terms_of_the_ontology(profile: SiteProfile) -> None:
    (term,) = croissant(profile)["usageInfo"]
    assert term["@id"] == "http://purl.obolibrary.org/obo/DUO_0000006" and term["termCode"] == "DUO:0000006"


def test_every_record_has_a_value_for_each_declared_field_and_no_other(profile: SiteProfile) -> None:
    (codes,) = croissant(profile)["recordSet"]
    declared = {field["@id"] for field in codes["field"]}
    assert codes["data"] == [{"codes/system": "local", "codes/code": "hdl", "codes/patients": 6100}]
    assert all(set(row) == declared for row in codes["data"])


def test_a_site_without_enough_of_anything_has_a_page_too(profile: SiteProfile) -> None:
    empty = profile.model_copy(update={"coverage": (), "first_year": None, "last_year": None, "data_use": ()})
    page = json.loads(croissant_text(empty))
    assert page["recordSet"] == [] and "temporalCoverage" not in page


@pytest.mark.skipif(shutil.which("mlcroissant") is None, reason="mlcroissant is not on the path")
def test_mlcroissant_finds_no_error(profile: SiteProfile, tmp_path: Path) -> None:
    page = tmp_path / "croissant.json"
    page.write_text(croissant_text(profile))
    done = subprocess.run(["mlcroissant", "validate", "--jsonld", page], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
