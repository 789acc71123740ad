"""Every statement that reads lines, with the structure of what it reads, by the kind of lines it is for."""

from rapha.sources.fhir.people_rows import PEOPLE_STATEMENTS
from rapha.sources.fhir.readings import READINGS
from rapha.sources.fhir.staged_rows import component_statement, statement
from rapha.sources.fhir.structures import OBSERVATIONS, STRUCTURES, structure

Kind = str
"""A type of resource; of observations, also which forms they have, and whether they are read for their components."""


def observations(plain: bool, parted: bool) -> Kind:
    """The kind of these observations."""
    return f"Observation{'' if plain else ' of a rare form'}{', components' if parted else ''}"


STATEMENTS: dict[Kind, tuple[str, str]] = {
    **{name: (statement(name), structure(STRUCTURES[name])) for name in READINGS},
    **{name: (text, structure(STRUCTURES[name])) for name, text in PEOPLE_STATEMENTS.items()},
    **{
        observations(plain, parted): (
            component_statement(plain) if parted else statement("Observation", plain),
            structure(OBSERVATIONS[plain, parted]),
        )
        for plain, parted in OBSERVATIONS
    },
}
"""Each reads the relation `chunk` of (file INTEGER, line BIGINT, text VARCHAR, address VARCHAR), and takes one parameter,
`structure`. The variable `names` holds the names of the files."""
