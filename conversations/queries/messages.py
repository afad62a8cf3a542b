"""Single messages, and whether what a client sends again is what it sent before."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import UNSET, to_builtins
from msgspec.structs import fields

from chatstore.sql import Row, fetch_all, fetch_one
from chatstore.storable import json_from_storable, stored_json
from conversations.drafts import ConversationDraft, MessageDraft
from conversations.queries.columns import CONVERSATION, MESSAGE
from conversations.queries.standing import refuse_conversation, refuse_message

# Uses the keys of both tables.
MESSAGE_GET = f"""
    SELECT {MESSAGE.select("m")}, m.version
      FROM conversations_message m
      JOIN conversations_conversation c ON c.user_id = %(user)s AND c.id = m.conversation_id AND c.deleted_at IS NULL
     WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.id = %(message)s
       AND m.deleted_at IS NULL
"""

# Uses message_in_conversation.
MESSAGES_BY_ID = f"""
    SELECT {MESSAGE.select("m")}, m.version, {MESSAGE.as_json("m")}::text AS shown
      FROM conversations_message m
      JOIN conversations_conversation c ON c.user_id = %(user)s AND c.id = m.conversation_id AND c.deleted_at IS NULL
      JOIN unnest(%(ids)s::uuid[]) WITH ORDINALITY AS wanted(id, ordinal) ON wanted.id = m.id
     WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.deleted_at IS NULL
     ORDER BY wanted.ordinal
"""

COMPARED = (
    "role", "content", "parts", "model", "tool_calls", "tool_results", "sources", "selected_text", "metadata",
    "language", "tokens_in", "tokens_out", "tokens_used", "cost_cents", "response_cached", "response_time_ms", "hidden",
)  # fmt: skip
_DEFAULTS = {field.name: getattr(MessageDraft(role="user", content="x"), field.name) for field in fields(MessageDraft)}


def message_get(*, user_id: UUID, conversation_id: UUID, message_id: UUID) -> Row:
    """One message with its `version`. Raises the refusals of conversation and message."""
    params = {"user": user_id, "conversation": conversation_id, "message": message_id}
    row = fetch_one(MESSAGE_GET, params)
    if row is None:
        refuse_message(**{f"{name}_id": value for name, value in params.items()})
    return row


def messages_by_id(*, user_id: UUID, conversation_id: UUID, ids: Sequence[UUID]) -> list[Row]:
    """The messages of a conversation that have these ids, in the order of the ids; `shown` is each as JSON text."""
    return fetch_all(MESSAGES_BY_ID, {"user": user_id, "conversation": conversation_id, "ids": list(ids)})


def same_as_drafts(rows: Sequence[Row], drafts: Sequence[MessageDraft]) -> bool:
    """Whether the stored messages say what the drafts say."""
    stored = (json_from_storable(stored_json(row["shown"])) for row in rows)
    return all(
        same_as_draft(message, draft) and _same_parent(message, draft)
        for message, draft in zip(stored, drafts, strict=True)
    )


def same_as_draft(stored: dict[str, Any], draft: MessageDraft) -> bool:
    """Whether a message, as the API shows it, says all that the draft says, and nothing else."""
    return _says(stored, draft, COMPARED)


def says_what_was_sent(stored: dict[str, Any], draft: MessageDraft) -> bool:
    """Whether it says what the draft says where that says anything: a list of roles and texts leaves the rest open."""
    sent = [name for name in COMPARED if name in ("role", "content") or getattr(draft, name) != _DEFAULTS[name]]
    return _says(stored, draft, sent)


def _says(stored: dict[str, Any], draft: MessageDraft, names: Iterable[str]) -> bool:
    wanted = to_builtins({name: getattr(draft, name) for name in names})
    wanted["content"] = wanted["content"] or ""
    if draft.id is not UNSET and stored["id"] != str(draft.id):
        return False
    if draft.cost_cents is not None and "cost_cents" in wanted:
        if stored["cost_cents"] is None or Decimal(stored["cost_cents"]) != draft.cost_cents:
            return False
        del wanted["cost_cents"]
    return all(_same(stored[name], value) for name, value in wanted.items())


def _same(stored: Any, sent: Any) -> bool:
    match stored, sent:
        case dict(), dict():
            return stored.keys() == sent.keys() and all(_same(value, sent[key]) for key, value in stored.items())
        case list(), list():
            return len(stored) == len(sent) and all(map(_same, stored, sent))
        case (bool(), _) | (_, bool()):
            return stored is sent  # to Python, true is 1
        case int(), float():
            return Decimal(repr(sent)) == stored  # jsonb keeps 1e23 as a whole number
    return bool(stored == sent)


def _same_parent(stored: dict[str, Any], draft: MessageDraft) -> bool:
    return draft.parent_id is UNSET or stored["parent_id"] == (str(draft.parent_id) if draft.parent_id else None)


# Uses the conversation's key, and message_reading_order for as many messages as the draft has.
CONVERSATION_AS_MADE = f"""
    SELECT {CONVERSATION.select("c")}, c.version, {CONVERSATION.as_json("c")}::text AS shown,
           (SELECT json_agg({MESSAGE.as_json("m")} ORDER BY m.created_at, m.id)::text
              FROM (SELECT first.* FROM conversations_message first
                     WHERE first.user_id = %(user)s AND first.conversation_id = %(conversation)s
                     ORDER BY first.created_at, first.id LIMIT %(count)s) AS m) AS messages
      FROM conversations_conversation c
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL
"""


def conversation_as_made(*, user_id: UUID, conversation_id: UUID, draft: ConversationDraft) -> tuple[Row, bool]:
    """A conversation that is there already, and whether it says what the draft says. Raises its refusals."""
    params = {"user": user_id, "conversation": conversation_id, "count": len(draft.messages)}
    row = fetch_one(CONVERSATION_AS_MADE, params)
    if row is None:
        refuse_conversation(user_id=user_id, conversation_id=conversation_id)
    shown = json_from_storable(stored_json(row.pop("shown")))
    messages = json_from_storable(stored_json(row.pop("messages") or "[]"))
    return row, (
        shown["title"] == (draft.title or "" if draft.title or not shown["title_is_generated"] else shown["title"])
        and (shown["model"], set(shown["tags"])) == (draft.model, set(draft.tags))
        and _same(shown["metadata"], draft.metadata)
        and len(messages) == len(draft.messages)
        and all(map(same_as_draft, messages, draft.messages))
    )
