"""Writing whole branches: a replaced list of messages (PUT), and a fork."""

import functools
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import UNSET, structs

from chatstore.owned import new_id
from chatstore.problems import IdTaken, PreconditionFailed, to_a_live_caller
from chatstore.sql import Row
from chatstore.storable import json_from_storable, json_to_storable, stored_json
from conversations.actions.changes import Write
from conversations.actions.conversations import FIELDS, conversation_update, conversation_values, refuse_stale
from conversations.actions.idempotency import Once, raise_answer_given
from conversations.actions.rows import FIELDS as MESSAGE_FIELDS
from conversations.actions.rows import INSERT_MESSAGES, batch_of, own_ids
from conversations.drafts import ConversationReplacement, MessageDraft
from conversations.problems import ChangedMeanwhile, CurrentMessageNotFound, MessageInTrash
from conversations.queries.branches import BranchMessage, conversation_with_branch
from conversations.queries.columns import CONVERSATION
from conversations.queries.messages import says_what_was_sent
from conversations.queries.standing import require_free_ids, standing

_SHOWN = CONVERSATION.select("c")
ATTEMPTS = 3


@functools.cache
def _replace_statement(fields: tuple[str, ...]) -> Write:
    assignments = "".join(f"{name} = %(new_{name})s::{FIELDS[name]}, " for name in fields)
    if "title" in fields:
        assignments += "title_is_generated = false, "
    else:
        assignments += """title = CASE WHEN c.title = '' THEN %(title)s::text ELSE c.title END,
               title_is_generated = c.title_is_generated OR (c.title = '' AND %(title)s::text <> ''), """
    # The list was compared with the branch as of `version`: if it changed since, nothing is written, and read again.
    head = f"""
    target AS (
        SELECT c.id, c.current_message_id, c.last_message_at
          FROM conversations_conversation c
         WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL AND c.version = %(version)s
           FOR NO KEY UPDATE
    ),
    moment AS MATERIALIZED (
        SELECT t.id, t.current_message_id, f.out_of_order,
               CASE WHEN f.out_of_order THEN clock_timestamp()
                    ELSE greatest(clock_timestamp(), t.last_message_at + interval '1 microsecond') END AS at
          FROM target t
          CROSS JOIN LATERAL (SELECT coalesce(t.last_message_at > now() + interval '1 day', false) AS out_of_order) AS f
    ), {INSERT_MESSAGES},
    touched AS (
        UPDATE conversations_conversation c
           SET {assignments}
               message_count = c.message_count + %(count)s, hidden_count = c.hidden_count + %(hidden)s,
               current_message_id = %(leaf)s::uuid, linear = c.linear AND %(stays_linear)s AND NOT moment.out_of_order,
               last_message_at = CASE WHEN %(count)s > 0
                                      THEN moment.at + (%(count)s - 1) * interval '1 microsecond'
                                      ELSE c.last_message_at END,
               updated_at = greatest(moment.at + %(count)s * interval '1 microsecond',
                                     c.updated_at + interval '1 microsecond'),
               version = c.version + 1
          FROM moment
         WHERE c.user_id = %(user)s AND c.id = moment.id
        RETURNING c.*
    ),
    changed AS (
        SELECT row_number() OVER (ORDER BY i.created_at) AS ordinal, 'message' AS kind, i.id AS object_id,
               i.conversation_id, 'upsert' AS op
          FROM inserted i
         UNION ALL
        SELECT %(count)s + 1, 'conversation', c.id, c.id, 'upsert' FROM touched c
    )"""
    return Write("conversation_replace", head, f"SELECT {_SHOWN}, c.version FROM touched c")


def conversation_replace(
    *,
    user_id: UUID,
    conversation_id: UUID,
    replacement: ConversationReplacement,
    session_id: UUID | None = None,
    versions: Sequence[int] | None = None,
) -> Row:
    """Change what is named; with `messages`, make the active branch equal to that list (requirement D1).

    The common beginning stays; what differs becomes a new branch; nothing is deleted. Hidden messages between are kept.
    Raises the refusals of the conversation, PreconditionFailed, ChangedMeanwhile, IdTaken.
    """
    if replacement.messages is UNSET:
        return conversation_update(
            user_id=user_id,
            conversation_id=conversation_id,
            patch=replacement,
            session_id=session_id,
            versions=versions,
        )
    if replacement.current_message_id is not UNSET:
        raise CurrentMessageNotFound(
            "The list says which message is the current one: its last.", pointer="/current_message_id"
        )
    for _ in range(ATTEMPTS):
        header, branch = conversation_with_branch(
            user_id=user_id, session_id=session_id, conversation_id=conversation_id
        )
        with to_a_live_caller():
            row = _replace_once(user_id, header, branch, replacement, replacement.messages, versions)
        if row is not None:
            return row
    refuse_stale(user_id, conversation_id, versions)
    raise ChangedMeanwhile()


def _replace_once(
    user_id: UUID,
    header: Row,
    branch: Sequence[BranchMessage],
    replacement: ConversationReplacement,
    drafts: Sequence[MessageDraft],
    versions: Sequence[int] | None,
) -> Row | None:
    """None when the conversation changed since it was read."""
    conversation_id = UUID(header["id"])
    if versions is not None and header["version"] not in versions:
        raise PreconditionFailed()
    path = [_decoded(message) for message in branch if not message.in_trash]
    common, leaf = common_beginning(path, drafts)
    rest = [_without_parent(draft) for draft in drafts[common:]]
    if brought := own_ids(rest):
        if len(set(brought)) < len(brought):
            raise IdTaken("The same id stands twice in the list.", pointer="/messages")
        found = standing(user_id=user_id, conversation_id=conversation_id, ids=brought)
        require_free_ids(found)
        if found["messages_are_there"] and not found["ids_here"]:
            raise IdTaken("The id is taken by a message of another conversation.")
        rest = [_with_a_new_id(draft, found["ids_here"] or []) for draft in rest]
    batch = batch_of(rest, after=leaf, follows=False)
    values = conversation_values(replacement)
    tip = path[-1]["id"] if path else None
    if not (values or rest) and header["current_message_id"] == (str(leaf) if leaf else None):
        return header  # the branch is that list already: sent again, it changes nothing
    params = {
        "user": user_id,
        "conversation": conversation_id,
        "version": header["version"],
        **batch.params(),
        **{f"new_{name}": value for name, value in values.items()},
        "leaf": batch.last_id or leaf,
        "stays_linear": (str(leaf) if leaf else None) == tip,
    }
    rows = _replace_statement(tuple(values)).run(params)
    return rows[0] if rows else None


def common_beginning(path: Sequence[dict[str, Any]], drafts: Sequence[MessageDraft]) -> tuple[int, UUID | None]:
    """How many of the drafts the branch begins with, and the message that what follows is to be attached to."""
    common, leaf = 0, None
    for message in path:
        if message["hidden"] and not (common < len(drafts) and says_what_was_sent(message, drafts[common])):
            # A reader of the branch does not see it: it stays, wherever it stands.
            if common < len(drafts) or leaf is None:
                leaf = UUID(message["id"])
            continue
        if common == len(drafts) or not says_what_was_sent(message, drafts[common]):
            break
        common, leaf = common + 1, UUID(message["id"])
    return common, leaf


def _decoded(message: BranchMessage) -> dict[str, Any]:
    row: dict[str, Any] = json_from_storable(stored_json(message.text))
    return row


def _with_a_new_id(draft: MessageDraft, known: Sequence[str]) -> MessageDraft:
    """A message that is here already, and says something else now, is told again on the new branch."""
    return structs.replace(draft, id=UNSET) if draft.id is not UNSET and str(draft.id) in known else draft


def _without_parent(draft: MessageDraft) -> MessageDraft:
    """The list itself says what follows what."""
    return structs.replace(draft, parent_id=UNSET)


_COPIED = [name for name in MESSAGE_FIELDS if name not in ("hidden", "status")]
FORK = Write(
    "conversation_fork",
    f"""
    ways AS (
        SELECT * FROM unnest(%(old)s::uuid[], %(new)s::uuid[], %(parents)s::uuid[]) AS w(old_id, new_id, parent_id)
    ),
    copied AS (
        INSERT INTO conversations_message (user_id, conversation_id, id, parent_id, hidden, status,
                                           {", ".join(_COPIED)}, created_at, updated_at)
        SELECT %(user)s, %(fork)s, ways.new_id, ways.parent_id, m.hidden,
               -- Whoever writes it goes on with the original: nobody will ever complete the copy.
               CASE WHEN m.status = 'streaming' THEN 'interrupted' ELSE m.status END,
               {", ".join(f"m.{name}" for name in _COPIED)}, m.created_at, m.updated_at
          FROM ways
          JOIN conversations_message m
            ON m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.id = ways.old_id
        RETURNING id, hidden, created_at
    ),
    touched AS (
        INSERT INTO conversations_conversation (
               user_id, id, title, title_is_generated, model, metadata, tags, message_count, hidden_count,
               current_message_id, linear, created_at, updated_at, last_message_at)
        SELECT %(user)s, %(fork)s, c.title, c.title_is_generated, c.model,
               c.metadata || %(origin)s::jsonb, c.tags, n.count, n.hidden, %(leaf)s, c.linear,
               clock_timestamp(), clock_timestamp(), n.last_at
          FROM conversations_conversation c,
               (SELECT count(*) AS count, count(*) FILTER (WHERE hidden) AS hidden, max(created_at) AS last_at
                  FROM copied) AS n
         WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL
        RETURNING *
    ),
    changed AS (
        SELECT 0 AS ordinal, 'conversation' AS kind, c.id AS object_id, c.id AS conversation_id, 'upsert' AS op
          FROM touched c
         UNION ALL
        SELECT row_number() OVER (ORDER BY i.created_at, i.id), 'message', i.id, %(fork)s, 'upsert' FROM copied i
    )""",
    f"SELECT {_SHOWN}, c.version FROM touched c",
    answer=f"(SELECT {CONVERSATION.as_json('c')} FROM touched c)",
    version="(SELECT c.version FROM touched c)",
    about="%(fork)s::uuid",
)


def conversation_fork(
    *,
    user_id: UUID,
    conversation_id: UUID,
    message_id: UUID | None = None,
    session_id: UUID | None = None,
    once: Once | None = None,
) -> Row:
    """A copy of the branch up to a message (default: the current one), as a conversation of its own.

    Raises the refusals of the conversation and of the message, IdempotencyKeyReused, AnswerGiven.
    """
    try:
        _, branch = conversation_with_branch(
            user_id=user_id, session_id=session_id, conversation_id=conversation_id, leaf=message_id
        )
    except MessageInTrash:
        with to_a_live_caller():
            raise_answer_given(user_id=user_id, once=once)  # it was not in the trash when it was forked
        raise
    old = [_decoded(message)["id"] for message in branch if not message.in_trash]
    new = [new_id() for _ in old]
    origin = {"forked_from": {"conversation_id": conversation_id, "message_id": old[-1] if old else None}}
    params = {
        "user": user_id,
        "conversation": conversation_id,
        "fork": new_id(),
        "old": old,
        "new": new,
        "parents": [None, *new[:-1]] if new else [],
        "leaf": new[-1] if new else None,
        "origin": json_to_storable(origin),
    }
    with to_a_live_caller():
        rows = FORK.run(params, once=once)
        if not rows:
            raise ChangedMeanwhile()
    return rows[0]
