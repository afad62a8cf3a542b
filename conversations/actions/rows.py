"""Drafts as the rows of a writing statement."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from msgspec import UNSET

from chatstore.owned import new_id
from chatstore.storable import json_to_storable, to_storable
from conversations.actions.titles import title_from
from conversations.drafts import MessageDraft
from conversations.problems import ParentIsItself, ParentNotFound

# One line a column: what the drafts bring, and as what PostgreSQL reads it.
FIELDS = {
    "role": "text",
    "content": "text",
    "parts": "jsonb",
    "status": "text",
    "model": "text",
    "tool_calls": "jsonb",
    "tool_results": "jsonb",
    "sources": "jsonb",
    "selected_text": "text",
    "metadata": "jsonb",
    "language": "text",
    "tokens_in": "int",
    "tokens_out": "int",
    "tokens_used": "int",
    "cost_cents": "numeric",
    "response_cached": "boolean",
    "response_time_ms": "int",
    "hidden": "boolean",
}
_NAMES = ", ".join(FIELDS)
_TYPES = ", ".join(f"{name} {kind}" for name, kind in FIELDS.items())
_VALUES = ", ".join(f"i.{name}" for name in FIELDS)

# Needs a CTE `moment(id, current_message_id, at)`: the conversation, and the time of the first of the new messages.
# `json`, not `jsonb`: it is read once, and a long text is not copied into a tree first.
INSERT_MESSAGES = f"""
    incoming AS (
        SELECT * FROM json_to_recordset(%(messages)s::json) AS r(ordinal int, id uuid, parent_id uuid, follows boolean, {_TYPES})
    ),
    inserted AS (
        INSERT INTO conversations_message (user_id, conversation_id, id, parent_id, {_NAMES}, created_at, updated_at)
        SELECT %(user)s, moment.id, i.id,
               CASE WHEN i.follows THEN moment.current_message_id ELSE i.parent_id END, {_VALUES},
               moment.at + i.ordinal * interval '1 microsecond', moment.at + i.ordinal * interval '1 microsecond'
          FROM incoming i CROSS JOIN moment
         ORDER BY i.ordinal
        RETURNING *
    )
"""  # noqa: E501


class Batch(NamedTuple):
    """Messages to be inserted, and what follows from them for their conversation."""

    rows: list[dict[str, Any]]
    parents: list[UUID]  # named ones that are not in the batch itself
    is_chain: bool  # each follows the one before it

    @property
    def first_parent(self) -> UUID | None:
        return self.rows[0]["parent_id"] if self.rows else None

    @property
    def follows(self) -> bool:
        """Whether the first follows the conversation's current message, whichever that is."""
        return bool(self.rows) and bool(self.rows[0]["follows"])

    @property
    def last_id(self) -> UUID | None:
        return self.rows[-1]["id"] if self.rows else None

    def params(self) -> dict[str, Any]:
        return {
            "messages": json_to_storable(self.rows),
            "count": len(self.rows),
            "hidden": sum(row["hidden"] for row in self.rows),
            "last": self.last_id,
            "chain": self.is_chain,
            "follows": self.follows,
            "first_parent": self.first_parent,
            "parents": self.parents,
            "title": generated_title(self.rows),
        }


def batch_of(
    drafts: Sequence[MessageDraft], *, after: UUID | None = None, follows: bool = True, is_whole: bool = False
) -> Batch:
    """The drafts in order, each after the one before unless it names another parent.

    The first follows the conversation's current message, or `after` when `follows` is false. `is_whole` says that there
    are no other messages to follow. Raises ParentIsItself, ParentNotFound.
    """
    rows: list[dict[str, Any]] = []
    known: set[UUID] = set()
    parents: list[UUID] = []
    is_chain = True
    for ordinal, draft in enumerate(drafts):
        message_id = new_id() if draft.id is UNSET else draft.id
        previous = rows[-1]["id"] if rows else after
        parent = previous if draft.parent_id is UNSET else draft.parent_id
        if parent == message_id:
            raise ParentIsItself(pointer=f"/messages/{ordinal}/parent_id" if len(drafts) > 1 else "/parent_id")
        if is_whole and parent is not None and parent not in known:
            # The database would take two messages that follow each other: their keys hold once both are there.
            raise ParentNotFound(pointer=f"/messages/{ordinal}/parent_id")
        is_chain = is_chain and (not rows or parent == previous)
        if parent is not None and parent not in known:
            parents.append(parent)
        known.add(message_id)
        default = follows and not rows and draft.parent_id is UNSET
        rows.append({"ordinal": ordinal, "id": message_id, "parent_id": parent, "follows": default, **_values(draft)})
    return Batch(rows, parents, is_chain)


def generated_title(rows: Iterable[dict[str, Any]]) -> str:
    """The title that the first words of a person make, or "" when they said nothing that is shown."""
    said = (row["content"] for row in rows if row["role"] == "user" and not row["hidden"])
    return to_storable(next((title for title in map(title_from, said) if title), ""))


def own_ids(drafts: Iterable[MessageDraft]) -> list[UUID]:
    """The ids that the client brought."""
    return [draft.id for draft in drafts if draft.id is not UNSET]


def _values(draft: MessageDraft) -> dict[str, Any]:
    values = {name: getattr(draft, name) for name in FIELDS}
    values["content"] = draft.content or ""
    return values


def patch_values(patch: Any, kinds: dict[str, str]) -> dict[str, Any]:
    """The fields that a patch names, as parameters of the kinds that PostgreSQL takes."""
    values: dict[str, Any] = {}
    for name, kind in kinds.items():
        value = getattr(patch, name, UNSET)
        if value is UNSET:
            continue
        if kind == "jsonb":
            values[name] = None if value is None else json_to_storable(value)
        else:
            values[name] = to_storable(value) if isinstance(value, str) else value
    return values
