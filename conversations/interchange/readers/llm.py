"""`llm`, Simon Willison's command line tool: its SQLite log, of both generations, which may stand in one file.

Up to llm 0.31: `conversations`, and `responses` of one prompt and its answer each. Since 0.32: `threads`, `turns`,
`messages` and `parts`, where threads that begin alike share the rows of their beginning. A log that was begun before
has both; what the newer tables hold as a turn is not read again from the older ones.
"""

from collections.abc import Collection, Iterator

from conversations.interchange.databases import Database
from conversations.interchange.readers.llm_responses import read_responses
from conversations.interchange.readers.llm_threads import read_threads
from conversations.interchange.records import ConversationRecord, Trouble

NAME = "llm"

_THREADS = {"threads", "turns", "messages", "parts"}
_RESPONSES = {"conversations", "responses"}


def recognises(tables: Collection[str]) -> bool:
    return set(tables) >= _THREADS or set(tables) >= _RESPONSES


def read(database: Database) -> Iterator[ConversationRecord | Trouble]:
    """One record a thread, then one an older conversation; a conversation that goes on as a thread comes twice.

    Troubles: no_messages (skipped), external_id_too_long (failed).
    """
    has_threads = set(database.tables) >= _THREADS
    if has_threads:
        yield from read_threads(database, source=NAME)
    if set(database.tables) >= _RESPONSES:
        moved = {row["id"] for row in database.rows("SELECT id FROM turns")} if has_threads else set()
        yield from read_responses(database, source=NAME, moved=moved)
