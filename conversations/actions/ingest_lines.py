"""New rows as lines for COPY."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from conversations.actions import copying
from conversations.actions.ingest_incoming import Incoming
from conversations.actions.placing import Node, Placed, is_linear
from conversations.actions.titles import title_from
from conversations.interchange.records import MessageRecord


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
        copying.key(user_id), copying.key(conversation_id), copying.key(message.id), copying.plain(message.parent_id),
        record.role,
        copying.text(record.content), copying.json(list(record.parts)), record.status, copying.known(record.model),
        copying.json(record.tool_calls), copying.json(record.tool_results), copying.json(record.sources),
        copying.known(record.selected_text), copying.json(metadata_of(message)), copying.known(record.language),
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


def metadata_of(message: Placed) -> dict[str, Any]:
    return {**message.record.metadata, "time_inferred": True} if message.time_inferred else message.record.metadata
