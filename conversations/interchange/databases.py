"""SQLite databases of strangers: opened to be read and nothing else, with the work that it may cost bounded.

What a database may do to its reader is what its schema holds: views, triggers, virtual tables, generated columns. None
of these is read, so that a statement on a table runs no expression that came with the file. What is left is a file of
pages, damaged or made to be walked for ever, and the virtual machine's steps are counted.
"""

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from conversations.interchange.errors import MalformedSource
from conversations.interchange.records import Json
from conversations.interchange.sources import PathLike

Value = str | int | float | bytes | None
Row = dict[str, Value]

MAX_VALUE_BYTES = 256 << 20
MAX_TABLES = 1000

# A row of ten bytes, the shortest worth one, takes some thirty steps to scan and fifty more to find by its key.
STEPS_FREE, STEPS_PER_BYTE = 20_000_000, 20
_STEPS_BETWEEN = 10_000

_PRAGMAS = ("query_only=ON", "trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0")
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
_COLUMNS = "SELECT name, hidden FROM pragma_table_xinfo(?)"
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}


class Database:
    """A connection, and the tables worth reading: `tables` are the ordinary ones, without generated columns."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        names = [str(row["name"]) for row in self.rows(_TABLES)]
        if len(names) > MAX_TABLES:
            raise MalformedSource("database_too_large", "The database holds too many tables.")
        self.tables = frozenset(name for name in names if self._is_plain(name))

    def rows(self, statement: str, *parameters: Value) -> Iterator[Row]:
        """The rows of a SELECT; any table may lack the columns of another version, so readers ask for `*`.

        Raises MalformedSource: database_damaged, or database_too_large where it costs more steps than its size allows.
        """
        try:
            cursor = self._connection.execute(statement, parameters)
            names = [column[0] for column in cursor.description]
            for values in cursor:
                yield dict(zip(names, values, strict=True))
        except sqlite3.OperationalError as error:
            if str(error) == "interrupted":
                raise MalformedSource("database_too_large", "The database costs too much work to read.") from None
            raise _damaged() from None
        except (sqlite3.Error, OverflowError):
            raise _damaged() from None

    def row(self, statement: str, *parameters: Value) -> Row:
        """The first row, {} where there is none. Raises as `rows` does."""
        return next(self.rows(statement, *parameters), {})

    def _is_plain(self, table: str) -> bool:
        return all(row["hidden"] == 0 for row in self.rows(_COLUMNS, table))


@contextmanager
def opened_database(path: PathLike) -> Iterator[Database]:
    """The database at `path`, open as long as the context lasts. Nothing is written, beside it neither.

    What an application that still runs has not yet moved from its write-ahead log into the file is not seen.
    Raises MalformedSource for a file that is damaged, OSError as open() does.
    """
    where = quote(str(Path(path).absolute()))
    try:
        connection = sqlite3.connect(f"file:{where}?mode=ro&immutable=1", uri=True, isolation_level=None)
    except sqlite3.Error:
        raise _damaged() from None
    with closing(connection):
        try:
            _restrict(connection, size=Path(path).stat().st_size)
        except sqlite3.Error:
            raise _damaged() from None
        database = Database(connection)
        connection.set_authorizer(_only_reads)
        yield database


def plain(row: Row) -> dict[str, Json]:
    """A row as JSON; of bytes, which an attachment gives or nobody, and infinities there is null."""
    return {name: None if isinstance(value, bytes) or value in _NO_JSON else value for name, value in row.items()}


_NO_JSON = (math.inf, -math.inf)


def _restrict(connection: sqlite3.Connection, *, size: int) -> None:
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.text_factory = _text
    connection.set_progress_handler(_step_counter(STEPS_FREE + STEPS_PER_BYTE * size), _STEPS_BETWEEN)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    ((pages,),) = connection.execute("PRAGMA page_count")
    ((page_bytes,),) = connection.execute("PRAGMA page_size")
    if pages * page_bytes > size:  # SQLite reads what is missing at the end of the last page as zeros
        raise _damaged()


def _step_counter(allowed: int) -> Callable[[], bool]:
    """Steps and not seconds: between two rows, whoever stores them may take any time."""
    left = allowed // _STEPS_BETWEEN

    def is_enough() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    return is_enough


def _only_reads(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _text(data: bytes) -> str:
    """SQLite checks no encoding: lone surrogates pass, and any other byte that is no UTF-8 becomes one."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")


def _damaged() -> MalformedSource:
    return MalformedSource("database_damaged", "The database is damaged, or made to mislead.")
