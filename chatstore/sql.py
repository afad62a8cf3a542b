"""Named SQL statements, prepared once per connection, and the one place where transient faults are tried again.

Values stay in the form in which an answer needs them: `uuid` as text, `jsonb` as the bytes PostgreSQL sent,
`timestamptz` as ISO 8601. A computed one would be turned into Python objects and back for nothing.
"""

import functools
import random
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections, transaction
from psycopg import RawCursor
from psycopg import adapters as psycopg_adapters
from psycopg.adapt import AdaptersMap, Buffer, Loader
from psycopg.types.string import TextLoader

if TYPE_CHECKING:
    from chatstore.postgres.base import DatabaseWrapper

Row = dict[str, Any]
Params = Mapping[str, Any]

# The server rolled the statement back and says that a second try may pass (PostgreSQL, appendix A).
ROLLED_BACK = {"40001", "40P01"}
ATTEMPTS = 3


class JsonAsIs(Loader):
    """jsonb goes into the answer as the bytes that PostgreSQL sent."""

    def load(self, data: Buffer) -> orjson.Fragment:
        return orjson.Fragment(bytes(data))


class TimestampAsIso(Loader):
    """`2026-11-21 10:00:00.5+00` -> `2026-11-21T10:00:00.500000Z`. The session's time zone is UTC."""

    def load(self, data: Buffer) -> str:
        text = bytes(data).decode()
        day, clock = text[:10], text[11:-3]
        return f"{day}T{clock}Z" if len(clock) == 15 else f"{day}T{clock[:8]}.{clock[9:]:0<6}Z"


def _raw_adapters() -> AdaptersMap:
    adapters = AdaptersMap(psycopg_adapters)
    adapters.register_loader("uuid", TextLoader)
    adapters.register_loader("numeric", TextLoader)
    adapters.register_loader("jsonb", JsonAsIs)
    adapters.register_loader("json", JsonAsIs)
    adapters.register_loader("timestamptz", TimestampAsIso)
    return adapters


RAW_ADAPTERS = _raw_adapters()  # one for all cursors: to register five loaders a statement was an eighth of its time


class RawRowCursor(RawCursor[tuple[Any, ...]]):
    """Rows for rendering, not for computing."""

    @property
    def adapters(self) -> AdaptersMap:
        return RAW_ADAPTERS


class Statement(NamedTuple):
    """A statement as PostgreSQL takes it, `$1` for `%(name)s`, and the names in the order of the numbers.

    `columns` are the names of its answer, known after the first: they are as constant as the text.
    """

    text: bytes
    names: tuple[str, ...]
    columns: list[str]


_PLACEHOLDER = re.compile(r"%\((\w+)\)s|%%")


@functools.cache  # the texts are the program's own, and few
def _statement(sql: str) -> Statement:
    """psycopg would do this at every execution of a text over 4,096 characters: an eighth of an append's time."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found[1], len(numbers) + 1)}" if found[1] else "%"

    return Statement(_PLACEHOLDER.sub(number, sql).encode(), tuple(numbers), [])


def fetch_all(sql: str, params: Params) -> list[Row]:
    """Run a reading statement; once more if the connection turns out to be gone."""
    return _with_retries(sql, params, repeatable=True)


def fetch_one(sql: str, params: Params) -> Row | None:
    """The only row of a reading statement, or None."""
    rows = fetch_all(sql, params)
    return rows[0] if rows else None


def write(sql: str, params: Params, *, repeatable: bool = False) -> list[Row]:
    """Run a writing statement, which is its own transaction: all of it, or nothing.

    It is tried again when the server says that it was rolled back (deadlock, serialization). `repeatable` says that a
    second run of the same parameters does no harm (the ids in it are made beforehand, so that a repeat is noticed);
    only then is it also tried again when the connection broke, when nobody knows whether it was committed.
    """
    return _with_retries(sql, params, repeatable=repeatable)


def _with_retries(sql: str, params: Params, *, repeatable: bool) -> list[Row]:
    database = cast("DatabaseWrapper", connections[DEFAULT_DB_ALIAS])  # looked up once: `connection` asks at each use
    if database.in_atomic_block:
        with transaction.atomic():  # a savepoint: a refused statement leaves the caller's transaction usable
            return _run(sql, params, _context(database))
    for attempt in range(1, ATTEMPTS):
        context = _context(database)
        try:
            return _run(sql, params, context)
        except (OperationalError, InterfaceError) as error:
            state = getattr(error.__cause__, "sqlstate", None)
            if state in ROLLED_BACK:
                time.sleep(random.uniform(0, 0.02 * attempt))  # noqa: S311  so that the same two do not meet again
            elif context["broken"]:
                _replace_broken_connections(database)
                if not repeatable:
                    raise
            else:
                raise
    return _run(sql, params, _context(database))


def _context(database: "DatabaseWrapper") -> dict[str, Any]:
    """What Django hands to `execute_wrapper`s; and whether the connection was found broken."""
    return {"connection": database, "cursor": None, "broken": False}


def _replace_broken_connections(database: "DatabaseWrapper") -> None:
    """One is broken: the server went away, and the others of the pool are too. None of them is to be tried next."""
    database.close()
    if database.pool:
        database.pool.check()


def _run(sql: str, params: Params, context: dict[str, Any]) -> list[Row]:
    run = _execute
    for wrapper in reversed(context["connection"].execute_wrappers):  # query counters, and the tests' ownership watch
        run = functools.partial(wrapper, run)
    return run(sql, params, False, context)


def _execute(sql: str, params: Params, many: bool, context: dict[str, Any]) -> list[Row]:
    database: DatabaseWrapper = context["connection"]
    started = time.monotonic() if database.queries_logged else 0.0
    statement = _statement(sql)
    try:
        with database.wrap_database_errors:
            lent = database.borrow()
            try:
                cursor = RawRowCursor(lent)
                cursor.execute(statement.text, [params[name] for name in statement.names], prepare=True)
                return _rows(cursor, statement)
            finally:
                context["broken"] = lent.broken
                database.give_back(lent)
    finally:
        if database.queries_logged:  # Django does not see this cursor
            database.queries_log.append({"sql": sql, "time": f"{time.monotonic() - started:.3f}"})


def _rows(cursor: RawRowCursor, statement: Statement) -> list[Row]:
    if cursor.pgresult is None or not cursor.pgresult.nfields:
        return []
    columns = statement.columns or [column.name for column in cursor.description or ()]
    if not statement.columns:
        statement.columns[:] = columns  # all at once: threads share it
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
