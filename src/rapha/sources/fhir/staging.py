"""The rows of one ingest, in a DuckDB of its own. Lines are sorted by type of resource, Bundles taken apart, and every
type read by its one statement (`staged_rows.py`); what is set aside is noted by file and line.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from rapha.sources.fhir import export_files
from rapha.sources.fhir.meaning import MACROS, UTC, UTC_IN_ZONE, addresses_of
from rapha.sources.fhir.observation import PARTED, RARE
from rapha.sources.fhir.people_rows import CONSENT_MACROS, PEOPLE_STATEMENTS, PEOPLE_TABLES
from rapha.sources.fhir.readings import READINGS
from rapha.sources.fhir.resource_types import RESOURCE_TYPES
from rapha.sources.fhir.staged_rows import COLUMNS, component_statement, statement
from rapha.sources.fhir.structures import OBSERVATIONS, STRUCTURES, structure
from rapha.timeline.ahead import ahead

THREADS, MEMORY = 2, "160MB"
NOT_READ = "a resource of this type is not read: "
NO_RESOURCE = "is no FHIR resource"
_STATEMENTS = {name: (statement(name), structure(STRUCTURES[name])) for name in READINGS} | {
    name: (text, structure(STRUCTURES[name])) for name, text in PEOPLE_STATEMENTS.items()
}
_OBSERVATIONS = {
    (plain, parted): (
        component_statement(plain) if parted else statement("Observation", plain),
        structure(OBSERVATIONS[plain, parted]),
    )
    for plain, parted in OBSERVATIONS
}
"""Statement and structure, by type; of observations, by whether they are plain, and whether components are read."""
_TYPE = r"""coalesce(nullif(regexp_extract(text, '^\{"resourceType": ?"([A-Za-z]{1,60})"', 1), ''),
    TRY(json_extract_string(text, '$.resourceType')))"""
_BUNDLE = json.dumps(
    {
        "meta": {"lastUpdated": "VARCHAR"},
        "entry": [{"fullUrl": "VARCHAR", "resource": "JSON", "request": {"method": "VARCHAR", "url": "VARCHAR"}}],
    }
)
_LINK = re.compile(r'"reference":"((?:urn:|https?://)[^"]{1,500})"')


class Staging:
    """Holds one connection, which reads no file: lines reach it as Arrow. `spill` takes what does not fit in memory.

    `rows` counts the resources met, by file; `not_read` the resources of types that are not read, by file and type.
    """

    def __init__(self, spill: Path, servers: tuple[str, ...], zone: str | None) -> None:
        settings: dict[str, Any] = {
            "threads": THREADS,
            "memory_limit": MEMORY,
            "temp_directory": str(spill),
            "python_enable_replacements": False,
            "preserve_insertion_order": False,  # rows are sorted when they are written; until then they go side by side
        }
        self.connection = duckdb.connect(":memory:", config=settings)
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET TimeZone = 'UTC'")
        self.execute("SET VARIABLE ours = $ours", {"ours": addresses_of(servers)})
        self.execute("SET VARIABLE zone = $zone", {"zone": zone})
        for macro in (*MACROS, UTC if zone is None else UTC_IN_ZONE, *CONSENT_MACROS):
            self.execute(macro)
        self.execute(f"CREATE TABLE staged ({COLUMNS})")
        self.execute("CREATE TABLE set_aside (file INTEGER, line BIGINT, reason VARCHAR)")
        for table in PEOPLE_TABLES:
            self.execute(table)
        self.rows: Counter[int] = Counter()
        self.not_read: Counter[tuple[int, str]] = Counter()

    def execute(self, statement: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement with its parameters; its rows."""
        return self.connection.execute(statement, parameters or {}).fetchall()

    def load(self, file: int, name: str, path: Path) -> None:
        """Stage every resource of a file. Raises SourceError: it cannot be read."""
        broken: export_files.Broken = []
        for table in ahead(export_files.read(path, broken)):
            table = table.append_column("address", pa.nulls(len(table), pa.string()))
            self._sort(file, name, table, may_hold_bundles=True, counted_by_entry=path.name.endswith(export_files.JSON))
        pa.default_memory_pool().release_unused()  # what the texts took is not kept for the next file
        self.rows[file] += len(broken)
        self.set_aside(file, broken)

    def set_aside(self, file: int, lines: export_files.Broken) -> None:
        """Note lines of a file."""
        if lines:
            table = pa.table({"line": [line for line, _ in lines], "reason": [reason for _, reason in lines]})
            self._with(
                "incoming", table, "INSERT INTO set_aside SELECT $file, line, reason FROM incoming", {"file": file}
            )

    def take(self, name: str, table: pa.Table) -> None:
        """Make a table of what was worked out in Python."""
        self._with("incoming", table, f"CREATE TABLE {name} AS SELECT * FROM incoming")

    def _sort(self, file: int, name: str, table: pa.Table, may_hold_bundles: bool, counted_by_entry: bool) -> None:
        types = self._asked(table, f"SELECT {_TYPE} AS type FROM chunk").column("type")
        every = pc.unique(types).to_pylist()
        for found in every:
            chosen = pc.is_null(types) if found is None else pc.equal(types, found)
            of_type = table if len(every) == 1 else table.filter(chosen)
            if found == "Bundle" and may_hold_bundles:
                for number, text in zip(of_type["line"].to_pylist(), of_type["text"].to_pylist(), strict=True):
                    self._open_bundle(file, name, number, text, counted_by_entry)
                continue
            self.rows[file] += len(of_type)
            if found == "Observation":
                self._observe(file, name, of_type)
            elif found in _STATEMENTS:
                self._stage(file, name, of_type, *_STATEMENTS[found])
            elif found in RESOURCE_TYPES:
                self.not_read[file, found] += len(of_type)
            else:
                self.set_aside(file, [(line, NO_RESOURCE) for line in of_type["line"].to_pylist()])

    def _observe(self, file: int, name: str, table: pa.Table) -> None:
        """Stage observations: those with rare forms apart from the plain ones, then the components of both."""
        forms = self._asked(table, f"SELECT {RARE} AS rare, {PARTED} AS parted FROM chunk")
        for plain in (True, False):
            of_form = pc.xor(forms["rare"], plain)
            for parted in (False, True):
                chosen = pc.and_(of_form, forms["parted"]) if parted else of_form
                rows = table if pc.all(chosen).as_py() else table.filter(chosen)
                if len(rows):
                    self._stage(file, name, rows, *_OBSERVATIONS[plain, parted])

    def _stage(self, file: int, name: str, table: pa.Table, statement: str, structure: str) -> None:
        given = {"file": file, "name": name, "structure": structure}
        self._with("chunk", table, statement, {key: value for key, value in given.items() if f"${key}" in statement})

    def _open_bundle(self, file: int, name: str, line: int, text: str, counted_by_entry: bool) -> None:
        """Sort the resources of a Bundle, their references to other entries resolved; note what it deletes."""
        statement = "SELECT TRY(json_transform($text, $structure))"
        [(bundle,)] = self.execute(statement, {"text": text, "structure": _BUNDLE})
        if bundle is None:
            self.rows[file] += 1
            return self.set_aside(file, [(line, NO_RESOURCE)])
        entries = [entry for entry in bundle["entry"] or () if entry]
        places = [at if counted_by_entry else line for at in range(1, len(entries) + 1)]
        gone = [entry["request"]["url"] for entry in entries if (entry["request"] or {}).get("method") == "DELETE"]
        for url in gone:
            given = {"url": url, "at": bundle["meta"] and bundle["meta"]["lastUpdated"]}
            self.execute("INSERT INTO deletions SELECT local_of($url), utc_of($at)", given)
        self.rows[file] += len(gone)
        held = [(place, entry) for place, entry in zip(places, entries, strict=True) if entry["resource"]]
        if held:
            self._sort(file, name, self._entries(held), may_hold_bundles=False, counted_by_entry=counted_by_entry)
        return None

    def _entries(self, held: list[tuple[int, dict[str, Any]]]) -> pa.Table:
        table = pa.table(
            {
                "line": pa.array([place for place, _ in held], pa.int64()),
                "text": pa.array([entry["resource"] for _, entry in held], pa.string()),
                "address": pa.array([entry["fullUrl"] for _, entry in held], pa.string()),
            }
        )
        own = """SELECT address, TRY(json_extract_string(text, '$.resourceType') || '/'
            || json_extract_string(text, '$.id')) AS own FROM chunk WHERE address IS NOT NULL"""
        found = self._asked(table, own)
        names = dict(zip(found["address"].to_pylist(), found["own"].to_pylist(), strict=True))

        def resolve(match: "re.Match[str]") -> str:
            return f'"reference":{json.dumps(names.get(match[1]) or match[1])}'

        texts = [_LINK.sub(resolve, text) for text in table["text"].to_pylist()]
        return table.set_column(1, "text", pa.array(texts, pa.string()))

    def _with(self, name: str, table: pa.Table, statement: str, given: dict[str, Any] | None = None) -> None:
        """Run a statement with this Arrow table in its sight."""
        self.connection.register(name, table)
        try:
            self.connection.execute(statement, given or {})
        finally:
            self.connection.unregister(name)

    def _asked(self, table: pa.Table, query: str) -> pa.Table:
        """What a query answers with this Arrow table in its sight, as `chunk`: row by row, in its order."""
        self.connection.register("chunk", table)
        self.connection.execute("SET preserve_insertion_order = true")
        try:
            return self.connection.sql(query).to_arrow_table()
        finally:
            self.connection.execute("SET preserve_insertion_order = false")
            self.connection.unregister("chunk")
