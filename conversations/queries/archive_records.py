"""A conversation's rows, of `archive`'s statements, as a record: the true text, and the tree in order."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from chatstore.sql import Row
from chatstore.storable import MARK, answer_from_storable, from_storable, stored_json
from conversations.interchange.records import ConversationRecord, Json, MessageRecord
from conversations.interchange.tree import Tree, current_leaf, grown

Rows: TypeAlias = dict[str, Row]  # of one conversation, by id

OWN = "chatstore"  # the source of what was made here, and the key in `metadata` under which our own facts stand


def record_of(header: Row, rows: Rows, *, include_trash: bool) -> ConversationRecord:
    """The record of a conversation and its messages, which are taken out of `rows` one by one."""
    tree = _tree(rows, include_trash)
    names = {message_id: _name(rows[message_id]) for message_id in tree.order}
    current = _current(header["current_message_id"], tree, rows)
    return ConversationRecord(
        source=header["source"] or OWN,
        external_id=_name(header),
        title=from_storable(header["title"]),
        created_at=_time(header["created_at"]),
        updated_at=_time(header["updated_at"]),
        model=from_storable(header["model"] or ""),
        metadata=_metadata(header),
        tags=tuple(map(from_storable, header["tags"])),
        starred=header["starred"],
        archived=header["archived"],
        current_external_id=None if current is None else names[current],
        # Each row is let go when its record is made: of a long conversation there would be two copies.
        messages=tuple(_message(rows.pop(message_id), tree.anchors[message_id], names) for message_id in tree.order),
        raw=_json(header["raw"]),
    )


def _tree(rows: Rows, include_trash: bool) -> Tree:
    """The messages as their source listed them, then those made here by time; parent before child in any case."""
    order = list(rows)  # by (created_at, id), and nearly always by id as well
    if order != sorted(order):
        order.sort(key=lambda message_id: _place(rows[message_id]))
    parents = {message_id: rows[message_id]["parent_id"] for message_id in order}
    shown = [message_id for message_id in order if include_trash or rows[message_id]["deleted_at"] is None]
    if len(shown) == len(order) and _parents_come_first(parents):
        return Tree(tuple(order), parents)
    return grown(parents, bearing=set(shown))


def _current(declared: str | None, tree: Tree, rows: Rows) -> str | None:
    """The message that the reader is on, or where it leads when that is in the trash."""
    if declared in rows and rows[declared]["deleted_at"] is None:
        return declared
    return current_leaf(tree, declared=declared, times={key: _time(rows[key]["created_at"]) for key in tree.order})


def _parents_come_first(parents: Mapping[str, str | None]) -> bool:
    seen: set[str | None] = {None}
    for message_id, parent in parents.items():
        if parent not in seen:
            return False
        seen.add(message_id)
    return True


def _place(row: Row) -> tuple[str, str]:
    return ("" if row["external_id"] is not None else row["created_at"], row["id"])


def _name(row: Row) -> str:
    """The id under which its source knows it, else our own."""
    external_id: str | None = row["external_id"]
    return row["id"] if external_id is None else from_storable(external_id)


def _message(row: Row, parent: str | None, names: Mapping[str, str]) -> MessageRecord:
    created_at, updated_at, cost = row["created_at"], row["updated_at"], row["cost_cents"]
    return MessageRecord(
        external_id=names[row["id"]],
        parent_external_id=None if parent is None else names[parent],
        role=row["role"],
        content=from_storable(row["content"]),
        parts=tuple(_list(row["parts"]) or ()),
        status=row["status"],
        model=from_storable(row["model"] or ""),
        created_at=_time(created_at),
        updated_at=None if updated_at == created_at else _time(updated_at),
        hidden=row["hidden"],
        tool_calls=_list(row["tool_calls"]),
        tool_results=_list(row["tool_results"]),
        sources=_list(row["sources"]),
        selected_text=from_storable(row["selected_text"] or ""),
        metadata=_metadata(row),
        language=from_storable(row["language"] or ""),
        tokens_in=row["tokens_in"],
        tokens_out=row["tokens_out"],
        tokens_used=row["tokens_used"],
        cost_cents=None if cost is None else Decimal(cost),
        response_cached=row["response_cached"],
        response_time_ms=row["response_time_ms"],
        raw=_json(row["raw"]),
    )


def _metadata(row: Row) -> dict[str, Json]:
    """The metadata, and beside them what only we know; `wire.own_facts` takes it out again."""
    text: str | None = row["metadata"]
    metadata: dict[str, Json] = _json(text) if text else {}  # type: ignore[assignment]  # the column holds objects
    facts: dict[str, Json] = {}
    if row["external_id"] is not None:
        facts["id"] = row["id"]
    if row["deleted_at"] is not None:
        facts["deleted_at"] = row["deleted_at"]
    if row.get("title_is_generated"):
        facts["title_is_generated"] = True
    if OWN in metadata:  # a client's own choice of a key
        facts["metadata"] = metadata[OWN]
    return {**metadata, OWN: facts} if facts else metadata


def _list(text: str | None) -> list[Json] | None:
    """A column that holds a list; the API takes an object for a list of one."""
    value = _json(text)
    return value if value is None or isinstance(value, list) else [value]


def _json(text: str | None) -> Json:
    if text is None:
        return None
    if not text.isascii() and MARK in text:  # as JSON text, of any depth; and msgspec refuses lone surrogates
        return json.loads(answer_from_storable(text.encode()))  # type: ignore[no-any-return]
    return stored_json(text)  # type: ignore[no-any-return]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
