"""The tables as SQLModel sees them, and the shapes of the answers, for the idiomatic peer."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import uuid_utils.compat as uuids
from pydantic import BaseModel, ConfigDict, PlainSerializer, StringConstraints
from pydantic import Field as Shown
from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from bench.peers.rules import MAX_CHARACTERS

Exact = Annotated[Decimal, PlainSerializer(lambda value: format(value.normalize(), "f"), return_type=str)]
Role = Literal["system", "user", "assistant", "tool"]
Status = Literal["complete", "streaming", "interrupted", "failed"]
AWARE = DateTime(timezone=True)


class User(SQLModel, table=True):
    __tablename__ = "accounts_user"

    id: UUID = Field(primary_key=True)
    email: str
    is_active: bool
    is_staff: bool
    is_superuser: bool
    security_stamp: UUID


class Session(SQLModel, table=True):
    __tablename__ = "accounts_session"

    user_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    security_stamp: UUID
    expires_at: datetime = Field(sa_type=AWARE)
    revoked_at: datetime | None = Field(sa_type=AWARE)


class Read(BaseModel):
    """An answer, made from a row."""

    model_config = ConfigDict(from_attributes=True)


class ConversationRead(Read):
    id: UUID
    title: str
    title_is_generated: bool
    model: str | None
    metadata: dict[str, Any] = Shown(validation_alias="metadata_")
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


class Conversation(SQLModel, table=True):
    __tablename__ = "conversations_conversation"

    user_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    title: str
    title_is_generated: bool
    model: str | None
    metadata_: dict[str, Any] = Field(sa_column=Column("metadata", JSONB, nullable=False))
    tags: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    starred: bool
    archived: bool
    message_count: int
    hidden_count: int
    current_message_id: UUID | None
    linear: bool
    version: int = Field(sa_type=BigInteger)
    source: str | None
    external_id: str | None
    created_at: datetime = Field(sa_type=AWARE)
    updated_at: datetime = Field(sa_type=AWARE)
    last_message_at: datetime | None = Field(sa_type=AWARE)
    deleted_at: datetime | None = Field(sa_type=AWARE)


class MessageCreate(BaseModel):
    """What a client may send."""

    role: Role
    content: Annotated[str, StringConstraints(min_length=1, max_length=MAX_CHARACTERS)]
    parent_id: UUID | None = None
    parts: list[Any] = []
    status: Status = "complete"
    model: Annotated[str, StringConstraints(max_length=200)] | None = None
    tool_calls: list[Any] | dict[str, Any] | None = None
    tool_results: list[Any] | dict[str, Any] | None = None
    sources: list[Any] | dict[str, Any] | None = None
    selected_text: str | None = None
    metadata: dict[str, Any] = {}
    language: str | None = None
    tokens_in: int | None = Shown(default=None, ge=0)
    tokens_out: int | None = Shown(default=None, ge=0)
    tokens_used: int | None = Shown(default=None, ge=0)
    cost_cents: Decimal | None = Shown(default=None, ge=0)
    response_cached: bool | None = None
    response_time_ms: int | None = Shown(default=None, ge=0)
    hidden: bool = False


class MessageRead(Read):
    id: UUID
    conversation_id: UUID
    parent_id: UUID | None
    role: Role
    content: str
    parts: list[Any]
    status: Status
    model: str | None
    tool_calls: list[Any] | dict[str, Any] | None
    tool_results: list[Any] | dict[str, Any] | None
    sources: list[Any] | dict[str, Any] | None
    selected_text: str | None
    metadata: dict[str, Any] = Shown(validation_alias="metadata_")
    language: str | None
    tokens_in: int | None
    tokens_out: int | None
    tokens_used: int | None
    response_cached: bool | None
    response_time_ms: int | None
    hidden: bool
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    cost_cents: Exact | None


class Message(SQLModel, table=True):
    __tablename__ = "conversations_message"

    user_id: UUID = Field(primary_key=True)
    id: UUID = Field(default_factory=uuids.uuid7, primary_key=True)
    conversation_id: UUID
    parent_id: UUID | None = None
    role: str
    content: str
    parts: list[Any] = Field(default_factory=list, sa_column=Column(JSONB, nullable=False))
    status: str = "complete"
    model: str | None = None
    tool_calls: list[Any] | dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    tool_results: list[Any] | dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    sources: list[Any] | dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    selected_text: str | None = None
    metadata_: dict[str, Any] = Field(default_factory=dict, sa_column=Column("metadata", JSONB, nullable=False))
    language: str | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_used: int | None = None
    cost_cents: Decimal | None = None
    response_cached: bool | None = None
    response_time_ms: int | None = None
    hidden: bool = False
    version: int = 1
    created_at: datetime = Field(sa_type=AWARE)
    updated_at: datetime = Field(sa_type=AWARE)
    deleted_at: datetime | None = Field(default=None, sa_type=AWARE)


class Change(SQLModel, table=True):
    __tablename__ = "conversations_change"

    user_id: UUID = Field(primary_key=True)
    id: int = Field(sa_type=BigInteger, primary_key=True)
    kind: str
    object_id: UUID
    conversation_id: UUID
    op: str


class ChangeCounter(SQLModel, table=True):
    __tablename__ = "conversations_changecounter"

    user_id: UUID = Field(primary_key=True)
    value: int = Field(sa_type=BigInteger)


class IdempotencyKey(SQLModel, table=True):
    __tablename__ = "conversations_idempotencykey"

    user_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    fingerprint: bytes
    status: int
    body: str
    conversation_id: UUID | None = None


class MessagePage(Read):
    results: list[MessageRead]
    next: str | None
    previous: str | None
    limit: int
    offset: int | None
    total: int


class ConversationPage(Read):
    results: list[ConversationRead]
    next: str | None
    previous: str | None
    limit: int
    offset: int | None
    total: int
