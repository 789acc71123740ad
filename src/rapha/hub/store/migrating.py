"""Bring the hub's tables to the newest revision. Alembic is imported only where there is something to do: most starts of a hub find none."""

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, text

_MIGRATIONS = Path(__file__).parent / "migrations"


class CannotMigrate(Exception):
    """The tables are of a revision that this version does not know."""


def revision_of(connection: Connection) -> str | None:
    """The revision of the tables; None where nobody has made any."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


@cache
def newest() -> str:
    """The revision that the migrations end with: each file is named by its own, and they count upwards."""
    return max(file.name for file in (_MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


def migrate(connection: Connection) -> None:
    """Bring the schema to the newest revision, on this connection.

    Raises:
        CannotMigrate: another version of rapha made these tables, a later one.
    """
    if revision_of(connection) == newest():
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise CannotMigrate(str(error)) from error
