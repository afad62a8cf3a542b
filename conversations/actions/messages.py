"""Adding messages: one, a turn or a batch, in one statement (conversations/actions/changes.py)."""

from collections.abc import Sequence
from uuid import UUID

from django.db import IntegrityError

from accounts.queries import CALLER_IS_LIVE
from chatstore.problems import IdTaken
from chatstore.sql import Row
from conversations.actions.changes import Write
from conversations.actions.idempotency import Once, raise_answer_given, remember_answer
from conversations.actions.rows import INSERT_MESSAGES, batch_of, own_ids
from conversations.drafts import MessageDraft
from conversations.problems import ParentNotFound
from conversations.queries.columns import MESSAGE
from conversations.queries.messages import messages_by_id, same_as_drafts
from conversations.queries.standing import (
    conversation_refusal,
    known_to_live,
    require_free_ids,
    standing,
)

# The conversation is locked first, so that appends to it queue here and each sees the leaf the one before it left.
# Their times go up by at least a microsecond, whatever the clock does: reading order is the order of the tree. An
# import may have brought times of the far future: nothing is dated after those, and the branch is walked from now on.
TARGET = f"""
    target AS (
        SELECT c.id, c.current_message_id, c.last_message_at
          FROM conversations_conversation c
         WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL AND {CALLER_IS_LIVE}
           FOR NO KEY UPDATE
    ),
    orphans AS (
        SELECT FROM unnest(%(parents)s::uuid[]) AS named(id)
         WHERE NOT EXISTS (SELECT FROM conversations_message m
                            WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s
                              AND m.id = named.id AND m.deleted_at IS NULL OFFSET 0)  -- a look-up: see message_probe
    ),
    moment AS MATERIALIZED (
        SELECT t.id, t.current_message_id, f.out_of_order,
               CASE WHEN f.out_of_order THEN clock_timestamp()
                    ELSE greatest(clock_timestamp(), t.last_message_at + interval '1 microsecond') END AS at
          FROM target t
          CROSS JOIN LATERAL (SELECT coalesce(t.last_message_at > now() + interval '1 day', false) AS out_of_order) AS f
         WHERE NOT EXISTS (SELECT FROM orphans)
    )
"""
TOUCH = """
    touched AS (
        UPDATE conversations_conversation c
           SET message_count = c.message_count + %(count)s,
               hidden_count = c.hidden_count + %(hidden)s,
               current_message_id = %(last)s,
               linear = c.linear AND %(chain)s AND NOT moment.out_of_order
                        AND (%(follows)s OR %(first_parent)s::uuid IS NOT DISTINCT FROM moment.current_message_id),
               title = CASE WHEN c.title = '' THEN %(title)s::text ELSE c.title END,
               title_is_generated = c.title_is_generated OR (c.title = '' AND %(title)s::text <> ''),
               last_message_at = moment.at + (%(count)s - 1) * interval '1 microsecond',
               updated_at = greatest(moment.at + (%(count)s - 1) * interval '1 microsecond',
                                     c.updated_at + interval '1 microsecond'),
               version = c.version + 1
          FROM moment
         WHERE c.user_id = %(user)s AND c.id = moment.id
        RETURNING c.id
    ),
    changed AS (
        SELECT row_number() OVER (ORDER BY i.created_at) AS ordinal, 'message' AS kind, i.id AS object_id,
               i.conversation_id, 'upsert' AS op
          FROM inserted i
         UNION ALL
        SELECT %(count)s + 1, 'conversation', t.id, t.id, 'upsert' FROM touched t
    )
"""
INSERTED = f"SELECT {MESSAGE.select('i')}, i.version FROM inserted i ORDER BY i.created_at"
ONE_ANSWER = f"(SELECT {MESSAGE.as_json('i')} FROM inserted i)"
MANY_ANSWER = f"""
    (SELECT json_build_object('messages', json_agg({MESSAGE.as_json("i")} ORDER BY i.created_at)) FROM inserted i)
"""
_HEAD = f"{TARGET}, {INSERT_MESSAGES}, {TOUCH}"

APPEND_ONE = Write(
    "message_append",
    _HEAD,
    INSERTED,
    answer=ONE_ANSWER,
    version="(SELECT i.version FROM inserted i)",
    about="%(conversation)s::uuid",
)
APPEND_MANY = Write("message_append", _HEAD, INSERTED, answer=MANY_ANSWER, about="%(conversation)s::uuid")


def message_append(
    *,
    user_id: UUID,
    conversation_id: UUID,
    draft: MessageDraft,
    session_id: UUID | None = None,
    once: Once | None = None,
) -> tuple[Row, bool]:
    """Add one message: the row, and whether it is new. One whose id is there already, with the same content, is not.

    Raises ConversationNotFound, ConversationForbidden, ConversationInTrash, ParentNotFound, ParentIsItself, IdTaken,
    IdempotencyKeyReused, AnswerGiven.
    """
    rows, is_new = _append(APPEND_ONE, user_id, conversation_id, [draft], session_id, once)
    return rows[0], is_new


def messages_append(
    *,
    user_id: UUID,
    conversation_id: UUID,
    drafts: Sequence[MessageDraft],
    session_id: UUID | None = None,
    once: Once | None = None,
) -> tuple[list[Row], bool]:
    """Add a turn or a batch, in order, all or nothing. Returns and raises as `message_append`."""
    return _append(APPEND_MANY, user_id, conversation_id, drafts, session_id, once)


def _append(
    statement: Write,
    user_id: UUID,
    conversation_id: UUID,
    drafts: Sequence[MessageDraft],
    session_id: UUID | None,
    once: Once | None,
) -> tuple[list[Row], bool]:
    brought = own_ids(drafts)
    if len(set(brought)) < len(brought):
        raise IdTaken("The same id stands twice in the list.")
    if brought:
        found = standing(user_id=user_id, session_id=session_id, conversation_id=conversation_id, ids=brought)
        with known_to_live(found):
            if refusal := conversation_refusal(found):
                raise refusal
            require_free_ids(found)
            if found["messages_are_there"]:
                return _existing(statement, user_id, conversation_id, drafts, once), False
    batch = batch_of(drafts)
    try:
        params = {"user": user_id, "session": session_id, "conversation": conversation_id, **batch.params()}
        rows = statement.run(params, once=once)
    except IntegrityError as error:
        if not brought or not _is_taken(error):
            raise
        return _existing(statement, user_id, conversation_id, drafts, once), False
    if not rows:
        raise_answer_given(user_id=user_id, once=once)  # what it was about may be gone since
        found = standing(user_id=user_id, session_id=session_id, conversation_id=conversation_id)
        with known_to_live(found):
            raise conversation_refusal(found) or ParentNotFound(pointer="/parent_id")
    return rows, True


def _is_taken(error: IntegrityError) -> bool:
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
    # The third: of two requests with one id the later finds the message itself as the current one, and would follow it.
    return name in ("conversations_message_pkey", "message_in_conversation", "message_not_its_own_parent")


def _existing(
    statement: Write, user_id: UUID, conversation_id: UUID, drafts: Sequence[MessageDraft], once: Once | None
) -> list[Row]:
    """The rows that a client made before under the same ids, if they say the same. Raises IdTaken, AnswerGiven."""
    rows = messages_by_id(user_id=user_id, conversation_id=conversation_id, ids=own_ids(drafts))
    if len(rows) != len(drafts) or not same_as_drafts(rows, drafts):
        raise_answer_given(user_id=user_id, once=once)  # they were the same when they were made
        raise IdTaken("The id is taken by a message with another content.")
    for row in rows:
        del row["shown"]
    shown = [{name: value for name, value in row.items() if name != "version"} for row in rows]
    answer = rows[0] if statement is APPEND_ONE else {"messages": shown}
    remember_answer(user_id=user_id, once=once, conversation_id=conversation_id, row=answer)
    return rows
