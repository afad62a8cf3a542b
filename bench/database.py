"""The bench's own PostgreSQL below `var/bench`, durable as in production, and the data sets in it.

A data set is loaded once and then left alone; a run works on a copy of its files, so that every run begins alike.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from bench.dataset import TABLES, VERSION, people
from bench.plan import HOME, ROOT, Sizes
from chatstore import embedded_postgres

# The loading alone: without waiting for the disk, and without the checks of foreign keys, which hold by construction.
LOADING = "-c synchronous_commit=off -c maintenance_work_mem=256MB -c session_replication_role=replica"


class Database:
    """The server, for as long as this object is open."""

    def __init__(self, home: Path = HOME) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._home = home
        self._dsn = embedded_postgres.start(home)

    def close(self) -> None:
        embedded_postgres.detach(self._home, seconds=30)

    def url(self, name: str = "postgres") -> str:
        """The URL of one database of the server."""
        return urlunsplit(urlsplit(self._dsn)._replace(path=f"/{name}"))

    def connect(self, name: str = "postgres", options: str = "") -> psycopg.Connection:
        """A connection on which every statement is its own transaction."""
        return psycopg.connect(self.url(name), autocommit=True, options=options)

    def postmaster(self) -> int:
        """The process id of the server: the parent of all that work for it."""
        with self.connect() as connection:
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
            assert row is not None
            status = Path(f"/proc/{row[0]}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:")))

    def ensure(self, sizes: Sizes) -> str:
        """The name of the database that holds this data set, loaded now unless it is there."""
        name, wanted = sizes.database, json.dumps({"version": VERSION, "schema": schema_digest()})
        with self.connect() as connection:
            found = connection.execute(
                "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name]
            ).fetchone()
            if found and found[0] == wanted:
                return name
            print(f"Loading {sizes.messages:,} messages into {name} (kept for the next run)", flush=True)
            self._recreate(connection, name)
            migrate(self.url(name))
            self._load(name, sizes)
            connection.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(name), Literal(wanted)))
        return name

    @contextmanager
    def working_copy(self, name: str) -> Iterator[str]:
        """A copy of a database, to be written to; dropped afterwards."""
        copy = f"{name}_run"
        drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(copy))
        create = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(Identifier(copy), Identifier(name))
        with self.connect() as connection:
            connection.execute(drop)
            connection.execute(create)
            try:
                yield copy
            finally:
                connection.execute(drop)

    def _recreate(self, connection: psycopg.Connection, name: str) -> None:
        connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))

    def _load(self, name: str, sizes: Sizes) -> None:
        started = time.monotonic()
        with self.connect(name, LOADING) as connection:
            for number, rows in enumerate(people(sizes), start=1):
                with connection.transaction():
                    for table, lines in rows.lines.items():
                        copy_lines(connection, table, TABLES[table], lines)
                if number % max(1, sizes.users // 10) == 0:
                    print(f"  {number} of {sizes.users} people, {time.monotonic() - started:.0f} s", flush=True)
            connection.execute("VACUUM (FREEZE, ANALYZE)")  # as a database that has been in use: visible, counted
            connection.execute("CHECKPOINT")


def copy_lines(connection: psycopg.Connection, table: str, columns: str, lines: list[str]) -> None:
    """COPY lines of PostgreSQL's text format into a table."""
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
        for start in range(0, len(lines), 500):
            copy.write("\n".join(lines[start : start + 500]) + "\n")


def schema_digest() -> str:
    """Changes with the migrations: an older data set is then loaded anew."""
    found = sorted(path for app in ("accounts", "conversations") for path in ROOT.glob(f"{app}/migrations/0*.py"))
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in found)).hexdigest()[:16]


def migrate(url: str) -> None:
    """The product's own schema."""
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"],
        cwd=ROOT,
        check=True,
        env={**product_environment(), "DATABASE_URL": url},
    )


def product_environment() -> dict[str, str]:
    """The product's settings for every run: production's, but for the throttling that a load test would meet."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHATSTORE_", "DATABASE_"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "CHATSTORE_SECRET_KEY": "a-secret-of-the-bench-alone-of-which-nothing-depends",
        "CHATSTORE_JWT_KEYS": f"{KEY_ID}:{KEY}",
        "CHATSTORE_THROTTLE_RATES": "off",
        "CHATSTORE_DATA_DIR": str(HOME),
        "MALLOC_ARENA_MAX": "2",  # as Dockerfile and Makefile set it: glibc's arenas are memory for nothing
    }


KEY_ID, KEY = "bench", "only-the-bench-signs-with-this-key-of-48-characters"
