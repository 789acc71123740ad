"""The lines of an export, sorted by the statement that is to read them, whatever file they lie in; Bundles taken apart.

One `Sorting` goes through all files once, in a thread of its own while DuckDB is busy with what came before. What it
meets on the way and no statement needs (counts, deletions, lines set aside) it keeps, to be asked for at the end.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from rapha.sources.fhir import export_files
from rapha.sources.fhir.resource_types import RESOURCE_TYPES
from rapha.sources.fhir.statements import STATEMENTS, Kind

TABLE_BYTES = 4 << 20
NO_RESOURCE = "is no FHIR resource"
LINES = pa.schema([("file", pa.int32()), ("line", pa.int64()), ("text", pa.string()), ("address", pa.string())])
"""A line by its file's number and its own, and the address that a Bundle gives it."""

_BEGUN = re.compile(r'\{"resourceType": ?"([A-Za-z]{1,60})"')
_TYPES = rf"""SELECT coalesce(nullif(regexp_extract(text, '^{_BEGUN.pattern}', 1), ''),
    TRY(json_extract_string(text, '$.resourceType')), '') AS type FROM chunk"""
_BUNDLE = json.dumps(
    {
        "meta": {"lastUpdated": "VARCHAR"},
        "entry": [
            {
                "fullUrl": "VARCHAR",
                "resource": "JSON",
                "request": {"method": "VARCHAR", "url": "VARCHAR"},
                "response": "JSON",
            }
        ],
    }
)
_SAYS = ("resource", "request", "response")
_OPENED = f"""SELECT TRY(json_transform(text, '{_BUNDLE}')) AS bundle,
    TRY(coalesce(json_type(text, '$.entry'), 'NULL') IN ('ARRAY', 'NULL')) AS listed FROM chunk"""
_OWN_NAMES = """SELECT TRY(json_extract_string(text, '$.resourceType') || '/' || json_extract_string(text, '$.id')) AS own
    FROM chunk"""
_LINK = re.compile(r'"reference":"((?:urn:|https?://)[^"]{1,500})"')


class Sorting:
    """`rows` counts the resources met, by file; `not_read` those of types that are not read, by file and type;
    `set_aside` holds file, line and reason; `deleted` what Bundles delete: the url, and when. `told` number and name of each
    file as it is begun."""

    def __init__(self, paths: dict[str, Path], told: Callable[[int, str], None]) -> None:
        self.paths, self.told = paths, told
        self.rows: Counter[int] = Counter()
        self.not_read: Counter[tuple[int, str]] = Counter()
        self.set_aside: list[tuple[int, int, str]] = []
        self.deleted: list[tuple[str, str | None]] = []
        self._connection = duckdb.connect(":memory:", config={"threads": 1, "python_enable_replacements": False})
        self._connection.execute("SET enable_external_access = false")

    def every(self) -> Iterator[tuple[Kind, pa.Table]]:
        """Every resource that a statement reads, in tables like `LINES` of one kind each.

        Raises:
            SourceError: a file cannot be read.
        """
        for table in _together(self._lines()):
            yield from self._sort(table, may_hold_bundles=True)
        self._connection.close()

    def _lines(self) -> Iterator[pa.Table]:
        for file, (name, path) in enumerate(self.paths.items()):
            self.told(file, name)
            broken: export_files.Broken = []
            for table in export_files.read(path, broken):
                yield _of_file(file, table)
            self.rows[file] += len(broken)
            self.set_aside += [(file, line, reason) for line, reason in broken]

    def _sort(self, table: pa.Table, may_hold_bundles: bool) -> Iterator[tuple[Kind, pa.Table]]:
        for found, of_type in self._by_type(table):
            if found == "Bundle" and may_hold_bundles:
                yield from self._open_bundles(of_type)
                continue
            self._count(of_type)
            if found in STATEMENTS:
                yield found, of_type
            elif found in RESOURCE_TYPES:
                self.not_read.update((file, found) for file in of_type["file"].to_pylist())
            else:
                self._set_aside(of_type)

    def _by_type(self, table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
        """The lines of each type. Where all begin as the first one does, none is looked into."""
        begun = _BEGUN.match(table["text"][0].as_py()) if len(table) else None
        if begun and pc.all(pc.starts_with(table["text"], begun[0])).as_py():
            yield begun[1], table
            return
        types = self._asked(table, _TYPES)["type"].combine_chunks()
        for found in pc.unique(types).to_pylist():
            yield found, table.filter(pc.equal(types, found))

    def _count(self, table: pa.Table) -> None:
        for counted in pc.value_counts(table["file"]).to_pylist():
            self.rows[counted["values"]] += counted["counts"]

    def _set_aside(self, table: pa.Table) -> None:
        places = zip(table["file"].to_pylist(), table["line"].to_pylist(), strict=True)
        self.set_aside += [(file, line, NO_RESOURCE) for file, line in places]

    def _open_bundles(self, table: pa.Table) -> Iterator[tuple[Kind, pa.Table]]:
        """The resources of Bundles, sorted, their references to other entries resolved; what they delete is kept."""
        opened = self._asked(table, _OPENED)
        for at, (bundle, listed) in enumerate(
            zip(opened["bundle"].to_pylist(), opened["listed"].to_pylist(), strict=True)
        ):
            if bundle is None or not listed:
                self._count(table.slice(at, 1))
                self._set_aside(table.slice(at, 1))
                continue
            file, line = table["file"][at].as_py(), table["line"][at].as_py()
            if held := self._held(bundle, file, line):
                yield from self._sort(self._entries(file, held), may_hold_bundles=False)

    def _held(self, bundle: dict[str, Any], file: int, line: int) -> list[tuple[int, dict[str, Any]]]:
        """The entries that hold a resource, each with its place; of the others it is kept what they say."""
        alone = list(self.paths)[file].endswith(export_files.JSON)
        entries = [(number if alone else line, entry) for number, entry in enumerate(bundle["entry"] or (), 1)]
        lost = [place for place, entry in entries if not (entry and any(entry[part] for part in _SAYS))]
        requests = [entry["request"] or {} for _, entry in entries if entry]
        gone = [request["url"] for request in requests if request.get("method") == "DELETE"]
        self.rows[file] += len(lost) + len(gone)
        self.set_aside += [(file, place, NO_RESOURCE) for place in lost]
        self.deleted += [(url, bundle["meta"] and bundle["meta"]["lastUpdated"]) for url in gone]
        return [(place, entry) for place, entry in entries if entry and entry["resource"]]

    def _entries(self, file: int, held: list[tuple[int, dict[str, Any]]]) -> pa.Table:
        texts = [entry["resource"] for _, entry in held]
        urls = [entry["fullUrl"] for _, entry in held]
        own = self._asked(pa.table({"text": pa.array(texts, pa.string())}), _OWN_NAMES)["own"].to_pylist()
        names = dict(zip(urls, own, strict=True))

        def resolve(match: "re.Match[str]") -> str:
            return f'"reference":{json.dumps(names.get(match[1]) or match[1])}'

        columns = [[file] * len(held), [place for place, _ in held], [_LINK.sub(resolve, text) for text in texts], urls]
        return pa.table([pa.array(column, field.type) for column, field in zip(columns, LINES, strict=True)], LINES)

    def _asked(self, table: pa.Table, query: str) -> pa.Table:
        """What a query answers with this table in its sight, as `chunk`: row by row, in its order."""
        self._connection.register("chunk", table)
        try:
            return self._connection.sql(query).to_arrow_table()
        finally:
            self._connection.unregister("chunk")


def _of_file(file: int, table: pa.Table) -> pa.Table:
    number, address = pa.repeat(pa.scalar(file, pa.int32()), len(table)), pa.nulls(len(table), pa.string())
    return pa.table([number, table["line"], table["text"], address], LINES)


def _together(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same lines in tables of some `TABLE_BYTES`, files joined: a query for each has its price."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(one.nbytes for one in held) >= TABLE_BYTES:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)
