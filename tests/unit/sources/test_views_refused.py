"""Views that are wrong are refused when they are read, by file and place, with what was expected."""

import json
from pathlib import Path
from typing import Any

import pytest

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.views import parse_view, read_view, run_view
from rapha.sources.views.statement import compile_view

ID = {"column": [{"name": "id", "path": "id"}]}


def refused(view: Any) -> str:
    with pytest.raises(ConfigurationError) as raised:
        compile_view(parse_view(view, "v.json"))
    return str(raised.value)


def deep(levels: int) -> dict[str, Any]:
    return {"select": [deep(levels - 1)]} if levels else ID


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("@@", "character 1: '@@' begins no word"),
        ("name.", "character 6: found the end, expected a name"),
        ("name.where(use = 'a'", "found the end, expected `,`"),
        ("'a' 'b'", "character 5: found `b`, expected an operator or the end"),
        ("name.famly()", "the function `famly()` is not supported"),
        ("name.exist()", "did you mean `exists`?"),
        ("name.join('a', 'b')", "`join()` takes 0 or 1 arguments, found 2"),
        ("name | name", "the operator `|` is not supported"),
        ("%nowhere", "%nowhere is not defined; known are %rowIndex, %resource"),
        ("name.first().ofType(HumanName)", "right behind the name of an element"),
        ("'a' and true", "expected true or false, found a text"),
        ("'a' * 2", "expected a number, found a text"),
        ("'\\q'", "the escape \\q in a text is not known"),
        ("(" * 50 + "id" + ")" * 50, "nested deeper than 40 levels"),
        ("a.where(" * 6 + "true" + ")" * 6, "calls within calls, deeper than 5 levels"),
    ],
)
def test_a_path_that_cannot_be_read(path: str, said: str) -> None:
    message = refused({"resource": "Patient", "select": [{"column": [{"name": "v", "path": path}]}]})
    assert message.startswith("v.json: select[0].column[0].path: ")
    assert said in message


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ([], "view: is not an object"),
        ({"select": [ID]}, "resource: is missing or no text"),
        ({"resource": "Patient"}, "select: is missing"),
        ({"resource": "Patient", "select": [{"forEech": "name", **ID}]}, "did you mean `forEach`?"),
        ({"resource": "Patient", "select": [{"forEach": 1, **ID}]}, "select[0].forEach: is missing or no text"),
        (
            {"resource": "Patient", "select": [{"forEach": "a", "repeat": ["b"], **ID}]},
            "has both `forEach` and `repeat`",
        ),
        ({"resource": "Patient", "select": [{"forEach": "name"}]}, "select[0]: selects nothing"),
        ({"resource": "Patient", "select": [ID, ID]}, "the column `id` is there more than once"),
        ({"resource": "Patient", "select": [{"repeat": ["$this"], **ID}]}, "must go down to an element"),
        ({"resource": "Patient", "select": [{"column": [{"name": "a b", "path": "id"}]}]}, "letters, digits and"),
        ({"resource": "Patient", "select": [ID], "constant": [{"name": "c"}]}, "constant[0]: needs a plain `name`"),
        ({"resource": "Patient", "select": [ID], "constant": [{"name": "c", "valueInteger": "1"}]}, "of type Integer"),
        ({"resource": "Patient", "select": [deep(9)]}, "nested deeper than 8 levels"),
        ({"resource": "Patient", "select": [{"column": [{"name": "a", "path": "i" * 3000}]}]}, "longer than 2000"),
    ],
)
def test_a_view_that_is_wrong(view: Any, said: str) -> None:
    message = refused(view)
    assert message.startswith("v.json: ")
    assert said in message


@pytest.mark.parametrize("data", [b"{", b"\xff", b"[" * 100_000, b" " * (1 << 20) + b"{}"])
def test_a_file_that_is_no_view(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "v.json").write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"v\.json"):
        read_view(tmp_path / "v.json")


def test_what_is_no_resource_is_set_aside_by_file_and_line(tmp_path: Path) -> None:
    lines = [
        b'{"resourceType":"Patient","id":"a"}',
        b"",
        b"{broken",
        b"\xff",
        b"[1]",
        b'{"resourceType":"Patient","id":"b"}',
    ]
    (tmp_path / "a.ndjson").write_bytes(b"\n".join(lines))
    view = parse_view({"resource": "Patient", "select": [ID]}, "v.json")
    report = run_view(view, tmp_path, tmp_path / "out.parquet")
    assert (report.rows, report.read) == (2, 2)
    assert sorted((file, line) for file, line, _ in report.set_aside) == [("a.ndjson", n) for n in (3, 4, 5)]


def test_a_damaged_file_leaves_the_old_rows(tmp_path: Path) -> None:
    view, out = parse_view({"resource": "Patient", "select": [ID]}, "v.json"), tmp_path / "out.parquet"
    (tmp_path / "a.json").write_text(json.dumps({"resourceType": "Patient", "id": "a"}))
    run_view(view, tmp_path, out)
    before = out.read_bytes()
    (tmp_path / "b.ndjson.gz").write_bytes(b"no gzip at all")
    with pytest.raises(SourceError, match=r"b\.ndjson\.gz cannot be read"):
        run_view(view, tmp_path, out)
    assert out.read_bytes() == before


def test_a_folder_without_resources_is_said(tmp_path: Path) -> None:
    view = parse_view({"resource": "Patient", "select": [ID]}, "v.json")
    with pytest.raises(SourceError, match="no folder with files"):
        run_view(view, tmp_path, tmp_path / "out.parquet")
