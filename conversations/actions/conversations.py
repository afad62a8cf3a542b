"""Writing conversations: create, change, trash, restore, delete for good. Each is one statement."""

import functools
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from accounts.errors import TokenRevoked
from accounts.queries import CALLER_IS_LIVE
from chatstore.owned import new_id
from chatstore.problems import IdTaken, PreconditionFailed
from chatstore.sql import Row
from chatstore.storable import json_to_storable, to_storable
from conversations.actions.changes import Write
from conversations.actions.files import files_delete_on_commit
from conversations.actions.idempotency import Once, raise_answer_given, remember_answer
from conversations.actions.rows import INSERT_MESSAGES, batch_of, own_ids, patch_values
from conversations.drafts import ConversationDraft, ConversationPatch
from conversations.problems import (
    ChangedMeanwhile,
    ConversationForbidden,
    ConversationInTrash,
    ConversationNotFound,
    CurrentMessageNotFound,
)
from conversations.queries.columns import CONVERSATION
from conversations.queries.conversations import conversation_get
from conversations.queries.messages import conversation_as_made
from conversations.queries.standing import (
    conversation_refusal,
    known_to_live,
    message_refusal,
    require_free_ids,
    standing,
)

ATTEMPTS = 5

_SHOWN = CONVERSATION.select("c")
_ANSWER = f"(SELECT {CONVERSATION.as_json('c')} FROM touched c)"
_NOW = "greatest(clock_timestamp(), c.updated_at + interval '1 microsecond')"
_CHANGED = """
    changed AS (
        SELECT 1 AS ordinal, 'conversation' AS kind, c.id AS object_id, c.id AS conversation_id, 'upsert' AS op
          FROM touched c
    )
"""

CREATE = Write(
    "conversation_create",
    f"""
    moment AS MATERIALIZED (
        SELECT %(conversation)s::uuid AS id, NULL::uuid AS current_message_id, clock_timestamp() AS at
         WHERE {CALLER_IS_LIVE}
    ),
    touched AS (
        INSERT INTO conversations_conversation (
               user_id, id, title, title_is_generated, model, metadata, tags, starred, archived,
               message_count, hidden_count, current_message_id, linear, created_at, updated_at, last_message_at,
               version)
        SELECT %(user)s, moment.id, %(conversation_title)s, %(title_is_generated)s, %(model)s, %(metadata)s::jsonb,
               %(tags)s::text[], %(starred)s, %(archived)s, %(count)s, %(hidden)s, %(last)s, %(chain)s, moment.at,
               moment.at + greatest(%(count)s - 1, 0) * interval '1 microsecond',
               CASE WHEN %(count)s > 0 THEN moment.at + (%(count)s - 1) * interval '1 microsecond' END,
               -- From the clock: a client may delete it for good and make it again, and no ETag of before may fit then.
               (extract(epoch FROM moment.at) * 1000000)::bigint
          FROM moment
        RETURNING *
    ), {INSERT_MESSAGES},
    changed AS (
        SELECT 0 AS ordinal, 'conversation' AS kind, c.id AS object_id, c.id AS conversation_id, 'upsert' AS op
          FROM touched c
         UNION ALL
        SELECT row_number() OVER (ORDER BY i.created_at), 'message', i.id, i.conversation_id, 'upsert' FROM inserted i
    )""",
    f"SELECT {_SHOWN}, c.version FROM touched c",
    answer=_ANSWER,
    version="(SELECT c.version FROM touched c)",
    about="%(conversation)s::uuid",
)


def conversation_create(
    *, user_id: UUID, draft: ConversationDraft, session_id: UUID | None = None, once: Once | None = None
) -> tuple[Row, bool]:
    """Make a conversation, with its messages if it has any: the row, and whether it is new.

    A client's id that is there already, with the same content, gives the row as it is now.
    Raises IdTaken, ParentNotFound, ParentIsItself, IdempotencyKeyReused, AnswerGiven.
    """
    brought = own_ids(draft.messages)
    if len(set(brought)) < len(brought):
        raise IdTaken("The same id stands twice in the list.", pointer="/messages")
    conversation_id = draft.id if isinstance(draft.id, UUID) else new_id()
    if isinstance(draft.id, UUID) or brought:
        ids = [*brought, conversation_id]
        found = standing(user_id=user_id, session_id=session_id, conversation_id=conversation_id, ids=ids)
        with known_to_live(found):
            require_free_ids(found)
            if found["conversation_is_own"]:
                return _existing(user_id, conversation_id, draft, once, in_trash=found["conversation_in_trash"]), False
    params = {"user": user_id, "session": session_id, "conversation": conversation_id, **_create_params(draft)}
    try:
        rows = CREATE.run(params, once=once)
    except IntegrityError as error:
        name = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "")
        if name != "conversations_conversation_pkey":
            raise
        return _existing(user_id, conversation_id, draft, once), False
    if not rows:  # nothing but the end of the session keeps it from being made
        raise TokenRevoked()
    return rows[0], True


def _create_params(draft: ConversationDraft) -> dict[str, Any]:
    batch = batch_of(draft.messages, follows=False, is_whole=True).params()
    given = to_storable(draft.title or "")
    return {
        **batch,
        "conversation_title": given or batch["title"],
        "title_is_generated": not given and bool(batch["title"]),
        "model": to_storable(draft.model) if draft.model is not None else None,
        "metadata": json_to_storable(draft.metadata),
        "tags": unique_tags(draft.tags),
        "starred": draft.starred,
        "archived": draft.archived,
    }


def _existing(
    user_id: UUID, conversation_id: UUID, draft: ConversationDraft, once: Once | None, *, in_trash: bool = False
) -> Row:
    """The row that a client made before under the same id, if it says the same. Raises IdTaken, AnswerGiven."""
    is_same, where = False, "with another content"
    try:
        if not in_trash:
            row, is_same = conversation_as_made(user_id=user_id, conversation_id=conversation_id, draft=draft)
    except ConversationInTrash:
        in_trash = True
    if not is_same:
        raise_answer_given(user_id=user_id, once=once)  # it was the same when it was made
        where = "in the trash" if in_trash else "with another content"
        raise IdTaken(f"The id is taken by a conversation {where}.")
    remember_answer(user_id=user_id, once=once, conversation_id=conversation_id, row=row)
    return row


def unique_tags(tags: Sequence[str]) -> list[str]:
    """Each tag once, in the order given."""
    return list(dict.fromkeys(map(to_storable, tags)))


FIELDS = {
    "title": "text",
    "model": "text",
    "metadata": "jsonb",
    "tags": "text[]",
    "starred": "boolean",
    "archived": "boolean",
    "current_message_id": "uuid",
}


# Whether all there is, the trash included, is one chain that ends at the new leaf. Only the newest can be that, so most
# are refused by one probe; the rest read one range of message_reading_order, up to a length.
LONGEST_CHAIN = 10_000
IS_ONE_CHAIN = f"""
    CASE WHEN %(current_message_id)s = (SELECT m.id FROM conversations_message m
                                         WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s
                                           AND m.deleted_at IS NULL
                                         ORDER BY m.created_at DESC, m.id DESC LIMIT 1)
         THEN (SELECT bool_and(link.holds) AND count(*) <= {LONGEST_CHAIN}
                 FROM (SELECT m.parent_id IS NOT DISTINCT FROM lag(m.id) OVER (ORDER BY m.created_at, m.id) AS holds
                         FROM conversations_message m
                        WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s
                        ORDER BY m.created_at, m.id LIMIT {LONGEST_CHAIN} + 1) AS link)
         ELSE false END"""


@functools.cache
def _update_statement(fields: tuple[str, ...]) -> Write:
    assignments = [f"{name} = %({name})s::{FIELDS[name]}" for name in fields]
    extra = ""
    if "title" in fields:
        assignments.append("title_is_generated = false")
    if "current_message_id" in fields:
        # A leaf further back, or on another branch: from now on the branch is walked, until it is the only one again.
        assignments.append(f"linear = (c.linear AND c.current_message_id = %(current_message_id)s) OR {IS_ONE_CHAIN}")
        # As the message was when the statement began: if the conversation changed since, it is asked again.
        extra = """
           AND c.version = (SELECT seen.version FROM conversations_conversation seen
                             WHERE seen.user_id = %(user)s AND seen.id = %(conversation)s)
           AND EXISTS (SELECT FROM conversations_message m
                        WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s
                          AND m.id = %(current_message_id)s AND m.deleted_at IS NULL)"""
    head = f"""
    touched AS (
        UPDATE conversations_conversation c
           SET {", ".join(assignments)}, version = c.version + 1, updated_at = {_NOW}
         WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL
           AND (%(versions)s::bigint[] IS NULL OR c.version = ANY(%(versions)s)) AND {CALLER_IS_LIVE} {extra}
        RETURNING c.*
    ), {_CHANGED}"""
    return Write("conversation_update", head, f"SELECT {_SHOWN}, c.version FROM touched c")


def conversation_update(
    *,
    user_id: UUID,
    conversation_id: UUID,
    patch: ConversationPatch,
    session_id: UUID | None = None,
    versions: Sequence[int] | None = None,
) -> Row:
    """Change what the patch names. `versions` are those of If-Match.

    Raises the refusals of the conversation, PreconditionFailed, CurrentMessageNotFound.
    """
    values = conversation_values(patch)
    if not values:
        return _unchanged(user_id, session_id, conversation_id, versions)
    params = {
        "user": user_id, "session": session_id, "conversation": conversation_id, "versions": versions, **values
    }  # fmt: skip
    for _ in range(ATTEMPTS):
        if rows := _update_statement(tuple(values)).run(params):
            return rows[0]
        current = values.get("current_message_id")
        found = standing(user_id=user_id, session_id=session_id, conversation_id=conversation_id, message_id=current)
        with known_to_live(found):
            _refuse(found, versions)
            if current and message_refusal(found):
                raise CurrentMessageNotFound(pointer="/current_message_id")
    raise ChangedMeanwhile()


def conversation_values(patch: ConversationPatch) -> dict[str, Any]:
    """The fields that a patch names, as parameters."""
    values = patch_values(patch, FIELDS)
    if "title" in values:
        values["title"] = values["title"] or ""
    if "tags" in values:
        values["tags"] = unique_tags(values["tags"])
    return values


def _unchanged(user_id: UUID, session_id: UUID | None, conversation_id: UUID, versions: Sequence[int] | None) -> Row:
    row = conversation_get(user_id=user_id, session_id=session_id, conversation_id=conversation_id)
    if versions is not None and row["version"] not in versions:
        raise PreconditionFailed()
    return row


def refuse_stale(user_id: UUID, conversation_id: UUID, versions: Sequence[int] | None) -> None:
    """Say why a change found nothing to change, as far as it lies in the conversation itself."""
    _refuse(standing(user_id=user_id, conversation_id=conversation_id), versions)


def _refuse(found: Row, versions: Sequence[int] | None) -> None:
    if refusal := conversation_refusal(found):
        raise refusal
    if versions is not None and found["version"] not in versions:
        raise PreconditionFailed()


TRASH = Write(
    "conversation_trash",
    f"""
    touched AS (
        UPDATE conversations_conversation c
           SET deleted_at = clock_timestamp(), version = c.version + 1
         WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL
           AND (%(versions)s::bigint[] IS NULL OR c.version = ANY(%(versions)s))
        RETURNING c.*
    ), {_CHANGED}""",
    "SELECT c.id FROM touched c",
)
RESTORE = Write(
    "conversation_restore",
    f"""
    touched AS (
        UPDATE conversations_conversation c
           SET deleted_at = NULL, version = c.version + 1
         WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NOT NULL
        RETURNING c.*
    ), {_CHANGED}""",
    # One that is not in the trash is given as it is, without a second statement.
    f"""
    SELECT {_SHOWN}, c.version, true AS is_restored FROM touched c
     UNION ALL
    SELECT {_SHOWN}, c.version, false FROM conversations_conversation c
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL""",
    answer=_ANSWER,
    version="(SELECT c.version FROM touched c)",
    about="%(conversation)s::uuid",
    status=200,
)
# Its messages and attachments go with it by the cascade of the database; the feed's one `delete` stands for them too.
DELETE = Write(
    "conversation_delete",
    """
    touched AS (
        DELETE FROM conversations_conversation c
         WHERE c.user_id = %(user)s AND c.id = %(conversation)s
           AND (%(versions)s::bigint[] IS NULL OR c.version = ANY(%(versions)s))
        RETURNING c.id
    ),
    changed AS (
        SELECT 1 AS ordinal, 'conversation' AS kind, c.id AS object_id, c.id AS conversation_id, 'delete' AS op
          FROM touched c
    )""",
    """
    SELECT c.id, ARRAY(SELECT a.file FROM conversations_attachment a
                        WHERE a.user_id = %(user)s AND a.conversation_id = %(conversation)s AND a.file <> '') AS files
      FROM touched c""",
)


def conversation_trash(*, user_id: UUID, conversation_id: UUID, versions: Sequence[int] | None = None) -> None:
    """Into the trash, with its messages. Raises the refusals of the conversation, PreconditionFailed."""
    if not TRASH.run({"user": user_id, "conversation": conversation_id, "versions": versions}):
        refuse_stale(user_id, conversation_id, versions)
        raise ConversationNotFound()


def conversation_restore(*, user_id: UUID, conversation_id: UUID, once: Once | None = None) -> Row:
    """Back from the trash, with its messages; one that is not in it is given as it is."""
    rows = RESTORE.run({"user": user_id, "conversation": conversation_id}, once=once)
    if not rows:
        refuse_stale(user_id, conversation_id, None)
        return conversation_get(user_id=user_id, conversation_id=conversation_id)  # another request was faster
    if not rows[0].pop("is_restored"):
        remember_answer(user_id=user_id, once=once, conversation_id=conversation_id, row=rows[0])
    return rows[0]


def conversation_delete(*, user_id: UUID, conversation_id: UUID, versions: Sequence[int] | None = None) -> None:
    """For good, from the trash or not: the row, its messages, its attachments' files, and the answers kept about it."""
    if rows := DELETE.run({"user": user_id, "conversation": conversation_id, "versions": versions}):
        files_delete_on_commit(rows[0]["files"])
        return
    refusal = conversation_refusal(found := standing(user_id=user_id, conversation_id=conversation_id))
    if isinstance(refusal, ConversationForbidden | ConversationNotFound):
        raise refusal
    raise PreconditionFailed() if found["version"] not in (versions or []) else ConversationInTrash()
