"""What the API answers with, for the schema; rows are rendered as the database gave them (chatstore/sql.py)."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from conversations.drafts import RoleName, StatusName

DecimalText = Annotated[str, Meta(description="A decimal number, as a string, exact.", examples=["0.25"])]


class MessageOut(Struct, kw_only=True):
    """A message."""

    id: UUID
    conversation_id: UUID
    parent_id: UUID | None
    role: RoleName
    content: str
    parts: list[Any]
    status: StatusName
    model: str | None
    tool_calls: list[Any] | dict[str, Any] | None
    tool_results: list[Any] | dict[str, Any] | None
    sources: list[Any] | dict[str, Any] | None
    selected_text: str | None
    metadata: dict[str, Any]
    language: str | None
    tokens_in: int | None
    tokens_out: int | None
    tokens_used: int | None
    cost_cents: DecimalText | None
    response_cached: bool | None
    response_time_ms: int | None
    hidden: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class ConversationSummary(Struct, kw_only=True):
    """A conversation, without its messages."""

    id: UUID
    title: str
    title_is_generated: bool
    model: str | None
    metadata: dict[str, Any]
    tags: list[str]
    starred: bool
    archived: bool
    message_count: int
    current_message_id: UUID | None
    source: str | None
    external_id: str | None
    created_at: datetime
    updated_at: datetime
    last_message_at: datetime | None
    deleted_at: datetime | None


class ConversationOut(ConversationSummary, kw_only=True):
    """A conversation; with `include=messages` also the messages of its active branch."""

    messages: list[MessageOut] | UnsetType = UNSET


class ListEnvelope(Struct, kw_only=True):
    """What every list is wrapped in; `offset` is null when the page was reached by cursor."""

    next: str | None
    previous: str | None
    limit: int
    offset: int | None
    total: int


class ConversationList(ListEnvelope, kw_only=True):
    """A page of conversations."""

    results: list[ConversationSummary]


class MessageList(ListEnvelope, kw_only=True):
    """A page of messages."""

    results: list[MessageOut]


class MessagesOut(Struct, kw_only=True):
    """The messages of a turn or a batch, in order."""

    messages: list[MessageOut]


class ContextMessage(Struct, kw_only=True):
    """A message in the form of OpenAI's chat completions; with `format=native`, of this API."""

    role: RoleName
    content: Any
    tool_calls: Any | UnsetType = UNSET
    tool_call_id: str | UnsetType = UNSET


class ContextOut(Struct, kw_only=True):
    """What a model is sent."""

    messages: list[ContextMessage]
    tokens: int


class ExchangeOut(Struct, kw_only=True):
    """A question and the answer to it; without an answer, `response` is null."""

    id: UUID
    query: str
    response: str | None
    timestamp: datetime
    response_id: UUID | None
    responded_at: datetime | None
    model_used: str | None
    tokens_used: int | None
    cost_cents: DecimalText | None
    response_cached: bool | None
    response_time_ms: int | None


class ExchangeList(ListEnvelope, kw_only=True):
    """A page of exchanges."""

    results: list[ExchangeOut]


class AttachmentOut(Struct, kw_only=True):
    """A file that came with a message. `name` and `media_type` are the source's words."""

    id: UUID
    conversation_id: UUID
    message_id: UUID
    external_id: str
    name: str
    media_type: str
    size: Annotated[int, Meta(description="In bytes; of missing ones, what the source says.")] | None
    sha256: Annotated[str, Meta(description="Of the bytes, in hex.")] | None
    missing: (
        Annotated[
            str, Meta(description="Why there are no bytes: `not_in_export`, `too_large`, `unreadable`, `not_kept`.")
        ]
        | None
    )
    text: Annotated[str, Meta(description="What the vendor read out of the file.")]
    created_at: datetime


class AttachmentList(ListEnvelope, kw_only=True):
    """A page of attachments."""

    results: list[AttachmentOut]


class DocumentOut(Struct, kw_only=True):
    """What an export held beside conversations, whole, as its source had it."""

    id: UUID
    source: str
    kind: str
    external_id: str
    title: str
    raw: Any
    created_at: datetime
    updated_at: datetime


class DocumentList(ListEnvelope, kw_only=True):
    """A page of documents."""

    results: list[DocumentOut]
