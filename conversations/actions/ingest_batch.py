"""One batch of an import, inside its transaction: find what is there, COPY what is new, change what changed."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

from chatstore.owned import is_id, new_id
from chatstore.storable import from_storable, to_storable
from conversations.actions import copying
from conversations.actions.ingest_attachments import attachments_keep
from conversations.actions.ingest_incoming import Incoming, Outcome
from conversations.actions.ingest_lines import conversation_line, message_line
from conversations.actions.ingest_merge import Changed, Existing, merge
from conversations.actions.placing import Placed, placed
from conversations.interchange.wire import OWN

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
# Uses the table's key. What was made here and comes back in an export of ours: it bears our own id, and no other.
EXISTING_OWN = """
    SELECT c.id::text, c.id, NULL::bytea, c.updated_at, c.current_message_id, c.deleted_at IS NOT NULL
      FROM conversations_conversation c
     WHERE c.user_id = %s AND c.id = ANY(%s::uuid[]) AND c.external_id IS NULL
       FOR NO KEY UPDATE OF c
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
            outcomes.append(merge(user_id, incoming, there, now, changes))
    _copy_new(user_id, [incoming for incoming in batch if incoming.index in new], new, now)
    outcomes, idle_files = attachments_keep(user_id=user_id, batch=batch, outcomes=outcomes)
    _record(user_id, changes)
    return outcomes, idle_files


def _existing(user_id: UUID, batch: Sequence[Incoming]) -> dict[tuple[str, str], Existing]:
    with connection.cursor() as cursor:
        sources = [incoming.record.source for incoming in batch]
        cursor.execute(EXISTING, [sources, [to_storable(incoming.external_id) for incoming in batch], user_id])
        found = {(row[0], from_storable(row[1])): Existing(*row[2:]) for row in cursor.fetchall()}
        own = [incoming.external_id for incoming in batch if incoming.record.source == OWN]
        if own := [external_id for external_id in own if is_id(external_id)]:
            cursor.execute(EXISTING_OWN, [user_id, own])
            found |= {(OWN, row[0]): Existing(*row[1:]) for row in cursor.fetchall()}
    return found


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
    owner = copying.key(user_id)
    copying.copy_lines(
        "conversations_change",
        copying.CHANGE_COLUMNS,
        (
            (owner, str(first + place), kind, copying.key(object_id), copying.key(conversation_id), "upsert")
            for place, (kind, object_id, conversation_id) in enumerate(changes)
        ),
    )
