"""LibreChat's export: one conversation, its messages nested, flat with branches, or one branch alone.

{conversationId, endpoint, title, exportAt, branches, recursive, options: {model, promptPrefix, …}, messages}, of older
versions `messagesTree`. A message: {messageId, parentMessageId, createdAt, isCreatedByUser, sender, text, content,
model, children, …}; the first's parent is null, or an id of zeros. `exportAt` is a time of day without a date, and no
current message is named: it is the newest leaf.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.conversation_facts import distinct_texts, model_in_use, span
from conversations.interchange.readers.librechat_message import message_record
from conversations.interchange.readers.unusable import (
    Found,
    UnusableError,
    check_ids,
    each_read,
    no_messages,
    short_id,
)
from conversations.interchange.records import ConversationRecord, Json
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import current_leaf, distinct, grown

NAME = "librechat"

PLACES = ("messages", "messagesTree")

_MAPPED = {"conversationId", "title", "messages", "messagesTree", "createdAt", "updatedAt", "tags", "isArchived"}
_STRUCTURES = {"options"}


class _Entry(NamedTuple):
    """A message without its children, and the place of the message that it is nested in."""

    message: dict[str, Json]
    nested_in: int | None


def recognises(sample: Json) -> bool:
    match sample:
        case {"conversationId": _, "messages": [{"messageId": _}, *_]}:
            return True
        case {"conversationId": _, "messagesTree": list()}:
            return True
        case {"conversationId": _, "messages": list(), **rest}:
            return not rest.keys().isdisjoint(("exportAt", "recursive", "branches", "endpoint"))
    return False


def read(items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE) -> Iterator[Found]:
    """One record or one Trouble an item.

    Troubles: no_messages (skipped), not_an_object, messages_not_a_list, external_id_too_long (failed).
    """
    return each_read(items, lambda index, item: _conversation(item), lambda item: item.get("conversationId"))


def _conversation(item: dict[str, Json]) -> ConversationRecord:
    check_ids(item.get("conversationId"))
    place = next((place for place in PLACES if item.get(place)), PLACES[0])
    entries, others = _entries(item, place)
    names = _names(entries, pointer=f"/{place}")
    tree = grown(_parents(entries, names), bearing=set(names))
    options = as_dict(item.get("options"))
    model = first_text(options, "model") or first_text(item, "model")
    by_name = dict(zip(names, entries, strict=True))
    messages = {
        key: message_record(key, by_name[key].message, parent=tree.anchors[key], default_model=model)
        for key in tree.order
    }
    current = current_leaf(tree, declared=None, times={key: said.created_at for key, said in messages.items()})
    earliest, latest = span(messages.values())
    return ConversationRecord(
        source=NAME,
        external_id=short_id(item.get("conversationId")),
        title=text_or_none(item.get("title")),
        created_at=parse_time(item.get("createdAt")) or earliest,
        updated_at=parse_time(item.get("updatedAt")) or latest,
        model=model or model_in_use(messages, current),
        metadata=_facts(item, options),
        tags=distinct_texts(as_list(item.get("tags"))),
        archived=item.get("isArchived") is True,
        current_external_id=current,
        messages=tuple(messages.values()),
        raw={**item, place: others},
    )


def _entries(item: dict[str, Json], place: str) -> tuple[list[_Entry], list[Json]]:
    """All messages, each after the one that it is nested in, and what stands among them; nesting can be any depth."""
    listed = item.get(place)
    if listed is not None and not isinstance(listed, list):
        raise UnusableError("failed", "messages_not_a_list", "The messages are not a JSON array.", f"/{place}")
    entries: list[_Entry] = []
    others: list[Json] = [entry for entry in as_list(listed) if not isinstance(entry, dict)]
    waiting: list[tuple[Json, int | None]] = [(entry, None) for entry in reversed(as_list(listed))]
    while waiting:
        message, nested_in = waiting.pop()
        if not isinstance(message, dict):
            continue
        nested = as_list(message.get("children"))
        waiting.extend((child, len(entries)) for child in reversed(nested))
        entries.append(_Entry(_without_children(message), nested_in))
    if not entries:
        raise no_messages()
    return entries, others


def _without_children(message: dict[str, Json]) -> dict[str, Json]:
    """The message alone. That it had a list for children stays visible, and so does what in it is no message."""
    if not isinstance(message.get("children"), list):
        return message
    return {
        **message,
        "children": [child for child in as_list(message["children"]) if not isinstance(child, dict)],
    }


def _names(entries: list[_Entry], *, pointer: str) -> list[str]:
    own = [first_text(entry.message, "messageId") for entry in entries]
    check_ids(*own, pointer=pointer)
    return distinct([name or f"message-{number}" for number, name in enumerate(own)])


def _parents(entries: list[_Entry], names: list[str]) -> dict[str, str | None]:
    """Nesting wins; then the link. Without a single link a list is one branch, in order."""
    linked = any("parentMessageId" in entry.message or entry.nested_in is not None for entry in entries)
    parents: dict[str, str | None] = {}
    for number, (entry, name) in enumerate(zip(entries, names, strict=True)):
        if entry.nested_in is not None:
            parents[name] = names[entry.nested_in]
        elif linked:
            parents[name] = text_or_none(entry.message.get("parentMessageId"))
        else:
            parents[name] = names[number - 1] if number else None
    return parents


def _facts(item: dict[str, Json], options: dict[str, Json]) -> dict[str, Json]:
    prompt = first_text(options, "promptPrefix", "system", "instructions")
    facts = plain_facts(item, structures=_STRUCTURES, without=_MAPPED)
    return facts | ({"system_prompt": prompt} if prompt else {})
