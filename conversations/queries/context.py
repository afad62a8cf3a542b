"""What a model is sent: the end of the active branch."""

from typing import Any
from uuid import UUID

from accounts.queries import CALLER_IS_LIVE
from chatstore.sql import Row, fetch_all
from chatstore.storable import stored_json
from conversations.queries.columns import MESSAGE, message_probe
from conversations.queries.standing import refuse_conversation

CHARACTERS_PER_TOKEN = 4
PART_TYPES = {"text", "image_url", "input_audio", "file", "refusal"}  # OpenAI, chat completions

_SHOWN = "m.deleted_at IS NULL AND NOT m.hidden AND m.status <> 'streaming'"

# A conversation that never branched: message_reading_order from its end. One that did: the key of messages, a probe for
# each step; it stops when it has enough. `kept` counts what will be shown, up to and with this row.
CONTEXT = f"""
    /* context */
    WITH RECURSIVE chosen AS (
        SELECT c.id, c.linear, c.current_message_id, c.version
          FROM conversations_conversation c
         WHERE c.user_id = %(user)s AND c.id = %(conversation)s AND c.deleted_at IS NULL AND {CALLER_IS_LIVE}
    ),
    path AS (
        SELECT m.id, m.parent_id, 0 AS steps, ({_SHOWN})::int AS kept, ({_SHOWN}) AS shown
          FROM chosen
          JOIN conversations_message m
            ON m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.id = chosen.current_message_id
         WHERE NOT chosen.linear
         UNION ALL
        SELECT m.id, m.parent_id, path.steps + 1, path.kept + ({_SHOWN})::int, ({_SHOWN})
          FROM path
          CROSS JOIN {message_probe("path.parent_id")}
         WHERE path.kept < %(limit)s
    ),
    wanted AS (
        SELECT path.id, path.steps FROM path WHERE path.shown
         UNION ALL
        SELECT tail.id, tail.steps
          FROM chosen
          CROSS JOIN LATERAL (
               SELECT m.id, row_number() OVER (ORDER BY m.created_at DESC, m.id DESC) AS steps
                 FROM conversations_message m
                WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND {_SHOWN}
                ORDER BY m.created_at DESC, m.id DESC
                LIMIT %(limit)s
               ) AS tail
         WHERE chosen.linear
    )
    SELECT c.version AS c_version, {MESSAGE.select("m")},
           CASE m.role WHEN 'assistant' THEN m.tokens_out WHEN 'user' THEN m.tokens_in END AS c_tokens,
           char_length(m.content) AS c_characters,
           jsonb_build_object('tool_calls', m.tool_calls, 'tool_results', m.tool_results,
                              'parts', nullif(m.parts, '[]'))::text AS c_structure
      FROM chosen c
      LEFT JOIN (wanted CROSS JOIN {message_probe("wanted.id")}) ON true
     ORDER BY wanted.steps
"""


def context_window(
    *,
    user_id: UUID,
    conversation_id: UUID,
    session_id: UUID | None = None,
    limit: int = 20,
    max_tokens: int | None = None,
    native: bool = False,
) -> dict[str, Any]:
    """`{"messages": […], "tokens": n}`: the last messages of the active branch, oldest first, ready to send to a model.

    Hidden and deleted ones, and those still being written, are left out. At most `limit` messages and `max_tokens`
    tokens in all (as stored; without a count, 4 characters a token, rounded up). A tool's answer never comes without
    its call (OpenAI, "Function calling"), so there may be fewer. In OpenAI's form, or with `native` as rows of the API.
    Raises the refusals of the conversation.
    """
    rows = fetch_all(CONTEXT, {"user": user_id, "session": session_id, "conversation": conversation_id, "limit": limit})
    if not rows:
        refuse_conversation(user_id=user_id, conversation_id=conversation_id)
    rows = _within([row for row in rows if row["id"] is not None], max_tokens)
    rows.reverse()
    while rows and rows[0]["role"] == "tool":
        del rows[0]
    tokens = sum(_tokens(row) for row in rows)
    return {"messages": [_native(row) if native else _openai(row) for row in rows], "tokens": tokens}


def _tokens(row: Row) -> int:
    known: int | None = row["c_tokens"]
    characters: int = row["c_characters"]
    return known if known is not None else -(-characters // CHARACTERS_PER_TOKEN)


def _within(rows: list[Row], max_tokens: int | None) -> list[Row]:
    """The newest rows (they come first) whose tokens fit together."""
    if max_tokens is None:
        return rows
    left = max_tokens
    for count, row in enumerate(rows):
        left -= _tokens(row)
        if left < 0:
            return rows[:count]
    return rows


def _native(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.startswith("c_")}


def _openai(row: Row) -> dict[str, Any]:
    structure = stored_json(row["c_structure"])
    message: dict[str, Any] = {"role": row["role"], "content": row["content"]}
    parts = structure["parts"]
    if isinstance(parts, list) and all(isinstance(part, dict) and part.get("type") in PART_TYPES for part in parts):
        message["content"] = parts
    if row["role"] == "assistant" and structure["tool_calls"]:
        message["tool_calls"] = structure["tool_calls"]
        message["content"] = message["content"] or None
    if row["role"] == "tool" and (call := _call_answered(structure["tool_results"])):
        message["tool_call_id"] = call
    return message


def _call_answered(results: Any) -> str | None:
    first = results[0] if isinstance(results, list) and results else results
    return first.get("tool_call_id") if isinstance(first, dict) else None
