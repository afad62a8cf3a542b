"""The columns of the contract, once: as raw rows for rendering, and as JSON text for answers that are kept."""

from typing import NamedTuple


class Columns(NamedTuple):
    """The columns of one kind of row, in the order of the contract."""

    plain: tuple[str, ...]
    times: tuple[str, ...]
    decimals: tuple[str, ...] = ()  # as text, exact, without padding

    def select(self, alias: str) -> str:
        """`alias.column, …`: the hot reads turn values into text on the way in (chatstore/sql.py)."""
        exact = [f"trim_scale({alias}.{name}) AS {name}" for name in self.decimals]
        return ", ".join([*(f"{alias}.{name}" for name in (*self.plain, *self.times)), *exact])

    def as_json(self, alias: str) -> str:
        """The same row as one `json` value, equal to what the API renders."""
        return f"(SELECT row_to_json(shown) FROM (SELECT {self.rendered(alias)}) AS shown)"

    def rendered(self, alias: str) -> str:
        """`alias.column, …` in a form that a row to JSON leaves as the API renders it.

        PostgreSQL's own form of times and numbers is another: they are spelled out.
        """
        fields = [f"{alias}.{name}" for name in self.plain]
        fields += [f"trim_scale({alias}.{name})::text AS {name}" for name in self.decimals]
        fields += [
            f"to_char({alias}.{name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS {name}"
            for name in self.times
        ]
        return ", ".join(fields)


def message_probe(message_id: str, alias: str = "m") -> str:
    """`LATERAL (…) AS m`: the message of this conversation that has the id, looked up by its key.

    OFFSET 0 keeps it a look-up. Joined freely, what suits a conversation of average length becomes everybody's prepared
    plan: to read the whole conversation, and in a walk at every step (1,000,000 rows for a branch of 1,000 messages).
    """
    return f"""LATERAL (
            SELECT m.* FROM conversations_message m
             WHERE m.user_id = %(user)s AND m.conversation_id = %(conversation)s AND m.id = {message_id} OFFSET 0
          ) AS {alias}"""


CONVERSATION = Columns(
    plain=(
        "id",
        "title",
        "title_is_generated",
        "model",
        "metadata",
        "tags",
        "starred",
        "archived",
        "message_count",
        "current_message_id",
        "source",
        "external_id",
    ),
    times=("created_at", "updated_at", "last_message_at", "deleted_at"),
)
MESSAGE = Columns(
    plain=(
        "id",
        "conversation_id",
        "parent_id",
        "role",
        "content",
        "parts",
        "status",
        "model",
        "tool_calls",
        "tool_results",
        "sources",
        "selected_text",
        "metadata",
        "language",
        "tokens_in",
        "tokens_out",
        "tokens_used",
        "response_cached",
        "response_time_ms",
        "hidden",
    ),
    times=("created_at", "updated_at", "deleted_at"),
    decimals=("cost_cents",),
)
ATTACHMENT = Columns(
    plain=(
        "id",
        "conversation_id",
        "message_id",
        "external_id",
        "name",
        "media_type",
        "size",
        "sha256",
        "missing",
        "text",
    ),
    times=("created_at",),
)
DOCUMENT = Columns(
    plain=("id", "source", "kind", "external_id", "title", "raw"),
    times=("created_at", "updated_at"),
)
