"""Rows as records, for exports: whole conversations with all branches, in an order that two exports share.

Conversations come by (created_at, id); memory is that of a batch of them, or of the largest one. No transaction stays
open and no cursor is held between two batches, so that a slow reader keeps nothing from others.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, TypeAlias
from uuid import UUID

from chatstore.sql import Row, fetch_all
from chatstore.storable import MARK, answer_from_storable, from_storable, stored_json
from conversations.interchange.records import ConversationRecord, Json, MessageRecord
from conversations.interchange.tree import Tree, current_leaf, grown
from conversations.queries.standing import refuse_conversation

Rows: TypeAlias = dict[str, Row]  # of one conversation, by id

OWN = "chatstore"  # the source of what was made here, and the key in `metadata` under which our own facts stand
BATCH_CONVERSATIONS, BATCH_MESSAGES, BATCH_CHARACTERS = 500, 1_000, 4_000_000

_IN_USE_OR_TRASH = "(%(trash)s OR c.deleted_at IS NULL)"
_CONVERSATION = """
           c.id, c.title, c.title_is_generated, c.model, c.metadata::text AS metadata, c.tags, c.starred, c.archived,
           c.current_message_id, c.source, c.external_id, c.raw::text AS raw, c.created_at, c.updated_at, c.deleted_at,
           held.messages, held.size"""
# octet_length takes the length from where the value is stored: no text is read for it.
_HELD = """
      LEFT JOIN LATERAL (
           SELECT count(*) AS messages, coalesce(sum(octet_length(m.content)), 0) AS size
             FROM conversations_message m
            WHERE m.user_id = %(user)s AND m.conversation_id = c.id) AS held ON true"""

# Uses conversation_by_creation, and for the trash the table's key and a sort; message_reading_order for each.
ARCHIVE_PAGE = f"""
    /* archive_page */
    SELECT {_CONVERSATION}
      FROM (SELECT c.* FROM conversations_conversation c
             WHERE c.user_id = %(user)s AND c.deleted_at IS NULL
               AND (c.created_at, c.id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
             ORDER BY c.created_at, c.id LIMIT %(limit)s) AS c{_HELD}
     ORDER BY c.created_at, c.id
"""
ARCHIVE_PAGE_WITH_TRASH = ARCHIVE_PAGE.replace(" AND c.deleted_at IS NULL", "").replace(
    "_page */", "_page_with_trash */"
)

# Uses the table's key: a probe for each id.
ARCHIVE_ORDER = f"""
    /* archive_order */
    SELECT c.id
      FROM conversations_conversation c
     WHERE c.user_id = %(user)s AND c.id = ANY(%(ids)s::uuid[]) AND {_IN_USE_OR_TRASH}
     ORDER BY c.created_at, c.id
"""
ARCHIVE_CHOSEN = f"""
    /* archive_chosen */
    SELECT {_CONVERSATION}
      FROM conversations_conversation c{_HELD}
     WHERE c.user_id = %(user)s AND c.id = ANY(%(ids)s::uuid[]) AND {_IN_USE_OR_TRASH}
     ORDER BY c.created_at, c.id
"""

# Uses conversation_by_creation, or the table's key.
ARCHIVE_SIZE = """
    /* archive_size */
    SELECT count(*) AS count
      FROM conversations_conversation c
     WHERE c.user_id = %(user)s AND c.deleted_at IS NULL
       AND (%(ids)s::uuid[] IS NULL OR c.id = ANY(%(ids)s::uuid[]))
"""

# Uses message_reading_order: one range for each conversation, or the next part of a long one.
ARCHIVE_MESSAGES = """
    /* archive_messages */
    SELECT m.*
      FROM unnest(%(ids)s::uuid[]) WITH ORDINALITY AS wanted(id, place)
      CROSS JOIN LATERAL (
           SELECT m.conversation_id, m.id, m.parent_id, m.role, m.content, nullif(m.parts, '[]')::text AS parts,
                  m.status, m.model, m.tool_calls::text AS tool_calls, m.tool_results::text AS tool_results,
                  m.sources::text AS sources, m.selected_text, nullif(m.metadata, '{}')::text AS metadata, m.language,
                  m.tokens_in, m.tokens_out, m.tokens_used, trim_scale(m.cost_cents) AS cost_cents, m.response_cached,
                  m.response_time_ms, m.hidden, m.external_id, m.raw::text AS raw, m.created_at, m.updated_at,
                  m.deleted_at
             FROM conversations_message m
            WHERE m.user_id = %(user)s AND m.conversation_id = wanted.id
              AND (m.created_at, m.id) > (%(after_at)s::timestamptz, %(after_id)s::uuid)
            ORDER BY m.created_at, m.id LIMIT %(limit)s
           ) AS m
     ORDER BY wanted.place, m.created_at, m.id
"""


class _Position(NamedTuple):
    """After which row to go on: `(created_at, id)`, as text."""

    after_at: str = "-infinity"
    after_id: str = str(UUID(int=0))


_BEGINNING = _Position()


def conversations(
    *, user_id: UUID, ids: Sequence[UUID] | None = None, include_trash: bool = False
) -> Iterator[ConversationRecord]:
    """A person's conversations, or the chosen ones of them, by (created_at, id); ids of others give nothing.

    All branches and hidden messages are in them, and `raw`; text is the true text. What is in the trash is left out,
    messages too (what follows one stands below its parent then), unless `include_trash`. A record's `external_id` is
    the one it came with, else our own; `metadata["chatstore"]` always says our own: `{id, …}`.
    """
    headers = (
        _all_headers(user_id, include_trash) if ids is None else _chosen_headers(user_id, list(ids), include_trash)
    )
    for batch in _batches(headers):
        yield from _records(user_id, batch, include_trash)


def conversation(*, user_id: UUID, conversation_id: UUID) -> ConversationRecord:
    """One conversation as a record. Raises its refusals."""
    record = next(conversations(user_id=user_id, ids=[conversation_id]), None)
    if record is None:
        refuse_conversation(user_id=user_id, conversation_id=conversation_id)
    return record


def archive_size(*, user_id: UUID, ids: Sequence[UUID] | None = None) -> int:
    """How many conversations `conversations` gives, without the trash: for progress."""
    params = {"user": user_id, "ids": None if ids is None else list(ids)}
    return int(fetch_all(ARCHIVE_SIZE, params)[0]["count"])


def _all_headers(user_id: UUID, include_trash: bool) -> Iterator[Row]:
    after = _BEGINNING
    statement = ARCHIVE_PAGE_WITH_TRASH if include_trash else ARCHIVE_PAGE
    while rows := fetch_all(statement, {"user": user_id, "limit": BATCH_CONVERSATIONS, **after._asdict()}):
        yield from rows
        after = _Position(rows[-1]["created_at"], rows[-1]["id"])


def _chosen_headers(user_id: UUID, ids: list[UUID], include_trash: bool) -> Iterator[Row]:
    if len(ids) > 1:
        rows = fetch_all(ARCHIVE_ORDER, {"user": user_id, "ids": ids, "trash": include_trash})
        ids = [row["id"] for row in rows]
    for start in range(0, len(ids), BATCH_CONVERSATIONS):
        chosen = ids[start : start + BATCH_CONVERSATIONS]
        yield from fetch_all(ARCHIVE_CHOSEN, {"user": user_id, "ids": chosen, "trash": include_trash})


def _batches(headers: Iterable[Row]) -> Iterator[list[Row]]:
    """As many as are read at once; one that is larger than that stands alone."""
    batch: list[Row] = []
    messages = size = 0
    for header in headers:
        messages, size = messages + header["messages"], size + int(header["size"])
        if batch and (messages > BATCH_MESSAGES or size > BATCH_CHARACTERS):
            yield batch
            batch, messages, size = [], header["messages"], int(header["size"])
        batch.append(header)
    if batch:
        yield batch


def _records(user_id: UUID, batch: Sequence[Row], include_trash: bool) -> Iterator[ConversationRecord]:
    held: dict[str, Rows] = {header["id"]: {} for header in batch}
    for row in _message_rows(user_id, list(held), is_long=len(batch) == 1):
        held[row["conversation_id"]][row["id"]] = row
    for header in batch:
        yield _conversation(header, held.pop(header["id"]), include_trash)


def _message_rows(user_id: UUID, ids: Sequence[str], *, is_long: bool) -> Iterator[Row]:
    """All messages of a batch; those of one conversation part by part, for there may be any number."""
    after, limit = _BEGINNING, BATCH_MESSAGES if is_long else 2 * BATCH_MESSAGES
    while rows := fetch_all(ARCHIVE_MESSAGES, {"user": user_id, "ids": ids, "limit": limit, **after._asdict()}):
        after = _Position(rows[-1]["created_at"], rows[-1]["id"])
        is_last = not is_long or len(rows) < limit
        yield from rows
        if is_last:
            return


def _conversation(header: Row, rows: Rows, include_trash: bool) -> ConversationRecord:
    tree = _tree(rows, include_trash)
    names = {message_id: _name(rows[message_id]) for message_id in tree.order}
    times = {message_id: _time(rows[message_id]["created_at"]) for message_id in tree.order}
    current = current_leaf(tree, declared=header["current_message_id"], times=times)
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
    order = sorted(rows, key=lambda message_id: _place(rows[message_id]))
    parents = {message_id: rows[message_id]["parent_id"] for message_id in order}
    shown = [message_id for message_id in order if include_trash or rows[message_id]["deleted_at"] is None]
    if len(shown) == len(order) and _parents_come_first(parents):
        return Tree(tuple(order), parents)
    return grown(parents, bearing=set(shown))


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
    if MARK in text:  # as JSON text, of any depth; and msgspec refuses lone surrogates
        return json.loads(answer_from_storable(text.encode()))  # type: ignore[no-any-return]
    return stored_json(text)  # type: ignore[no-any-return]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
