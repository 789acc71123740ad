"""A PostgreSQL server of a test's own, from Debian's binaries, on a socket in its own folder; no network, no password."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BINARIES = [*Path("/usr/lib/postgresql").glob("*/bin"), Path("/usr/local/bin")]


class SmallPostgres:
    """`folder` holds its socket; every `database()` is a new, empty one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def database(self) -> str:
        """The libpq URL of a fresh database."""
        import psycopg

        name = f"hub_{secrets.token_hex(6)}"
        with psycopg.connect(f"host={self.folder} dbname=postgres user=rapha", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return f"postgresql://rapha@/{name}?host={self.folder}"


@contextmanager
def small_postgres() -> Iterator[SmallPostgres]:
    """The server, until the block ends. Skips the test where this machine has none."""
    bin_ = next((folder for folder in BINARIES if (folder / "initdb").exists()), None)
    if bin_ is None:
        pytest.skip("no PostgreSQL on this machine: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="pip install 'rapha[postgres]'")
    folder = (
        Path("/tmp").resolve() / f"rapha-pg-{os.getpid()}-{secrets.token_hex(3)}"
    )  # a socket's path has to be short
    folder.mkdir(mode=0o755)
    as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres", "postgres")
    data, options = str(folder / "data"), f"-k {folder} -c listen_addresses=''"

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, stdout=subprocess.DEVNULL, cwd=folder)

    try:
        run(str(bin_ / "initdb"), "-D", data, "-U", "rapha", "-A", "trust", "-N", "-E", "UTF8")
        run(str(bin_ / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        yield SmallPostgres(folder)
        run(str(bin_ / "pg_ctl"), "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
