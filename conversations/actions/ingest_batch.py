"""One batch of an import, inside its transaction: find what is there, COPY what is new, change what changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from django.db import connection

from chatstore.owned import new_id
from chatstore.storable import from_storable, json_to_storable, to_storable
from conversations.actions import copying
from conversations.actions.ingest_attachments import attachments_keep
from conversations.actions.ingest_incoming import Incoming, Outcome
from conversations.actions.placing import Node, Placed, is_linear, placed
from conversations.actions.rows import FIELDS
from conversations.actions.titles import title_from
from conversations.interchange.records import MessageRecord


class Existing(NamedTuple):
    """A conversation that an earlier import made."""

    id: UUID
    digest: bytes | None
    source_updated_at: datetime
    current_message_id: UUID | None
    in_trash: bool


class Changed(NamedTuple):
    """A line for the change feed."""

    kind: Literal["conversation", "message"]
    object_id: UUID
    conversation_id: UUID


# Uses conversation_imported_once. Imports of the releases before did not keep the source's time.
EXISTING = """
    SELECT c.source, c.external_id, c.id, c.digest, coalesce(c.source_updated_at, c.updated_at), c.current_message_id,
           c.deleted_at IS NOT NULL
      FROM conversations_conversation c
      JOIN unnest(%s::text[], %s::text[]) AS wanted(source, external_id)
        ON wanted.source = c.source AND wanted.external_id = c.external_id
     WHERE c.user_id = %s
       FOR NO KEY UPDATE OF c
"""
# Uses message_reading_order.
KNOWN = """
    SELECT m.external_id, m.created_at, m.id, m.parent_id, m.deleted_at IS NULL
      FROM conversations_message m
     WHERE m.user_id = %s AND m.conversation_id = %s
"""
_UPDATED = [name for name in FIELDS if name not in ("selected_text", "language")]
# What the source changed, not what a person edited here: an edit leaves `raw` as it was. A message that was answered
# since has not changed, though its node lists a child more: children are derived.
UPDATE_MESSAGES = f"""
    UPDATE conversations_message m
       SET {", ".join(f"{name} = r.{name}" for name in _UPDATED)}, raw = r.raw,
           version = m.version + 1, updated_at = greatest(clock_timestamp(), m.updated_at + interval '1 microsecond')
      FROM json_to_recordset(%s::json)
           AS r(id uuid, raw jsonb, {", ".join(f"{name} {FIELDS[name]}" for name in _UPDATED)})
     WHERE m.user_id = %s AND m.conversation_id = %s AND m.id = r.id
       AND CASE WHEN r.raw IS NULL THEN m.content <> r.content
                WHEN jsonb_typeof(m.raw) = 'object' AND jsonb_typeof(r.raw) = 'object'
                THEN m.raw - 'children' <> r.raw - 'children'
                ELSE m.raw IS DISTINCT FROM r.raw END
    RETURNING m.id
"""
# A title that a person gave here stays; one that came with the last import, or was made from a message, is renamed.
UPDATE_CONVERSATION = """
    UPDATE conversations_conversation c
       SET title = CASE WHEN %(title)s::text <> '' AND (c.title = '' OR c.title_is_generated
                             OR c.title = coalesce(c.raw ->> 'title', c.raw ->> 'name', c.title))
                        THEN %(title)s ELSE c.title END,
           title_is_generated = c.title_is_generated AND %(title)s::text = '',
           source_updated_at = greatest(c.source_updated_at, %(source_updated_at)s),
           raw = coalesce(%(raw)s::jsonb, c.raw), digest = coalesce(%(digest)s, c.digest),
           current_message_id = %(current)s, linear = %(linear)s,
           message_count = n.messages, hidden_count = n.hidden, last_message_at = n.last_at,
           updated_at = greatest(c.updated_at, %(updated_at)s), version = c.version + 1
      FROM (SELECT count(*) AS messages, count(*) FILTER (WHERE m.hidden) AS hidden, max(m.created_at) AS last_at
              FROM conversations_message m
             WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.deleted_at IS NULL) AS n
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s
"""
COUNT_UP = """
    INSERT INTO conversations_changecounter AS k (user_id, value) VALUES (%s, %s)
        ON CONFLICT (user_id) DO UPDATE SET value = k.value + excluded.value
    RETURNING k.value
"""


def store(*, user_id: UUID, batch: Sequence[Incoming], now: datetime) -> tuple[list[Outcome], Sequence[str]]:
    """Store a batch within the open transaction: one outcome for each, in order; and the files that no row names then,
    of those that were written for it, or were named before."""
    if not batch:
        return [], ()
    existing = _existing(user_id, batch)
    new: dict[int, tuple[UUID, list[Placed]]] = {}
    outcomes: list[Outcome] = []
    changes: list[Changed] = []
    for incoming in batch:
        there = existing.get(incoming.identity)
        count = len(incoming.record.messages)
        if there is None:
            conversation_id, (messages, _) = new_id(), placed(incoming.record, now=now)
            new[incoming.index] = (conversation_id, messages)
            outcomes.append(Outcome("imported", conversation_id, imported=count))
            changes.append(Changed("conversation", conversation_id, conversation_id))
            changes.extend(Changed("message", message.id, conversation_id) for message in messages)
        elif there.in_trash:
            outcomes.append(Outcome("skipped", there.id, reason="conversation_in_trash"))
        elif there.digest is not None and bytes(there.digest) == incoming.digest:
            outcomes.append(Outcome("unchanged", there.id, unchanged=count))
        else:
            outcomes.append(_merge(user_id, incoming, there, now, changes))
    _copy_new(user_id, [incoming for incoming in batch if incoming.index in new], new, now)
    outcomes, idle_files = attachments_keep(user_id=user_id, batch=batch, outcomes=outcomes)
    _record(user_id, changes)
    return outcomes, idle_files


def _existing(user_id: UUID, batch: Sequence[Incoming]) -> dict[tuple[str, str], Existing]:
    with connection.cursor() as cursor:
        sources = [incoming.record.source for incoming in batch]
        cursor.execute(EXISTING, [sources, [to_storable(incoming.external_id) for incoming in batch], user_id])
        return {(row[0], from_storable(row[1])): Existing(*row[2:]) for row in cursor.fetchall()}


def _copy_new(
    user_id: UUID, batch: Sequence[Incoming], new: dict[int, tuple[UUID, list[Placed]]], now: datetime
) -> None:
    if not batch:
        return
    copying.copy_lines(
        "conversations_conversation",
        copying.CONVERSATION_COLUMNS,
        (conversation_line(user_id, incoming, *new[incoming.index], now) for incoming in batch),
    )
    copying.copy_lines(
        "conversations_message",
        copying.MESSAGE_COLUMNS,
        (
            message_line(user_id, new[incoming.index][0], message, raw)
            for incoming in batch
            for message, raw in zip(new[incoming.index][1], incoming.raws, strict=True)
        ),
    )


def _record(user_id: UUID, changes: Sequence[Changed]) -> None:
    """The counter last: who holds it commits next."""
    if not changes:
        return
    with connection.cursor() as cursor:
        cursor.execute(COUNT_UP, [user_id, len(changes)])
        first = cursor.fetchone()[0] - len(changes) + 1
    owner = str(user_id)
    copying.copy_lines(
        "conversations_change",
        copying.CHANGE_COLUMNS,
        (
            (owner, str(first + place), kind, str(object_id), str(conversation_id), "upsert")
            for place, (kind, object_id, conversation_id) in enumerate(changes)
        ),
    )


def conversation_line(
    user_id: UUID, incoming: Incoming, conversation_id: UUID, messages: Sequence[Placed], now: datetime
) -> tuple[str, ...]:
    """A new conversation as a line of CONVERSATION_COLUMNS."""
    record = incoming.record
    title = record.title or generated_title(record.messages)
    current = next((m.id for m in messages if m.record.external_id == record.current_external_id), None)
    times = [message.created_at for message in messages]
    created = record.created_at or min(times, default=None) or record.updated_at or now
    nodes = [Node(message.created_at, message.id, message.parent_id) for message in messages]
    return (
        str(user_id), str(conversation_id), copying.text(title), copying.plain(not record.title and bool(title)),
        copying.known(record.model), copying.json(record.metadata), copying.array(record.tags),
        copying.plain(record.starred), copying.plain(record.archived), str(len(messages)),
        str(sum(message.record.hidden for message in messages)), copying.plain(current),
        copying.plain(is_linear(nodes, current)), copying.text(record.source), copying.text(incoming.external_id),
        copying.binary(incoming.digest), copying.plain(record.updated_at), copying.json(record.raw),
        copying.plain(created),
        copying.plain(record.updated_at or max(times, default=created)), copying.plain(max(times, default=None)),
    )  # fmt: skip


def message_line(user_id: UUID, conversation_id: UUID, message: Placed, raw: str | None) -> tuple[str, ...]:
    """A new message as a line of MESSAGE_COLUMNS."""
    record = message.record
    return (
        str(user_id), str(conversation_id), str(message.id), copying.plain(message.parent_id), record.role,
        copying.text(record.content), copying.json(list(record.parts)), record.status, copying.known(record.model),
        copying.json(record.tool_calls), copying.json(record.tool_results), copying.json(record.sources),
        copying.known(record.selected_text), copying.json(_metadata(message)), copying.known(record.language),
        copying.plain(record.tokens_in), copying.plain(record.tokens_out), copying.plain(record.tokens_used),
        copying.plain(record.cost_cents), copying.plain(record.response_cached),
        copying.plain(record.response_time_ms), copying.plain(record.hidden), copying.text(record.external_id),
        copying.NULL if raw is None else copying.json_line(raw), copying.plain(message.created_at),
        copying.plain(record.updated_at or message.created_at),
    )  # fmt: skip


def generated_title(messages: Sequence[MessageRecord]) -> str:
    """From the first thing that a person said and that is shown."""
    said = (title_from(message.content) for message in messages if message.role == "user" and not message.hidden)
    return next((title for title in said if title), "")


def _metadata(message: Placed) -> dict[str, Any]:
    return {**message.record.metadata, "time_inferred": True} if message.time_inferred else message.record.metadata


def _merge(user_id: UUID, incoming: Incoming, there: Existing, now: datetime, changes: list[Changed]) -> Outcome:
    """A record of a conversation that is here, and differs.

    A copy older than one that came before changes nothing that is known, unless it has messages that are new; what was
    done here since makes no newer export older.
    """
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [user_id, there.id])
        rows = cursor.fetchall()
    known = {from_storable(row[0]): Node(row[1], row[2], row[3]) for row in rows if row[0] is not None}
    record = incoming.record
    new, old = placed(record, now=now, known=known, leaf=there.current_message_id)
    raws = dict(zip((m.external_id for m in record.messages), incoming.raws, strict=True))
    if not new and record.updated_at is not None and record.updated_at < there.source_updated_at:
        return Outcome("unchanged", there.id, unchanged=len(old), is_older=True)
    updated = _update_known(user_id, there.id, old, raws)
    copying.copy_lines(
        "conversations_message",
        copying.MESSAGE_COLUMNS,
        (message_line(user_id, there.id, message, raws[message.record.external_id]) for message in new),
    )
    ids = {message.record.external_id: message.id for message in (*old, *new)}
    current = ids.get(record.current_external_id or "")
    if record.continues:
        current = new[-1].id if new else there.current_message_id  # of a batch that came before, the end is not the end
    shown = [Node(*row[1:4]) for row in rows if row[4]]
    nodes = [*shown, *(Node(message.created_at, message.id, message.parent_id) for message in new)]
    said_here = {row[2] for row in rows if row[0] is None}
    if current not in {node.id for node in nodes} or (not new and there.current_message_id in said_here):
        current = there.current_message_id  # its leaf is in the trash here, or what was said here goes on from there
    with connection.cursor() as cursor:
        cursor.execute(
            UPDATE_CONVERSATION,
            {
                "user": user_id,
                "conversation": there.id,
                "title": to_storable(record.title or ""),
                "raw": None if record.raw is None else json_to_storable(record.raw),
                "digest": incoming.digest,
                "current": current,
                "linear": is_linear(nodes, current),
                "updated_at": record.updated_at or now,
                "source_updated_at": record.updated_at,
            },
        )
    touched = [*(message.id for message in new), *updated]
    changes.append(Changed("conversation", there.id, there.id))
    changes.extend(Changed("message", message_id, there.id) for message_id in touched)
    return Outcome("updated", there.id, len(new), len(updated), len(old) - len(updated))


def _update_known(
    user_id: UUID, conversation_id: UUID, old: Sequence[Placed], raws: dict[str, str | None]
) -> list[UUID]:
    if not old:
        return []
    rows = "[" + ",".join(_update_row(message, raws[message.record.external_id]) for message in old) + "]"
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_MESSAGES, [rows, user_id, conversation_id])
        return [row[0] for row in cursor.fetchall()]


def _update_row(message: Placed, raw: str | None) -> str:
    values = {name: getattr(message.record, name) for name in _UPDATED}
    values |= {"id": message.id, "model": message.record.model or None, "metadata": _metadata(message)}
    # `raw` is JSON text already: put in as it is, not encoded once more.
    return f'{json_to_storable(values)[:-1]},"raw":{raw if raw is not None else "null"}}}'
