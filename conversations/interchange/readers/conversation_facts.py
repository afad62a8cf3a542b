"""What a conversation's record takes from its messages, whatever the vendor."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from conversations.interchange.records import Json, MessageRecord

LARGEST_COUNT = 2**31 - 1  # PostgreSQL's integer
LARGEST_SIZE = 2**63 - 1  # and its bigint


def model_in_use(messages: Mapping[str, MessageRecord], leaf: str | None) -> str:
    """The model that answered last on the active branch; "" where no message names one."""
    while leaf is not None:
        if messages[leaf].model:
            return messages[leaf].model
        leaf = messages[leaf].parent_external_id
    return ""


def span(messages: Iterable[MessageRecord]) -> tuple[datetime | None, datetime | None]:
    """The first and the last time any message names."""
    known = [message.created_at for message in messages if message.created_at is not None]
    return min(known, default=None), max(known, default=None)


def count_or_none(value: Json, *, largest: int = LARGEST_COUNT) -> int | None:
    """A number of tokens or bytes; None for what cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
        return None
    return value


def distinct_texts(values: Iterable[Json]) -> tuple[str, ...]:
    """The texts among the values, each once, in order."""
    return tuple(dict.fromkeys(value for value in values if isinstance(value, str) and value))
