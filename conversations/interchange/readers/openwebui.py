"""Open WebUI's export: an array of ChatResponse, or one chat as its download gives it.

ChatResponse: {id, user_id, title, chat, created_at, updated_at, archived, pinned, meta: {tags}, folder_id,
current_message_id}, times in seconds. `chat`: {title, models, params: {system}, history: {messages: {id: message},
currentId}, messages, tags, timestamp in milliseconds}, where `messages` copies the active branch; in the oldest chats
it is all there is. A message's `parentId` alone makes the tree: `childrenIds` of answers are often empty.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.conversation_facts import distinct_texts, model_in_use, span
from conversations.interchange.readers.openwebui_message import message_record
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

NAME = "openwebui"

_MAPPED = {
    *("id", "title", "chat", "created_at", "updated_at", "archived", "pinned", "meta", "current_message_id"),
    *("history", "messages", "tags", "timestamp"),
}
_STRUCTURES = {"params", "models", "files", "variables", "tasks", "summary"}

Entries = Mapping[str, Json]


class _Place(NamedTuple):
    """Where the messages were found: those that say something, the links of all, and the chat without them."""

    messages: dict[str, dict[str, Json]]
    parents: dict[str, str | None]
    rest: dict[str, Json]
    from_list: bool = False


def recognises(sample: Json) -> bool:
    match sample:
        case {"chat": {"history": dict()} | {"messages": list()}}:
            return True
        case {"chat": dict(), "user_id": _}:
            return True
        case {"history": {"messages": dict() | list()}}:
            return True
    return False


def read(items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE) -> Iterator[Found]:
    """One record or one Trouble an item.

    Entries of the history that say nothing (a provider's error in place of a message) stay in the conversation's raw;
    metadata.damaged_entries counts them, and metadata.legacy_list tells of a chat that has only the list.
    Troubles: no_messages (skipped), not_an_object, chat_not_an_object, external_id_too_long (failed).
    """
    return each_read(items, lambda index, item: _conversation(item), lambda item: item.get("id"))


def _conversation(item: dict[str, Json]) -> ConversationRecord:
    check_ids(item.get("id"))
    chat = item.get("chat", item)
    if not isinstance(chat, dict):
        raise UnusableError("failed", "chat_not_an_object", "The chat is not a JSON object.", "/chat")
    place = _place(chat, pointer="/chat" if "chat" in item else "")
    models = distinct_texts(as_list(chat.get("models")))
    tree = grown(place.parents, bearing=place.messages, children=_children(place.messages))
    messages = {
        key: message_record(key, place.messages[key], parent=tree.anchors[key], models=models) for key in tree.order
    }
    times = {key: message.created_at for key, message in messages.items()}
    current = current_leaf(tree, declared=_declared(item, chat, messages), times=times)
    earliest, latest = span(messages.values())
    created = parse_time(item.get("created_at")) or parse_time(chat.get("timestamp"))
    updated = parse_time(item.get("updated_at"))
    tags = (*as_list(as_dict(item.get("meta")).get("tags")), *as_list(chat.get("tags")))
    return ConversationRecord(
        source=NAME,
        external_id=short_id(item.get("id")),
        title=text_or_none(item.get("title")) or text_or_none(chat.get("title")),
        created_at=created or updated or earliest,
        updated_at=updated or latest or created,
        model=model_in_use(messages, current) or (models[0] if models else ""),
        metadata=_facts(item, chat, place),
        tags=distinct_texts(tags),
        starred=item.get("pinned") is True,
        archived=item.get("archived") is True,
        current_external_id=current,
        messages=tuple(messages.values()),
        raw={**item, "chat": place.rest} if "chat" in item else place.rest,
    )


def _place(chat: dict[str, Json], *, pointer: str) -> _Place:
    history = as_dict(chat.get("history"))
    entries = _entries(history.get("messages"))
    messages = {key: entry for key, entry in entries.items() if isinstance(entry, dict) and _says_something(entry)}
    if not messages:
        return _from_list(chat, pointer=pointer)
    check_ids(*messages, pointer=f"{pointer}/history/messages")
    rest: dict[str, Json] = {
        **chat,
        "history": {**history, "messages": {key: entry for key, entry in entries.items() if key not in messages}},
    }
    if isinstance(copies := chat.get("messages"), list):
        rest["messages"] = [copy for copy in copies if not _is_copy(copy, messages)]
    parents = {key: _link(as_dict(entry).get("parentId")) for key, entry in entries.items()}
    return _Place(messages, parents, rest)


def _entries(value: Json) -> dict[str, Json]:
    """The history by key: the object it is, without an empty key, or the list that some tools write."""
    if isinstance(value, list):
        ids = distinct([first_text(as_dict(entry), "id") or f"message-{number}" for number, entry in enumerate(value)])
        return dict(zip(ids, value, strict=True))
    entries = as_dict(value)
    return dict(zip(distinct(list(entries)), entries.values(), strict=True))


def _from_list(chat: dict[str, Json], *, pointer: str) -> _Place:
    """The oldest chats: a list, often without ids, each answering the one before."""
    listed = as_list(chat.get("messages"))
    said = [entry for entry in listed if isinstance(entry, dict) and _says_something(entry)]
    if not said:
        raise no_messages()
    ids = distinct([first_text(entry, "id") or f"message-{number}" for number, entry in enumerate(said)])
    check_ids(*ids, pointer=f"{pointer}/messages")
    parents: dict[str, str | None] = dict(zip(ids, [None, *ids[:-1]], strict=True))
    if any(isinstance(entry.get("parentId"), str) for entry in said):
        parents = {key: _link(entry.get("parentId")) for key, entry in zip(ids, said, strict=True)}
    rest = {
        **chat,
        "messages": [entry for entry in listed if not isinstance(entry, dict) or not _says_something(entry)],
    }
    return _Place(dict(zip(ids, said, strict=True)), parents, rest, from_list=True)


def _says_something(entry: dict[str, Json]) -> bool:
    return isinstance(entry.get("role"), str) or entry.get("content") not in (None, "", [])


def _is_copy(entry: Json, messages: Mapping[str, dict[str, Json]]) -> bool:
    """Whether an entry of the list says nothing that the history does not say."""
    original = messages.get(first_text(as_dict(entry), "id"))
    return original is not None and all(original.get(key) == value for key, value in as_dict(entry).items())


def _children(messages: Mapping[str, dict[str, Json]]) -> dict[str, list[str]]:
    return {
        key: [child for child in as_list(entry.get("childrenIds")) if isinstance(child, str)]
        for key, entry in messages.items()
    }


def _link(value: Json) -> str | None:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_or_none(value)


def _declared(item: dict[str, Json], chat: dict[str, Json], messages: Mapping[str, object]) -> str | None:
    """The end of the branch in view, where the chat names one: it may name a damaged entry, or nothing that exists."""
    named = _link(as_dict(chat.get("history")).get("currentId"))
    return next((key for key in (named, _link(item.get("current_message_id"))) if key in messages), named)


def _facts(item: dict[str, Json], chat: dict[str, Json], place: _Place) -> dict[str, Json]:
    own: dict[str, Json] = {
        "system_prompt": first_text(as_dict(chat.get("params")), "system") or first_text(chat, "system"),
        "damaged_entries": len(place.parents) - len(place.messages) or None,
        "legacy_list": place.from_list or None,
    }
    return {
        **plain_facts(chat, structures=_STRUCTURES, without=_MAPPED),
        **plain_facts(item, structures=_STRUCTURES, without=_MAPPED),
        **{key: value for key, value in own.items() if value not in (None, "")},
    }
