"""A record of a conversation that is here: what is new is added, what changed is changed, nothing is deleted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from django.db import connection

from chatstore.storable import from_storable, json_to_storable, to_storable
from conversations.actions import copying
from conversations.actions.ingest_incoming import Incoming, Outcome
from conversations.actions.ingest_lines import message_line, metadata_of
from conversations.actions.placing import Node, Placed, is_linear, placed
from conversations.actions.rows import FIELDS
from conversations.interchange.records import ConversationRecord
from conversations.interchange.wire import OWN


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


# Uses the table's key.
SAYS_THE_SAME = """
    SELECT c.updated_at = %(updated_at)s AND %(title)s IN ('', c.title)
           AND c.current_message_id IS NOT DISTINCT FROM %(current)s::uuid
           AND c.raw IS NOT DISTINCT FROM coalesce(%(raw)s::jsonb, c.raw)
      FROM conversations_conversation c
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s
"""
# Uses message_reading_order. A message made here has our own id for its name, as in our exports.
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


def merge(user_id: UUID, incoming: Incoming, there: Existing, now: datetime, changes: list[Changed]) -> Outcome:
    """A record of a conversation that is here, and differs.

    A copy older than one that came before changes nothing that is known, unless it has messages that are new; what was
    done here since makes no newer export older.
    """
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [user_id, there.id])
        rows = cursor.fetchall()
    known = {str(row[2]) if row[0] is None else from_storable(row[0]): Node(row[1], row[2], row[3]) for row in rows}
    record = incoming.record
    new, old = placed(record, now=now, known=known, leaf=there.current_message_id)
    raws = dict(zip((m.external_id for m in record.messages), incoming.raws, strict=True))
    is_older = record.updated_at is not None and record.updated_at < there.source_updated_at
    if not new and is_older:
        return Outcome("unchanged", there.id, unchanged=len(old), is_older=True)
    # Of ours nothing tells an edit made here since: an older copy takes none of them back.
    updated = [] if is_older and record.source == OWN else _update_known(user_id, there.id, old, raws)
    copying.copy_lines(
        "conversations_message",
        copying.MESSAGE_COLUMNS,
        (message_line(user_id, there.id, message, raws[message.record.external_id]) for message in new),
    )
    shown = [Node(*row[1:4]) for row in rows if row[4]]
    nodes = [*shown, *(Node(message.created_at, message.id, message.parent_id) for message in new)]
    current = _current(record, there, new, old, shown={node.id for node in nodes})
    if not new and there.current_message_id in {row[2] for row in rows if row[0] is None}:
        current = there.current_message_id  # what was said here goes on from there
    values: dict[str, Any] = {
        "user": user_id,
        "conversation": there.id,
        "title": to_storable(record.title or ""),
        "raw": None if record.raw is None else json_to_storable(record.raw),
        "digest": incoming.digest,
        "current": current,
        "linear": is_linear(nodes, current),
        "updated_at": record.updated_at or now,
        "source_updated_at": record.updated_at,
    }
    with connection.cursor() as cursor:
        if not new and not updated:
            cursor.execute(SAYS_THE_SAME, values)
            if cursor.fetchone()[0]:
                return Outcome("unchanged", there.id, unchanged=len(old))
        cursor.execute(UPDATE_CONVERSATION, values)
    touched = [*(message.id for message in new), *updated]
    changes.append(Changed("conversation", there.id, there.id))
    changes.extend(Changed("message", message_id, there.id) for message_id in touched)
    return Outcome("updated", there.id, len(new), len(updated), len(old) - len(updated))


def _current(
    record: ConversationRecord, there: Existing, new: Sequence[Placed], old: Sequence[Placed], *, shown: set[UUID]
) -> UUID | None:
    """The leaf: the record's own, unless it is in the trash here; of one that continues, the end of what is new."""
    if record.continues:
        return new[-1].id if new else there.current_message_id
    own = (message.id for message in (*new, *old) if message.record.external_id == record.current_external_id)
    leaf = next(own, None)
    return leaf if leaf in shown else there.current_message_id


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
    values |= {"id": message.id, "model": message.record.model or None, "metadata": metadata_of(message)}
    # `raw` is JSON text already: put in as it is, not encoded once more.
    return f'{json_to_storable(values)[:-1]},"raw":{raw if raw is not None else "null"}}}'
