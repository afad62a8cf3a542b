"""Attachments on their way in: their bytes are read and put into storage first, their rows written with the batch."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from django.db import connection

from chatstore.owned import new_id
from chatstore.storable import json_to_storable, to_storable
from conversations.actions.files import Bytes, Missing, bytes_store, files_delete
from conversations.actions.ingest_incoming import Incoming, Outcome, Received
from conversations.interchange.records import MAX_EXTERNAL_ID, AttachmentRecord, ConversationRecord

MAX_SIZE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Described:
    """An attachment that was not opened yet: its place (stored form), and the rest of its row as JSON."""

    message: str
    external_id: str
    record: AttachmentRecord
    row: str


# Uses conversation_imported_once, attachment_imported_once and the key of messages.
KNOWN = """
    SELECT m.external_id, a.external_id, a.sha256
      FROM conversations_conversation c
      JOIN conversations_attachment a ON a.user_id = %(user)s AND a.conversation_id = c.id AND a.sha256 IS NOT NULL
      JOIN conversations_message m ON m.user_id = %(user)s AND m.id = a.message_id
     WHERE c.user_id = %(user)s AND c.source = %(source)s AND c.external_id = %(external_id)s
"""
# Uses message_imported_once and attachment_imported_once. The batch holds the person's lock: nobody else adds any.
# Bytes that are here stay when others, or none, come with an older copy.
UPSERT = """
    WITH incoming AS MATERIALIZED (
        SELECT r.*, m.id AS message_id, m.created_at, a.id AS there, coalesce(a.file, '') AS was,
               r.file <> '' AND (coalesce(a.file, '') = '' OR NOT r.older AND a.sha256 <> r.sha256) AS fills
          FROM json_to_recordset(%(rows)s::json)
               AS r(conversation_id uuid, older boolean, id uuid, message text, external_id text, name text,
                    media_type text, size bigint, text text, raw jsonb, file text, sha256 text, missing text)
          JOIN conversations_message m
            ON m.user_id = %(user)s AND m.conversation_id = r.conversation_id AND m.external_id = r.message
          LEFT JOIN conversations_attachment a
            ON a.user_id = %(user)s AND a.conversation_id = r.conversation_id AND a.message_id = m.id
           AND a.external_id = r.external_id
    ),
    changed AS (
        UPDATE conversations_attachment a
           SET name = i.name, media_type = i.media_type, text = i.text, raw = i.raw,
               size = CASE WHEN i.fills OR a.file = '' THEN i.size ELSE a.size END,
               file = CASE WHEN i.fills THEN i.file ELSE a.file END,
               sha256 = CASE WHEN i.fills THEN i.sha256 ELSE a.sha256 END,
               missing = CASE WHEN i.fills OR a.file <> '' THEN NULL ELSE i.missing END
          FROM incoming i
         WHERE a.user_id = %(user)s AND a.id = i.there
           AND (i.fills
                OR NOT i.older
               AND ((a.name, a.media_type, a.text, a.raw) IS DISTINCT FROM (i.name, i.media_type, i.text, i.raw)
                    OR a.file = '' AND (a.size, a.missing) IS DISTINCT FROM (i.size, i.missing)))
        RETURNING a.conversation_id, a.file, i.was
    ),
    added AS (
        INSERT INTO conversations_attachment (user_id, id, conversation_id, message_id, external_id, name, media_type,
                                              size, text, raw, file, sha256, missing, created_at)
        SELECT %(user)s, i.id, i.conversation_id, i.message_id, i.external_id, i.name, i.media_type, i.size, i.text,
               i.raw, i.file, CASE WHEN i.file <> '' THEN i.sha256 END, i.missing, i.created_at
          FROM incoming i
         WHERE i.there IS NULL
        RETURNING conversation_id, file, '' AS was
    )
    SELECT * FROM changed UNION ALL SELECT * FROM added
"""


def attachments_described(record: ConversationRecord) -> tuple[Described, ...]:
    """The attachments of all messages, in order, each under an id of its own within its message.

    Raises RecursionError for data that are nested too deeply.
    """
    return tuple(
        _described(message.external_id, external_id, attachment)
        for message in record.messages
        if message.attachments
        for external_id, attachment in _named_apart(message.attachments)
    )


def _named_apart(attachments: Iterable[AttachmentRecord]) -> Iterator[tuple[str, AttachmentRecord]]:
    """With an id that an index can hold; a second one under an id that was taken gets a number."""
    taken: dict[str, int] = {}
    for attachment in attachments:
        external_id = indexable(attachment.external_id)
        number = taken[external_id] = taken.get(external_id, 0) + 1
        yield external_id if number == 1 else f"{external_id}\n{number}", attachment


def indexable(external_id: str) -> str:
    """The id, or what stands for one that is too long for an index."""
    if len(external_id) <= MAX_EXTERNAL_ID:
        return external_id
    return f"sha256:{hashlib.sha256(external_id.encode(errors='surrogatepass')).hexdigest()}"


def _described(message: str, external_id: str, record: AttachmentRecord) -> Described:
    row = {
        "message": message,
        "external_id": external_id,
        "name": record.name,
        "media_type": record.media_type,
        "text": record.text,
        "raw": record.raw,
    }
    return Described(to_storable(message), to_storable(external_id), record, json_to_storable(row))


def attachments_received(
    *, user_id: UUID, source: str, external_id: str, described: Sequence[Described]
) -> tuple[Received, ...]:
    """Read the bytes of one conversation's attachments into storage, but for those that are here already.

    What the storage raises is raised, and what was written until then deleted.
    """
    if not described:
        return ()
    known = _known(user_id, source, external_id) if any(one.record.opened for one in described) else {}
    received: list[Received] = []
    try:
        for one in described:
            file = _received(user_id, one, known.get((one.message, one.external_id)))
            received.append(file)
    except BaseException:  # the process is told to stop, perhaps
        files_delete(one.file for one in received if one.file)
        raise
    return tuple(received)


def _known(user_id: UUID, source: str, external_id: str) -> dict[tuple[str, str], str]:
    """The digests of the bytes that are here, by the ids of message and attachment."""
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, {"user": user_id, "source": to_storable(source), "external_id": to_storable(external_id)})
        return {(row[0], row[1]): row[2] for row in cursor.fetchall()}


def _received(user_id: UUID, one: Described, known_sha256: str | None) -> Received:
    opened = one.record.opened
    found: Bytes | Missing = "not_in_export"
    if opened is not None:
        found = bytes_store(user_id=user_id, opened=opened, known_sha256=known_sha256)
    if isinstance(found, Bytes):
        # Bytes that are here already have no file of their own; should their row go meanwhile, they were not kept.
        missing = None if found.file else "not_kept"
        rest = {"size": found.size, "sha256": found.sha256, "file": found.file, "missing": missing}
    else:
        rest = {"size": _size_told(one.record), "sha256": None, "file": "", "missing": found}
    row = f"{one.row[:-1]},{json_to_storable({'id': new_id(), **rest})[1:]}"
    return Received(row, str(rest["file"]), not isinstance(found, Bytes))


def _size_told(record: AttachmentRecord) -> int | None:
    return record.size if record.size is not None and 0 <= record.size <= MAX_SIZE else None


def attachments_keep(
    *, user_id: UUID, batch: Sequence[Incoming], outcomes: Sequence[Outcome]
) -> tuple[list[Outcome], list[str]]:
    """Write the rows of a batch within its transaction.

    The outcomes with what became of the attachments; and the files that no row names then, of those that were written
    for the batch, or that other bytes replaced.
    """
    idle = {file for incoming in batch for file in incoming.files}
    rows = [
        f'{{"conversation_id":"{outcome.conversation_id}","older":{str(outcome.is_older).lower()},{attachment.row[1:]}'
        for incoming, outcome in zip(batch, outcomes, strict=True)
        if outcome.kind != "skipped"
        for attachment in incoming.attachments
    ]
    if not rows:
        return list(outcomes), list(idle)
    with connection.cursor() as cursor:
        cursor.execute(UPSERT, {"user": user_id, "rows": f"[{','.join(rows)}]"})
        written = cursor.fetchall()
    stored = Counter(conversation_id for conversation_id, _, _ in written)
    named = {file for _, file, _ in written}
    replaced = {was for _, _, was in written}
    return (
        [_with_stored(outcome, stored[outcome.conversation_id]) for outcome in outcomes],
        [file for file in (idle | replaced) - named if file],
    )


def _with_stored(outcome: Outcome, count: int) -> Outcome:
    if not count:
        return outcome
    return replace(outcome, kind="updated" if outcome.kind == "unchanged" else outcome.kind, attachments=count)
