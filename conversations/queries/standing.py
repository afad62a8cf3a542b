"""Why nothing was found: 403 for another's, 404 for none. The one look-up that asks about rows of all owners.

It runs only on a miss, and for ids that a client brought; the hot statements filter by the owner and need no second.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn
from uuid import UUID

from accounts.errors import TokenRevoked
from accounts.queries import CALLER_IS_LIVE
from chatstore.problems import DomainError, IdTaken, to_a_live_caller
from chatstore.sql import Row, fetch_one
from conversations.problems import (
    ConversationForbidden,
    ConversationInTrash,
    ConversationNotFound,
    MessageForbidden,
    MessageInTrash,
    MessageNotFound,
)

# Uses conversation_by_id and message_by_id: a probe for each id.
STANDING = f"""
    /* resolver: rows of all owners */
    SELECT {CALLER_IS_LIVE} AS caller_is_live,
           (SELECT bool_or(c.user_id = %(user)s) FROM conversations_conversation c
             WHERE c.id = %(conversation)s) AS conversation_is_own,
           (SELECT c.deleted_at IS NOT NULL FROM conversations_conversation c
             WHERE c.user_id = %(user)s AND c.id = %(conversation)s) AS conversation_in_trash,
           (SELECT c.version FROM conversations_conversation c
             WHERE c.user_id = %(user)s AND c.id = %(conversation)s) AS version,
           (SELECT bool_or(m.user_id = %(user)s) FROM conversations_message m
             WHERE m.id = %(message)s) AS message_is_own,
           (SELECT m.deleted_at IS NOT NULL FROM conversations_message m
             WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s
               AND m.id = %(message)s) AS message_in_trash,
           (SELECT m.version FROM conversations_message m
             WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s
               AND m.id = %(message)s) AS message_version,
           EXISTS (SELECT FROM conversations_message m
                    WHERE m.user_id = %(user)s AND m.id = ANY(%(ids)s::uuid[])) AS messages_are_there,
           (SELECT array_agg(m.id) FROM conversations_message m
             WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s
               AND m.id = ANY(%(ids)s::uuid[])) AS ids_here,
           EXISTS (SELECT FROM conversations_conversation c
                    WHERE c.id = ANY(%(ids)s::uuid[]) AND c.user_id <> %(user)s)
        OR EXISTS (SELECT FROM conversations_message m
                    WHERE m.id = ANY(%(ids)s::uuid[]) AND m.user_id <> %(user)s) AS ids_taken_by_others
"""


def standing(
    *,
    user_id: UUID,
    session_id: UUID | None = None,
    conversation_id: UUID | None = None,
    message_id: UUID | None = None,
    ids: Sequence[UUID] = (),
) -> Row:
    """What there is to say of a conversation, a message and some ids, as seen by this user."""
    row = fetch_one(
        STANDING,
        {
            "user": user_id,
            "session": session_id,
            "conversation": conversation_id,
            "message": message_id,
            "ids": list(ids),
        },
    )
    assert row is not None  # a SELECT without FROM has one row
    return row


def conversation_refusal(row: Row) -> DomainError | None:
    """Why the conversation cannot be used, or None when it can."""
    if row["conversation_is_own"] is None:
        return ConversationNotFound()
    if row["conversation_in_trash"] is None:
        return ConversationForbidden()
    return ConversationInTrash() if row["conversation_in_trash"] else None


def message_refusal(row: Row) -> DomainError | None:
    """Why the message cannot be used, or None when it can."""
    if row["message_in_trash"] is not None:
        return MessageInTrash() if row["message_in_trash"] else None
    return MessageForbidden() if row["message_is_own"] is False else MessageNotFound()


@contextmanager
def known_to_live(row: Row) -> Iterator[None]:
    """Raises TokenRevoked if the caller's session has ended; a refusal within need not look it up once more."""
    if not row["caller_is_live"]:
        raise TokenRevoked()
    with to_a_live_caller():
        yield


def refuse_conversation(*, user_id: UUID, conversation_id: UUID) -> NoReturn:
    """Say why a statement found no such conversation in use. It may have come back meanwhile: then it was not there."""
    raise conversation_refusal(standing(user_id=user_id, conversation_id=conversation_id)) or ConversationNotFound()


def refuse_message(*, user_id: UUID, conversation_id: UUID, message_id: UUID) -> NoReturn:
    """Say why a statement found no such message in use."""
    row = standing(user_id=user_id, conversation_id=conversation_id, message_id=message_id)
    raise conversation_refusal(row) or message_refusal(row) or MessageNotFound()


def require_free_ids(row: Row) -> None:
    """Refuse ids of other people's rows, without a word about them."""
    if row["ids_taken_by_others"]:
        raise IdTaken()
