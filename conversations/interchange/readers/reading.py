"""What readers of one conversation an item have in common: identities, and Troubles instead of exceptions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from conversations.interchange.records import MAX_EXTERNAL_ID, ConversationRecord, Json, Trouble
from conversations.interchange.shapes import text_or_none
from conversations.interchange.tree import distinct


@dataclass
class UnusableError(Exception):
    """A conversation that gives no record; `pointer` is relative to its item."""

    outcome: Literal["failed", "skipped"]
    reason: str
    detail: str
    pointer: str = ""
    external_id: str | None = None

    def trouble(self, index: int) -> Trouble:
        return Trouble(
            index=index,
            external_id=self.external_id,
            outcome=self.outcome,
            reason=self.reason,
            detail=self.detail,
            pointer=self.pointer,
        )


def read_each(
    items: Iterable[Json], conversation: Callable[[dict[str, Json]], ConversationRecord]
) -> Iterator[ConversationRecord | Trouble]:
    """One record or one Trouble an item; `conversation` raises UnusableError."""
    for index, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                raise UnusableError("failed", "not_an_object", "The item is not a JSON object.")
            yield conversation(item)
        except UnusableError as fault:
            yield fault.trouble(index)


def identity(value: Json) -> str | None:
    """An id as text; None without one. Raises UnusableError for one that no database could index."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    if len(str(value)) > MAX_EXTERNAL_ID:
        raise UnusableError("failed", "external_id_too_long", f"An id exceeds {MAX_EXTERNAL_ID} characters.")
    return str(value)


def message_names(ids: Sequence[str]) -> list[str]:
    """The ids of one conversation's messages, made unique. Raises UnusableError for one that is too long."""
    if any(len(name) > MAX_EXTERNAL_ID for name in ids):
        detail = f"A message's id exceeds {MAX_EXTERNAL_ID} characters."
        raise UnusableError("failed", "external_id_too_long", detail)
    return distinct(ids)


def members(item: dict[str, Json], key: str) -> list[dict[str, Json]]:
    """The objects in a list of the item. Raises UnusableError where it is none: nothing is passed over."""
    found = item.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise UnusableError("failed", f"{key.lower()}_not_a_list", f"{key} is not a JSON array.", f"/{key}")
    for position, member in enumerate(found):
        if not isinstance(member, dict):
            detail = f"A member of {key} is not a JSON object."
            raise UnusableError("failed", "not_an_object", detail, f"/{key}/{position}")
    return found  # type: ignore[return-value] # each is an object, as was just seen


def no_messages(external_id: str | None = None) -> UnusableError:
    return UnusableError("skipped", "no_messages", "The conversation holds no messages.", external_id=external_id)


def reasoning(text: Json) -> tuple[Json, ...]:
    """What a model thought before it answered, as a part; () where it did not, or the source does not say."""
    said = text_or_none(text)
    return ({"type": "reasoning", "text": said},) if said else ()


def webpage(page: dict[str, Json], **place: Json) -> Json:
    """A page of the web as a source, under the names that records use."""
    named: dict[str, Json] = {
        "title": page.get("title") or page.get("name") or page.get("site_name"),
        "url": page.get("url") or page.get("uri"),
        "snippet": page.get("snippet") or page.get("preview"),
    }
    return {"type": "webpage", **{key: value for key, value in {**named, **place}.items() if value not in (None, "")}}
