"""Documents on their way in: what is no conversation is kept whole, one row each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db import connection

from chatstore.owned import new_id
from chatstore.storable import json_to_storable
from conversations.actions.ingest_attachments import indexable
from conversations.interchange.records import DocumentRecord


@dataclass(frozen=True, slots=True)
class IncomingDocument:
    """A document on its way in, its row as JSON."""

    index: int
    record: DocumentRecord
    external_id: str
    row: str

    @property
    def identity(self) -> tuple[str, ...]:
        return ("document", self.record.source, self.record.kind, self.external_id)

    @property
    def messages(self) -> int:
        """What it counts for in a batch."""
        return 1

    @property
    def characters(self) -> int:
        return len(self.row)

    @property
    def files(self) -> Sequence[str]:
        return ()


# Uses document_imported_once.
UPSERT = """
    WITH incoming AS MATERIALIZED (
        SELECT * FROM json_to_recordset(%(rows)s::json)
                   AS r(ordinal int, id uuid, source text, kind text, external_id text, title text, raw jsonb)
    ),
    stored AS (
        INSERT INTO conversations_document AS d (user_id, id, source, kind, external_id, title, raw, created_at,
                                                 updated_at)
        SELECT %(user)s, i.id, i.source, i.kind, i.external_id, i.title, coalesce(i.raw, 'null'), %(now)s, %(now)s
          FROM incoming i
         ORDER BY i.ordinal
            ON CONFLICT (user_id, source, kind, external_id)
            DO UPDATE SET title = excluded.title, raw = excluded.raw, updated_at = excluded.updated_at
                    WHERE (d.title, d.raw) IS DISTINCT FROM (excluded.title, excluded.raw)
        RETURNING d.id, d.source, d.kind, d.external_id
    )
    SELECT i.ordinal, s.id = i.id
      FROM incoming i
      JOIN stored s ON s.source = i.source AND s.kind = i.kind AND s.external_id = i.external_id
"""


def document_incoming(index: int, record: DocumentRecord) -> IncomingDocument:
    """A document made ready. Raises RecursionError for data that are nested too deeply."""
    external_id = indexable(record.external_id)
    row = {
        "id": new_id(),
        "source": record.source,
        "kind": record.kind,
        "external_id": external_id,
        "title": record.title,
        "raw": record.raw,
    }
    return IncomingDocument(index, record, external_id, json_to_storable(row))


def documents_keep(
    *, user_id: UUID, documents: Sequence[IncomingDocument], now: datetime
) -> list[Literal["imported", "updated", "unchanged"]]:
    """Store documents within the open transaction, none of them twice: what became of each, in order."""
    if not documents:
        return []
    rows = ",".join(f'{{"ordinal":{place},{one.row[1:]}' for place, one in enumerate(documents))
    with connection.cursor() as cursor:
        cursor.execute(UPSERT, {"user": user_id, "rows": f"[{rows}]", "now": now})
        is_new = dict(cursor.fetchall())
    return [
        "unchanged" if place not in is_new else "imported" if is_new[place] else "updated"
        for place in range(len(documents))
    ]
