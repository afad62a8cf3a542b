"""What imports and exports answer with, for the schema."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from conversations.api.shapes import ListEnvelope

JobStatusName = Literal["queued", "running", "success", "partial_success", "failed", "cancelled"]
OutcomeName = Literal["imported", "updated", "unchanged", "skipped", "failed"]
Binary = Annotated[str, Meta(extra_json_schema={"format": "binary"})]


class ImportForm(Struct, kw_only=True):
    """Files as their vendor gave them; the parts of one export as several `file` fields."""

    file: list[Binary]


class ImportBody(Struct, kw_only=True):
    """JSON of any known shape; shown is that of a browser's own history."""

    messages: list[Any] | UnsetType = UNSET


class ImportProgress(Struct, kw_only=True):
    """How far it is. `total`, in items, is known only at the end; the bytes are those of the unpacked JSON."""

    done: int
    total: int | None
    bytes_done: int
    bytes_total: int


class ImportItemOut(Struct, kw_only=True):
    """What became of one item."""

    index: int
    external_id: str | None
    outcome: OutcomeName
    reason: str
    detail: str
    pointer: str | None
    conversation_id: UUID | None


class ImportSummary(Struct, kw_only=True):
    """An import. `imported`, `updated` and `unchanged` count messages; `skipped` and `failed` count items.

    `documents_…` counts what stood beside conversations (memories, projects), `attachments_…` files.
    """

    id: UUID
    status: JobStatusName
    format: str
    format_asked: str
    reason: str
    detail: str
    resumed: bool
    conversations_imported: int
    conversations_updated: int
    conversations_unchanged: int
    imported_count: int
    updated_count: int
    unchanged_count: int
    attachments_stored: int
    attachments_missing: int
    documents_imported: int
    documents_updated: int
    documents_unchanged: int
    skipped_count: int
    failed_count: int
    progress: ImportProgress
    can_retry: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ImportOut(ImportSummary, kw_only=True):
    """An import with the beginning of its report: what failed, what was skipped, then the rest."""

    items: list[ImportItemOut]


class ImportList(ListEnvelope, kw_only=True):
    """A page of imports."""

    results: list[ImportSummary]


class ItemList(ListEnvelope, kw_only=True):
    """A page of a report."""

    results: list[ImportItemOut]


class ExportProgress(Struct, kw_only=True):
    """How far it is, in conversations."""

    done: int
    total: int | None


class ExportOut(Struct, kw_only=True):
    """An export. Its file is there with `success` and `partial_success`, until `expires_at`."""

    id: UUID
    status: JobStatusName
    format: str
    conversations: list[UUID]
    redact: bool
    reason: str
    detail: str
    size: int | None
    sha256: str | None
    progress: ExportProgress
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None


class ExportList(ListEnvelope, kw_only=True):
    """A page of exports."""

    results: list[ExportOut]
