"""Writing messages: append, edit, into the trash and back. Each is one statement (conversations/actions/changes.py)."""

import functools
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from msgspec import UNSET

from accounts.errors import TokenRevoked
from accounts.queries import CALLER_IS_LIVE
from chatstore.problems import IdTaken, PreconditionFailed
from chatstore.sql import Row
from chatstore.storable import json_to_storable, to_storable
from conversations.actions.changes import Write
from conversations.actions.idempotency import Once, raise_answer_given
from conversations.actions.rows import FIELDS, INSERT_MESSAGES, batch_of, own_ids
from conversations.drafts import MessageDraft, MessagePatch
from conversations.problems import ChangedMeanwhile, ContentRequired, MessageInTrash, ParentNotFound
from conversations.queries.columns import MESSAGE, message_probe
from conversations.queries.messages import message_get, messages_by_id, same_as_drafts
from conversations.queries.standing import (
    conversation_refusal,
    message_refusal,
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

APPEND_ONE = Write("message_append", _HEAD, INSERTED, answer=ONE_ANSWER, about="%(conversation)s::uuid")
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
        if not found["caller_is_live"]:
            raise TokenRevoked()
        if refusal := conversation_refusal(found):
            raise refusal
        require_free_ids(found)
        if found["messages_are_there"]:
            return _existing(user_id, conversation_id, drafts, once), False
    batch = batch_of(drafts)
    try:
        params = {"user": user_id, "session": session_id, "conversation": conversation_id, **batch.params()}
        rows = statement.run(params, once=once)
    except IntegrityError as error:
        if not brought or not _is_taken(error):
            raise
        return _existing(user_id, conversation_id, drafts, once), False
    if not rows:
        raise_answer_given(user_id=user_id, once=once)  # what it was about may be gone since
        found = standing(user_id=user_id, session_id=session_id, conversation_id=conversation_id)
        if not found["caller_is_live"]:
            raise TokenRevoked()
        raise (conversation_refusal(found) or ParentNotFound(pointer="/parent_id")).to_a_live_caller()
    return rows, True


def _is_taken(error: IntegrityError) -> bool:
    name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
    # The third: of two requests with one id the later finds the message itself as the current one, and would follow it.
    return name in ("conversations_message_pkey", "message_in_conversation", "message_not_its_own_parent")


def _existing(user_id: UUID, conversation_id: UUID, drafts: Sequence[MessageDraft], once: Once | None) -> list[Row]:
    """The rows that a client made before under the same ids, if they say the same. Raises IdTaken, AnswerGiven."""
    raise_answer_given(user_id=user_id, once=once)
    rows = messages_by_id(user_id=user_id, conversation_id=conversation_id, ids=own_ids(drafts))
    if len(rows) != len(drafts) or not same_as_drafts(rows, drafts):
        raise IdTaken("The id is taken by a message with another content.")
    for row in rows:
        del row["shown"]
    return rows


# The conversation first, then the message: the order in which every action locks.
_OPEN = """
    target AS (
        SELECT c.id, c.current_message_id, c.linear
          FROM conversations_conversation c
         WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL
           FOR NO KEY UPDATE
    )
"""
_CHANGED = """
    changed AS (
        SELECT 1 AS ordinal, 'message' AS kind, e.id AS object_id, e.conversation_id, 'upsert' AS op FROM edited e
         UNION ALL
        SELECT 2, 'conversation', t.id, t.id, 'upsert' FROM touched t
    )
"""
_EDITED = f"SELECT {MESSAGE.select('e')}, e.version FROM edited e"
_NOW = "greatest(clock_timestamp(), {alias}.updated_at + interval '1 microsecond')"


@functools.cache
def _update_statement(fields: tuple[str, ...]) -> Write:
    """One statement for each set of fields; prepared once, like all."""
    kinds = {**FIELDS, "content": "text"}
    assignments = ", ".join(f"{name} = %({name})s::{kinds[name]}" for name in fields)
    value = {name: f"%({name})s::{FIELDS[name]}" if name in fields else f"m.{name}" for name in FIELDS}
    head = f"""{_OPEN},
    edited AS (
        UPDATE conversations_message m
           SET {assignments}, version = m.version + 1, updated_at = {_NOW.format(alias="m")}
          FROM target
         WHERE m.user_id = %(user)s AND m.conversation_id = target.id AND m.id = %(message)s AND m.deleted_at IS NULL
           AND (%(versions)s::bigint[] IS NULL OR m.version = ANY(%(versions)s))
           AND ({value["content"]} <> '' OR {value["parts"]} <> '[]' OR m.status <> 'complete'
                OR coalesce({value["tool_calls"]}, '[]') NOT IN ('[]', '{{}}')
                OR coalesce({value["tool_results"]}, '[]') NOT IN ('[]', '{{}}'))
        RETURNING m.*
    ),
    touched AS (
        UPDATE conversations_conversation c
           SET version = c.version + 1, updated_at = {_NOW.format(alias="c")}
          FROM edited
         WHERE c.user_id = %(user)s AND c.id = edited.conversation_id
        RETURNING c.id
    ), {_CHANGED}"""
    return Write("message_update", head, _EDITED)


def message_update(
    *,
    user_id: UUID,
    conversation_id: UUID,
    message_id: UUID,
    patch: MessagePatch,
    versions: Sequence[int] | None = None,
) -> Row:
    """Edit a message in place. `versions` are those of If-Match.

    Raises the refusals of conversation and message, PreconditionFailed, ContentRequired.
    """
    values = patch_values(patch, FIELDS)
    if not values:
        return _unchanged(user_id, conversation_id, message_id, versions)
    if "content" in values:
        values["content"] = values["content"] or ""
    params = {"user": user_id, "conversation": conversation_id, "message": message_id, "versions": versions, **values}
    rows = _update_statement(tuple(values)).run(params)
    if not rows:
        _refuse_message(user_id, conversation_id, message_id, versions)
        raise ContentRequired(pointer="/content")
    return rows[0]


def _unchanged(user_id: UUID, conversation_id: UUID, message_id: UUID, versions: Sequence[int] | None) -> Row:
    row = message_get(user_id=user_id, conversation_id=conversation_id, message_id=message_id)
    if versions is not None and row["version"] not in versions:
        raise PreconditionFailed()
    return row


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


def _refuse_message(user_id: UUID, conversation_id: UUID, message_id: UUID, versions: Sequence[int] | None) -> None:
    found = standing(user_id=user_id, conversation_id=conversation_id, message_id=message_id)
    if refusal := conversation_refusal(found) or message_refusal(found):
        raise refusal
    if versions is not None and found["message_version"] not in versions:
        raise PreconditionFailed()


# As _OPEN, and only if nobody has changed the conversation since the statement began: while it waited for the lock, the
# tree that it read may have become another. Then it finds nothing, and is run again.
_UNCHANGED = """
    target AS (
        SELECT c.id, c.current_message_id, c.linear
          FROM conversations_conversation c
         WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL
           AND c.version = (SELECT seen.version FROM conversations_conversation seen
                             WHERE seen.user_id = %(user)s AND seen.id = %(conversation)s)
           FOR NO KEY UPDATE
    )
"""
ATTEMPTS = 5

# The way up from a message to the next one that is not in the trash: a leaf that goes hands over to it.
_ANCESTORS = f"""
    RECURSIVE above AS (
        SELECT m.id, m.parent_id, m.deleted_at, 0 AS steps
          FROM conversations_message m
         WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.id = %(message)s
         UNION ALL
        SELECT m.id, m.parent_id, m.deleted_at, above.steps + 1
          FROM above
          CROSS JOIN {message_probe("above.parent_id")}
         WHERE above.steps = 0 OR above.deleted_at IS NOT NULL
    ),
    heir AS (SELECT above.id FROM above WHERE above.steps > 0 AND above.deleted_at IS NULL)
"""
DELETE = Write(
    "message_delete",
    f"""{_ANCESTORS}, {_UNCHANGED},
    edited AS (
        UPDATE conversations_message m
           SET deleted_at = clock_timestamp(), version = m.version + 1, updated_at = {_NOW.format(alias="m")}
          FROM target
         WHERE m.user_id = %(user)s AND m.conversation_id = target.id AND m.id = %(message)s AND m.deleted_at IS NULL
           AND (%(versions)s::bigint[] IS NULL OR m.version = ANY(%(versions)s))
        RETURNING m.*
    ),
    touched AS (
        UPDATE conversations_conversation c
           SET message_count = c.message_count - 1,
               hidden_count = c.hidden_count - edited.hidden::int,
               current_message_id = CASE WHEN c.current_message_id = edited.id THEN (SELECT heir.id FROM heir)
                                         ELSE c.current_message_id END,
               version = c.version + 1, updated_at = {_NOW.format(alias="c")}
          FROM edited
         WHERE c.user_id = %(user)s AND c.id = edited.conversation_id
        RETURNING c.id
    ), {_CHANGED}""",
    _EDITED,
)

# A leaf that comes back where its heir stands takes its place again; one from the middle of the active branch was never
# off it; any other makes (or ends) a branch of its own, and the conversation is walked from now on.
RESTORE = Write(
    "message_restore",
    f"""{_ANCESTORS},
    path AS (
        SELECT m.id, m.parent_id
          FROM conversations_message m
          JOIN conversations_conversation c ON c.user_id = %(user)s AND c.id = %(conversation)s
         WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.id = c.current_message_id
         UNION ALL
        SELECT m.id, m.parent_id
          FROM path
          CROSS JOIN {message_probe("path.parent_id")}
    ), {_UNCHANGED},
    edited AS (
        UPDATE conversations_message m
           SET deleted_at = NULL, version = m.version + 1, updated_at = {_NOW.format(alias="m")}
          FROM target
         WHERE m.user_id = %(user)s AND m.conversation_id = target.id AND m.id = %(message)s
           AND m.deleted_at IS NOT NULL
        RETURNING m.*
    ),
    touched AS (
        UPDATE conversations_conversation c
           SET message_count = c.message_count + 1,
               hidden_count = c.hidden_count + edited.hidden::int,
               current_message_id = CASE WHEN (SELECT heir.id FROM heir) IS NOT DISTINCT FROM c.current_message_id
                                         THEN edited.id ELSE c.current_message_id END,
               linear = c.linear AND ((SELECT heir.id FROM heir) IS NOT DISTINCT FROM c.current_message_id
                                      OR edited.id IN (SELECT path.id FROM path)),
               version = c.version + 1, updated_at = {_NOW.format(alias="c")}
          FROM edited
         WHERE c.user_id = %(user)s AND c.id = edited.conversation_id
        RETURNING c.id
    ), {_CHANGED}""",
    # One that is not in the trash is given as it is, without a second statement.
    f"""
    SELECT {MESSAGE.select("e")}, e.version, true AS is_restored FROM edited e
     UNION ALL
    SELECT {MESSAGE.select("m")}, m.version, false
      FROM conversations_message m
      JOIN conversations_conversation c ON c.user_id = %(user)s AND c.id = m.conversation_id AND c.deleted_at IS NULL
     WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.id = %(message)s
       AND m.deleted_at IS NULL""",
    answer=f"(SELECT {MESSAGE.as_json('e')} FROM edited e)",
    about="%(conversation)s::uuid",
    status=200,
)


def message_delete(
    *, user_id: UUID, conversation_id: UUID, message_id: UUID, versions: Sequence[int] | None = None
) -> None:
    """Into the trash: off every branch; its descendants stay where they are.

    Raises as `message_update`, and ChangedMeanwhile.
    """
    params = {"user": user_id, "conversation": conversation_id, "message": message_id, "versions": versions}
    for _ in range(ATTEMPTS):
        if DELETE.run(params):
            return
        _refuse_message(user_id, conversation_id, message_id, versions)
    raise ChangedMeanwhile()


def message_restore(*, user_id: UUID, conversation_id: UUID, message_id: UUID, once: Once | None = None) -> Row:
    """Back from the trash; a message that is not in it is given as it is.

    Raises the refusals of conversation and message, ChangedMeanwhile, IdempotencyKeyReused, AnswerGiven.
    """
    params = {"user": user_id, "conversation": conversation_id, "message": message_id}
    for _ in range(ATTEMPTS):
        if rows := RESTORE.run(params, once=once):
            if not rows[0].pop("is_restored"):
                raise_answer_given(user_id=user_id, once=once)
            return rows[0]
        found = standing(user_id=user_id, conversation_id=conversation_id, message_id=message_id)
        refusal = conversation_refusal(found) or message_refusal(found)
        if refusal and not isinstance(refusal, MessageInTrash):  # in the trash: others were faster, once more
            raise refusal
    raise ChangedMeanwhile()
