"""Items that give no record: raised where it is found out, reported where the items are read."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from conversations.interchange.records import MAX_EXTERNAL_ID, ConversationRecord, DocumentRecord, Json, Trouble

Found = ConversationRecord | DocumentRecord | Trouble


@dataclass
class UnusableError(Exception):
    """An item, or the part of it at `pointer`, that gives no record."""

    outcome: Literal["failed", "skipped"]
    reason: str
    detail: str
    pointer: str = ""

    def trouble(self, index: int, external_id: str | None) -> Trouble:
        return Trouble(
            index=index,
            external_id=external_id,
            outcome=self.outcome,
            reason=self.reason,
            detail=self.detail,
            pointer=self.pointer,
        )


def no_messages(pointer: str = "") -> UnusableError:
    return UnusableError("skipped", "no_messages", "The conversation holds no messages.", pointer)


def not_an_object(pointer: str = "") -> UnusableError:
    return UnusableError("failed", "not_an_object", "The item is not a JSON object.", pointer)


def each_read(
    items: Iterable[Json], one: Callable[[int, dict[str, Json]], Found], identity: Callable[[dict[str, Json]], Json]
) -> Iterator[Found]:
    """What `one(index, item)` gives for each item, or the Trouble it met, under the id that `identity` finds there."""
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            yield not_an_object().trouble(index, None)
            continue
        try:
            yield one(index, item)
        except UnusableError as fault:
            yield fault.trouble(index, short_id(identity(item)))


def short_id(identity: Json) -> str | None:
    """An id as text; None for none, and for one that no index could hold."""
    match identity:
        case bool():
            return None
        case str() | int() if 0 < len(str(identity)) <= MAX_EXTERNAL_ID:
            return str(identity)
    return None


def check_ids(*identities: Json, pointer: str = "") -> None:
    """Raises UnusableError where an id is longer than an index can hold: cut short, it could be another's."""
    if any(isinstance(identity, str) and len(identity) > MAX_EXTERNAL_ID for identity in identities):
        raise UnusableError("failed", "external_id_too_long", f"An id exceeds {MAX_EXTERNAL_ID} characters.", pointer)
