"""docs/study.md: its examples run, and it names every key there is."""

import re
import typing
from collections.abc import Iterator
from pathlib import Path

import delivered_sample as sample
import pytest
from made_up_people import write_study

from rapha.records.feature import AGGREGATES
from rapha.records.learning import PrivacyTerms, SplitSpec, TrainingSpec
from rapha.records.study import SiteSelector, Study
from rapha.sdk.study_file import parse_study, read_study
from rapha.sdk.vocabulary import CRITERIA, tags_at

PAGE = (sample.CHECKOUT / "docs/study.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


MODALITIES = (sample.CHECKOUT / "docs/modalities.md").read_text()


@pytest.mark.parametrize("text", [*blocks("yaml"), *re.findall(r"```yaml\n(.*?)```", MODALITIES, re.DOTALL)])
def test_every_yaml_example_is_a_study(text: str) -> None:
    parse_study(text)


def concepts_of_terminology() -> list[str]:
    page = (sample.CHECKOUT / "docs/terminology.md").read_text()
    return re.findall(r"```yaml\nconcepts:\n(.*?)```", page, re.DOTALL)


@pytest.mark.parametrize("text", concepts_of_terminology())
def test_every_concept_of_the_page_on_terminology_can_be_written_in_a_study(text: str, tmp_path: Path) -> None:
    text = text.replace("diabetes:", "sugar:")  # the made-up study has a concept of that name
    study = read_study(write_study(tmp_path / "study.yaml", **{"concepts:\n": "concepts:\n" + text}))
    assert len(study.concepts) == 3 + len(text.strip().splitlines())


@pytest.mark.parametrize("code", blocks("python"))
def test_every_python_example_runs(code: str) -> None:
    names: dict[str, object] = {}
    exec(code, names)
    assert isinstance(names["study"], Study)


def test_the_feature_of_the_last_example_has_the_name_it_is_given() -> None:
    names: dict[str, typing.Any] = {}
    exec(blocks("python")[0], names)
    assert all(f'"{feature.name}"' in blocks("py")[0] for feature in names["study"].features)


def keys() -> Iterator[str]:
    yield from Study.model_fields
    parts = {"training": TrainingSpec, "split": SplitSpec, "privacy": PrivacyTerms, "sites": SiteSelector}
    for name, part in parts.items():
        yield from (f"{name}.{field}" for field in part.model_fields)
    yield from tags_at(("model",))
    yield from tags_at(("training", "aggregation"))


@pytest.mark.parametrize("key", [*keys(), *AGGREGATES, *CRITERIA])
def test_every_key_is_on_the_page(key: str) -> None:
    assert re.search(rf"`\{{?{re.escape(key)}\b|^### .*\b{key}\b", PAGE, re.MULTILINE), key


def test_every_default_on_the_page_is_the_default() -> None:
    for name, part in (("training", TrainingSpec()), ("split", SplitSpec())):
        for field, value in part:
            row = re.search(rf"^\| `{name}\.{field}` \| `?([^|`]+?)`? \|", PAGE, re.MULTILINE)
            assert row, field
            assert row[1] == "none" if value is None else type(value)(row[1]) == value
