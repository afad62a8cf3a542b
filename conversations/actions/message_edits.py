"""Changing messages that are there: edit in place, into the trash and back. Each is one statement (changes.py)."""

import functools
from collections.abc import Sequence
from uuid import UUID

from chatstore.problems import PreconditionFailed
from chatstore.sql import Row
from conversations.actions.changes import Write
from conversations.actions.idempotency import Once, remember_answer
from conversations.actions.rows import FIELDS, patch_values
from conversations.drafts import MessagePatch
from conversations.problems import ChangedMeanwhile, ContentRequired, MessageInTrash
from conversations.queries.columns import MESSAGE, message_probe
from conversations.queries.messages import message_get
from conversations.queries.standing import conversation_refusal, message_refusal, standing

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
    version="(SELECT e.version FROM edited e)",
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
                remember_answer(user_id=user_id, once=once, conversation_id=conversation_id, row=rows[0])
            return rows[0]
        found = standing(user_id=user_id, conversation_id=conversation_id, message_id=message_id)
        refusal = conversation_refusal(found) or message_refusal(found)
        if refusal and not isinstance(refusal, MessageInTrash):  # in the trash: others were faster, once more
            raise refusal
    raise ChangedMeanwhile()
