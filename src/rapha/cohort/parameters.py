"""Every value of a study travels as a bound parameter: no text of a researcher ever becomes part of a statement.

The words of a statement (tables, columns, functions) are this package's own; which of them are used follows from the
study's shape alone.
"""

from typing import Literal

from rapha.records.moments import Duration

SqlType = Literal["INTEGER", "INTEGER[]", "VARCHAR", "VARCHAR[]", "BOOLEAN[]", "BLOB", "DOUBLE", "DOUBLE[]"]


class Parameters:
    """The values of one statement, by the names it calls them: p1, p2, ..."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def bind(self, value: object, sql_type: SqlType) -> str:
        """Keep a value; returns how the statement refers to it."""
        name = f"p{len(self.values) + 1}"
        self.values[name] = value
        return f"CAST(${name} AS {sql_type})"

    def interval(self, length: Duration) -> str:
        """A calendar interval: months and years by the calendar, the 31st becoming the last day of a shorter month."""
        return f"to_{length.unit}({self.bind(length.count, 'INTEGER')})"
