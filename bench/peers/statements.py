"""The SQL of the tuned peer: one statement a request, which checks the session, the owner and does the work."""

CONVERSATION = (
    "id", "title", "title_is_generated", "model", "metadata", "tags", "starred", "archived", "message_count",
    "current_message_id", "source", "external_id", "created_at", "updated_at", "last_message_at", "deleted_at",
)  # fmt: skip
MESSAGE = (
    "id", "conversation_id", "parent_id", "role", "content", "parts", "status", "model", "tool_calls", "tool_results",
    "sources", "selected_text", "metadata", "language", "tokens_in", "tokens_out", "tokens_used", "response_cached",
    "response_time_ms", "hidden", "created_at", "updated_at", "deleted_at", "cost_cents",
)  # fmt: skip
WRITTEN = {
    "role": "text", "content": "text", "parts": "jsonb", "status": "text", "model": "text", "tool_calls": "jsonb",
    "tool_results": "jsonb", "sources": "jsonb", "selected_text": "text", "metadata": "jsonb", "language": "text",
    "tokens_in": "int", "tokens_out": "int", "tokens_used": "int", "cost_cents": "numeric",
    "response_cached": "boolean", "response_time_ms": "int", "hidden": "boolean",
}  # fmt: skip
TIMES = ("created_at", "updated_at", "deleted_at")


def _columns(names: tuple[str, ...], alias: str) -> str:
    return ", ".join(
        f"trim_scale({alias}.{name})::text AS {name}" if name == "cost_cents" else f"{alias}.{name}" for name in names
    )


# $1 the user, $2 the session. The header's columns stand last: `zip` with the names of the row stops before them.
_LIVE = """
      FROM accounts_user u
      JOIN accounts_session s ON s.user_id = u.id AND s.id = $2 AND s.revoked_at IS NULL AND s.expires_at > now()
       AND s.security_stamp = u.security_stamp
"""

# $3 the conversation.
VERSION = f"""
    SELECT c.version {_LIVE}
      LEFT JOIN conversations_conversation c ON c.user_id = $1 AND c.id = $3 AND c.deleted_at IS NULL
     WHERE u.id = $1 AND u.is_active
"""


def history(*, descending: bool, continued: bool) -> str:
    """$4 how many; after $5 and $6, a message's time and id."""
    way, beyond = ("DESC", "<") if descending else ("ASC", ">")
    after = f"AND (m.created_at, m.id) {beyond} ($5::timestamptz, $6::uuid)" if continued else ""
    return f"""
    SELECT page.*, c.version, c.message_count - c.hidden_count AS total {_LIVE}
      LEFT JOIN conversations_conversation c ON c.user_id = $1 AND c.id = $3 AND c.deleted_at IS NULL
      LEFT JOIN LATERAL (
           SELECT {_columns(MESSAGE, "m")}
             FROM conversations_message m
            WHERE m.user_id = $1 AND m.conversation_id = $3 AND m.deleted_at IS NULL AND NOT m.hidden {after}
            ORDER BY m.created_at {way}, m.id {way} LIMIT $4
           ) AS page ON c.id IS NOT NULL
     WHERE u.id = $1 AND u.is_active
    """


HISTORY = {(way, more): history(descending=way, continued=more) for way in (True, False) for more in (True, False)}


def conversations(*, continued: bool) -> str:
    """$3 how many; after $4 and $5, a conversation's last change and id."""
    after = "AND (c.updated_at, c.id) < ($4::timestamptz, $5::uuid)" if continued else ""
    own = "c.user_id = $1 AND c.deleted_at IS NULL AND NOT c.archived"
    return f"""
    SELECT page.*, counted.total {_LIVE}
     CROSS JOIN LATERAL (SELECT count(*) AS total FROM conversations_conversation c WHERE {own}) AS counted
      LEFT JOIN LATERAL (
           SELECT {_columns(CONVERSATION, "c")} FROM conversations_conversation c WHERE {own} {after}
            ORDER BY c.updated_at DESC, c.id DESC LIMIT $3
           ) AS page ON true
     WHERE u.id = $1 AND u.is_active
    """


LIST = {more: conversations(continued=more) for more in (True, False)}

_SHOWN = ", ".join(
    f"to_char(i.{name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS {name}"
    if name in TIMES
    else _columns((name,), "i")
    for name in MESSAGE
)
_PLACES = ", ".join(f"${place}::{kind}" for place, kind in enumerate(WRITTEN.values(), start=10))

# $3 the conversation, $4 the message, $5 whether it follows the current message, else $6 its parent; $7 the title that
# it makes; $8 the idempotency key or NULL, $9 the request's fingerprint; from $10 what the client wrote.
APPEND = f"""
    WITH live AS (SELECT u.id {_LIVE} WHERE u.id = $1 AND u.is_active),
    target AS (
        SELECT c.id, c.current_message_id, c.last_message_at
          FROM conversations_conversation c JOIN live ON live.id = c.user_id
         WHERE c.user_id = $1 AND c.id = $3 AND c.deleted_at IS NULL FOR NO KEY UPDATE OF c
    ),
    moment AS MATERIALIZED (
        SELECT t.id, CASE WHEN $5::boolean THEN t.current_message_id ELSE $6::uuid END AS parent_id,
               greatest(clock_timestamp(), t.last_message_at + interval '1 microsecond') AS at
          FROM target t
    ),
    inserted AS (
        INSERT INTO conversations_message
               (user_id, conversation_id, id, parent_id, created_at, updated_at, {", ".join(WRITTEN)})
        SELECT $1, moment.id, $4, moment.parent_id, moment.at, moment.at, {_PLACES} FROM moment
        RETURNING *
    ),
    touched AS (
        UPDATE conversations_conversation c
           SET message_count = c.message_count + 1, hidden_count = c.hidden_count + i.hidden::int,
               linear = c.linear AND i.parent_id IS NOT DISTINCT FROM c.current_message_id, current_message_id = i.id,
               title = CASE WHEN c.title = '' THEN $7::text ELSE c.title END,
               title_is_generated = c.title_is_generated OR (c.title = '' AND $7::text <> ''),
               last_message_at = i.created_at, updated_at = i.created_at, version = c.version + 1
          FROM inserted i WHERE c.user_id = $1 AND c.id = i.conversation_id
    ),
    counter AS (
        INSERT INTO conversations_changecounter AS k (user_id, value) SELECT $1, 2 FROM inserted
            ON CONFLICT (user_id) DO UPDATE SET value = k.value + 2
        RETURNING k.value
    ),
    recorded AS (
        INSERT INTO conversations_change (user_id, id, kind, object_id, conversation_id, op)
        SELECT $1, counter.value - 1, 'message', $4, $3, 'upsert' FROM counter
         UNION ALL
        SELECT $1, counter.value, 'conversation', $3, $3, 'upsert' FROM counter
    ),
    answer AS (
        SELECT (SELECT row_to_json(shown)::text FROM (SELECT {_SHOWN}) AS shown) AS body, i.version FROM inserted i
    ),
    kept AS (
        INSERT INTO conversations_idempotencykey (user_id, id, fingerprint, status, body, conversation_id)
        SELECT $1, $8::uuid, $9, 201, answer.body, $3 FROM counter, answer WHERE $8::uuid IS NOT NULL
    )
    SELECT answer.body, answer.version FROM live LEFT JOIN answer ON true
"""

KEPT = "SELECT status, body, fingerprint FROM conversations_idempotencykey WHERE user_id = $1 AND id = $2"
OWNERS = "SELECT user_id FROM conversations_conversation WHERE id = $1"
