"""Whole branches, for the work that needs all of one: exchanges, a replacement of the list, a fork."""

from dataclasses import dataclass
from uuid import UUID

import orjson

from accounts.queries import CALLER_IS_LIVE
from chatstore.problems import to_a_live_caller
from chatstore.sql import Row, fetch_all
from conversations.queries.columns import CONVERSATION, MESSAGE, message_probe
from conversations.queries.history import PATH
from conversations.queries.standing import refuse_conversation, refuse_message

# Uses the key of messages: one probe for each message of the branch. One row at least, if the conversation is in use.
CONVERSATION_WITH_BRANCH = f"""
    /* conversation_with_branch */
    WITH {PATH}
    SELECT {CONVERSATION.select("c")}, c.version, path.steps AS m_steps, path.hidden AS m_hidden,
           path.deleted_at IS NOT NULL AS m_deleted,
           {MESSAGE.as_json("m")}::text AS m_row
      FROM conversations_conversation c
      LEFT JOIN (path CROSS JOIN {message_probe("path.id")}) ON true
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL AND {CALLER_IS_LIVE}
     ORDER BY path.steps DESC
"""

# The question and the last answer to it, a pair a row; what a person asked begins a pair, so the count of their
# messages numbers it. Uses the key of messages.
EXCHANGES = f"""
    /* exchanges */
    WITH {PATH},
    spoken AS (
        SELECT m.id, m.role, m.status, path.steps,
               count(*) FILTER (WHERE m.role = 'user') OVER (ORDER BY path.steps DESC) AS pair
          FROM path
          CROSS JOIN {message_probe("path.id")}
         WHERE path.deleted_at IS NULL AND NOT path.hidden
           AND (m.role = 'user' OR (m.role = 'assistant' AND m.content <> ''))
    ),
    pairs AS (
        SELECT pair,
               (array_agg(spoken.id) FILTER (WHERE spoken.role = 'user'))[1] AS question,
               (array_agg(spoken.id ORDER BY spoken.steps) FILTER (WHERE spoken.role = 'assistant'))[1] AS answer
          FROM spoken WHERE pair > 0 GROUP BY pair
    ),
    page AS (SELECT * FROM pairs ORDER BY pair LIMIT %(limit)s OFFSET %(offset)s)
    SELECT (SELECT count(*) FROM pairs) AS total, q.id, q.content AS query, a.content AS response,
           q.created_at AS timestamp, a.id AS response_id, a.created_at AS responded_at, a.model AS model_used,
           coalesce(a.tokens_used, a.tokens_in + a.tokens_out) AS tokens_used,
           trim_scale(a.cost_cents) AS cost_cents, a.response_cached, a.response_time_ms
      FROM conversations_conversation c
      LEFT JOIN (page
           CROSS JOIN {message_probe("page.question", "q")}
           LEFT JOIN {message_probe("page.answer", "a")} ON true) ON true
     WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL
     ORDER BY page.pair
"""


def exchanges_page(*, user_id: UUID, conversation_id: UUID, limit: int, offset: int) -> tuple[list[Row], int]:
    """Query/response pairs of the active branch, oldest first, and how many there are (requirement A2).

    A question without an answer has `response: null`. Raises the refusals of the conversation.
    """
    params = {"user": user_id, "conversation": conversation_id, "limit": limit, "offset": offset, "leaf": None}
    rows = fetch_all(EXCHANGES, params)
    if not rows:
        refuse_conversation(user_id=user_id, conversation_id=conversation_id)
    total = rows[0]["total"]
    for row in rows:
        del row["total"]
    return [row for row in rows if row["id"] is not None], total


@dataclass(frozen=True, slots=True)
class BranchMessage:
    """A message of a branch, as JSON text in its stored form (chatstore/storable.py)."""

    text: str
    in_trash: bool
    is_hidden: bool

    @property
    def fragment(self) -> orjson.Fragment:
        """For an answer: as it is."""
        return orjson.Fragment(self.text)


def conversation_with_branch(
    *, user_id: UUID, conversation_id: UUID, session_id: UUID | None = None, leaf: UUID | None = None
) -> tuple[Row, list[BranchMessage]]:
    """A conversation with its `version`, and the branch to `leaf` (default: the active one), root first.

    Raises the refusals of the conversation, and of the message when `leaf` is not one of it.
    """
    params = {"user": user_id, "session": session_id, "conversation": conversation_id, "leaf": leaf}
    rows = fetch_all(CONVERSATION_WITH_BRANCH, params)
    if not rows:
        refuse_conversation(user_id=user_id, conversation_id=conversation_id)
    branch = [
        BranchMessage(row["m_row"], row["m_deleted"], row["m_hidden"]) for row in rows if row["m_steps"] is not None
    ]
    if leaf is not None and (not branch or branch[-1].in_trash):
        with to_a_live_caller():
            refuse_message(user_id=user_id, conversation_id=conversation_id, message_id=leaf)
    return {name: value for name, value in rows[0].items() if not name.startswith("m_")}, branch
