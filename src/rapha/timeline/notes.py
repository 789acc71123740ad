"""The texts of a batch's notes, from its staging into assets; and the language that a mapping says of all of them."""

from pathlib import Path
from typing import TYPE_CHECKING

from rapha.records.author import Language
from rapha.timeline.assets import Contents
from rapha.timeline.manifest import Table

if TYPE_CHECKING:
    import duckdb

NOTE_TEXTS = "note_texts"
"""The staging's table of `subject_key` and `text`: every text that an event of the batch points at by its SHA-256."""

_ROWS_AT_ONCE = 1024


def keep_notes(
    connection: "duckdb.DuckDBPyConnection", timeline: Path, source: str, batch: str
) -> "dict[Table, duckdb.DuckDBPyRelation]":
    """Keep the staged texts as assets; the table `assets`, or nothing where there is no text. Those of patients who opted
    out are not kept at all. `connection` is that of the staging: it has `subjects` too."""
    texts = connection.sql(
        f"""SELECT DISTINCT subject_key, text FROM {NOTE_TEXTS}
            WHERE subject_key NOT IN (SELECT subject_key FROM subjects WHERE opted_out)
            ORDER BY subject_key, text"""
    )
    contents = Contents(timeline, source, batch)
    kept = 0
    for rows in texts.to_arrow_reader(_ROWS_AT_ONCE):
        for subject, text in zip(*(column.to_pylist() for column in rows.columns), strict=True):
            contents.add(subject, "note", text.encode())
        kept += len(rows)
    if not kept:
        contents.drop()
        return {}
    return {"assets": connection.from_arrow(contents.table())}


def in_language(events: "duckdb.DuckDBPyRelation", language: Language | None) -> "dict[Table, duckdb.DuckDBPyRelation]":
    """The table `notes` of a source that tells nobody's language, where its mapping does; else nothing."""
    if language is None:
        return {}
    return {
        "notes": events.filter("kind = 'note'").project(
            f"event_id, CAST(NULL AS VARCHAR) AS author, '{language}' AS language"
        )
    }
