"""Every statement that reads lines, with the structure of what it reads, by the type of resource it is for."""

from rapha.sources.fhir.people_rows import PEOPLE_STATEMENTS
from rapha.sources.fhir.staged_rows import TYPES, statement
from rapha.sources.fhir.structures import STRUCTURES, structure

Kind = str
"""A type of resource."""

STATEMENTS: dict[Kind, tuple[str, str]] = {
    **{name: (statement(name), structure(STRUCTURES[name])) for name in TYPES},
    **{name: (text, structure(STRUCTURES[name])) for name, text in PEOPLE_STATEMENTS.items()},
}
"""Each reads the relation `chunk` of (file INTEGER, line BIGINT, text VARCHAR, address VARCHAR), and takes one parameter,
`structure`. The variable `names` holds the names of the files."""
