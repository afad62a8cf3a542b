"""Open WebUI's own database, `webui.db`: what its export says is in the rows of `chat`, the JSON of it as text.

All chats of all its people come in. A link's copy of a chat, which stands beside it under another id, does not.
"""

import json
from collections.abc import Collection, Iterator

from conversations.interchange.databases import Database, plain
from conversations.interchange.readers import openwebui
from conversations.interchange.readers.unusable import Found
from conversations.interchange.records import Json

NAME = openwebui.NAME

_TABLES = {"chat", "auth"}
_JSON, _FLAGS = ("chat", "meta"), ("archived", "pinned")
_SHARED = "shared-"  # before the chat's id, in place of a person's


def recognises(tables: Collection[str]) -> bool:
    return set(tables) >= _TABLES


def read(database: Database) -> Iterator[Found]:
    """One record or one Trouble a chat; Troubles as of `openwebui.read`."""
    return openwebui.read(_items(database))


def _items(database: Database) -> Iterator[Json]:
    for row in database.rows("SELECT * FROM chat"):
        item = plain(row)
        if str(item.get("user_id")).startswith(_SHARED):
            continue
        decoded = {key: _decoded(item[key]) for key in _JSON if key in item}
        yield item | decoded | {key: bool(item[key]) for key in _FLAGS if key in item}


def _decoded(value: Json) -> Json:
    """What the text says; a text that is no JSON, or none that can be read, as it is."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value
