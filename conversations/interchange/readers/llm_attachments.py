"""What both generations of llm's log keep beside prompts and answers: files, and fragments of text."""

import io
import json
from collections.abc import Iterable
from functools import partial

from conversations.interchange.databases import Database, Row, Value
from conversations.interchange.readers.conversation_facts import LARGEST_SIZE, count_or_none
from conversations.interchange.records import AttachmentRecord, Json, Readable
from conversations.interchange.shapes import text_or_none

_ATTACHMENT = "SELECT * FROM attachments WHERE rowid = ?"
_FRAGMENT = "SELECT * FROM fragments WHERE rowid = ?"


class Shelf:
    """Attachments and fragments by their ids; the bytes stay in the database until they are asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attachments = _rowids(database, "attachments")
        self._fragments = _rowids(database, "fragments")

    def linked(self, table: str, owner: str, thing: str) -> dict[Value, list[Value]]:
        """Of each owner the things that a table links to it, in order; {} where the version has no such table."""
        found: dict[Value, list[tuple[int, Value]]] = {}
        if table in self._database.tables:
            for row in self._database.rows(f"SELECT * FROM {table}"):
                order = row.get("order")
                place = order if isinstance(order, int) else 0
                found.setdefault(row.get(owner), []).append((place, row.get(thing)))
        return {key: [value for _, value in sorted(pairs, key=lambda pair: pair[0])] for key, pairs in found.items()}

    def attachments(self, ids: Iterable[Value]) -> tuple[AttachmentRecord, ...]:
        known = dict.fromkeys(name for name in ids if isinstance(name, str) and name in self._attachments)
        return tuple(self._attachment(name, self._attachments[name]) for name in known)

    def fragment(self, number: Value) -> Row:
        return self._database.row(_FRAGMENT, self._fragments[number]) if number in self._fragments else {}

    def _attachment(self, name: str, rowid: Value) -> AttachmentRecord:
        row = self._database.row(_ATTACHMENT, rowid)
        content = row.get("content")
        where: dict[str, Json] = {key: text_or_none(_text(row.get(key))) for key in ("id", "type", "path", "url")}
        return AttachmentRecord(
            external_id=name,
            name=(_text(row.get("path")) or _text(row.get("url")) or "").rpartition("/")[2],
            media_type=_text(row.get("type")) or "",
            size=count_or_none(len(content), largest=LARGEST_SIZE) if isinstance(content, bytes) else None,
            opened=partial(self._opened, rowid) if isinstance(content, bytes) else None,
            raw=where,
        )

    def _opened(self, rowid: Value) -> Readable:
        content = self._database.row(_ATTACHMENT, rowid).get("content")
        return io.BytesIO(content if isinstance(content, bytes) else b"")


def decoded(text: Value) -> Json:
    """The JSON a column holds; None where it is none."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None


def function_call(call_id: str, name: Value, arguments: Json) -> Json:
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": call_id, "type": "function", "function": {"name": _text(name) or "", "arguments": written}}


def _rowids(database: Database, table: str) -> dict[Value, Value]:
    if table not in database.tables:
        return {}
    return {row["id"]: row["rowid"] for row in database.rows(f"SELECT rowid AS rowid, id AS id FROM {table}")}


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None
