"""Claude's data export: `conversations.json`, and what lies beside it.

A conversation is {uuid, name, summary, created_at, updated_at, account, chat_messages}; captures of the web API add
model, is_starred, settings, project and current_leaf_message_uuid. A message is {uuid, sender, text, content,
created_at, updated_at, attachments, files}, since 2026 with parent_message_uuid. Projects, memories and users are
documents; `design_chats` are conversations (`claude_design`).
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers import claude_design
from conversations.interchange.readers.claude_message import message_record
from conversations.interchange.readers.conversation_facts import model_in_use, span
from conversations.interchange.readers.unusable import (
    Found,
    UnusableError,
    check_ids,
    each_read,
    no_messages,
    short_id,
)
from conversations.interchange.records import ConversationRecord, DocumentRecord, Json, MessageRecord
from conversations.interchange.shapes import first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import current_leaf, distinct, grown

NAME = "claude"

_MAPPED = {
    *("uuid", "name", "title", "created_at", "updated_at", "model", "is_starred", "chat_messages", "messages"),
    "current_leaf_message_uuid",
}
_STRUCTURES = {"account", "project", "settings", "summary"}
_ENTITY_IDS = {"project": "uuid", "memory": "account_uuid", "user": "uuid"}


class _Messages(NamedTuple):
    """The messages in source order under ids of their own, whom each answers, and what stood among them."""

    by_id: dict[str, dict[str, Json]]
    parents: dict[str, str | None]
    others: list[Json]


def recognises(sample: Json) -> bool:
    match sample:
        case {"chat_messages": list() | None}:
            return True
        case dict():
            return _document_kind(sample) is not None or claude_design.recognises(sample)
    return False


def read(items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE) -> Iterator[Found]:
    """One record, document or Trouble an item.

    Troubles: no_messages (skipped: an empty chat), not_an_object, messages_not_a_list, external_id_too_long (failed).
    """
    return each_read(items, _found, lambda item: item.get("uuid"))


def _found(index: int, item: dict[str, Json]) -> Found:
    check_ids(item.get("uuid"), item.get("account_uuid"))
    if "chat_messages" not in item:
        if claude_design.recognises(item):
            return _design_chat(item)
        if (kind := _document_kind(item)) is not None:
            return _document(index, kind, item)
    return _conversation(item)


def _document_kind(item: dict[str, Json]) -> str | None:
    match item:
        case {"account_uuid": _, "conversations_memory": _} | {"account_uuid": _, "project_memories": _}:
            return "memory"
        case {"uuid": _, "full_name": _, "email_address": _}:
            return "user"
        case {"uuid": _, "docs": list()} | {"uuid": _, "prompt_template": _}:
            return "project"
    return None


def _document(index: int, kind: str, item: dict[str, Json]) -> DocumentRecord:
    return DocumentRecord(
        source=NAME,
        kind=kind,
        external_id=short_id(item.get(_ENTITY_IDS[kind])) or f"{kind}-{index}",
        title=first_text(item, "name", "full_name"),
        raw=item,
    )


def _conversation(item: dict[str, Json]) -> ConversationRecord:
    found = _messages(item, "chat_messages")
    model = first_text(item, "model")
    tree = grown(found.parents, bearing=found.by_id)
    messages = {
        key: message_record(key, found.by_id[key], parent=tree.anchors[key], default_model=model) for key in tree.order
    }
    # Without a declared leaf it is the last message that was written, which exports put last.
    declared = text_or_none(item.get("current_leaf_message_uuid"))
    last = declared if declared in messages else next(reversed(found.by_id))
    times = {key: message.created_at for key, message in messages.items()}
    current = current_leaf(tree, declared=last, times=times)
    return _record(item, "chat_messages", messages, current, found.others)


def _design_chat(item: dict[str, Json]) -> ConversationRecord:
    found = _messages(item, "messages")
    messages = {
        key: claude_design.design_message(key, found.by_id[key], parent=parent)
        for key, parent in _chained(list(found.by_id)).items()
    }
    return _record(item, "messages", messages, next(reversed(messages)), found.others, kind="design_chat")


def _record(
    item: dict[str, Json],
    place: str,
    messages: dict[str, MessageRecord],
    current: str | None,
    others: list[Json],
    **facts: Json,
) -> ConversationRecord:
    earliest, latest = span(messages.values())
    created, updated = parse_time(item.get("created_at")), parse_time(item.get("updated_at"))
    return ConversationRecord(
        source=NAME,
        external_id=short_id(item.get("uuid")),
        title=text_or_none(item.get("name")) if "name" in item else text_or_none(item.get("title")),
        created_at=created or updated or earliest,
        updated_at=updated or latest or created,
        model=first_text(item, "model") or model_in_use(messages, current),
        metadata=plain_facts(item, structures=_STRUCTURES, without=_MAPPED) | facts,
        starred=item.get("is_starred") is True,
        archived=item.get("is_archived") is True,
        current_external_id=current,
        messages=tuple(messages.values()),
        raw={**item, place: others},
    )


def _messages(item: dict[str, Json], place: str) -> _Messages:
    listed = item.get(place)
    if listed is None or listed == []:
        raise no_messages()
    if not isinstance(listed, list):
        raise UnusableError("failed", "messages_not_a_list", "The messages are not a JSON array.", f"/{place}")
    messages = [message for message in listed if isinstance(message, dict)]
    if not messages:
        raise no_messages(f"/{place}")
    own = [first_text(message, "uuid") for message in messages]
    check_ids(*own, pointer=f"/{place}")
    ids = distinct([uuid or f"message-{number}" for number, uuid in enumerate(own)])
    return _Messages(
        by_id=dict(zip(ids, messages, strict=True)),
        parents=_parents(ids, messages),
        others=[message for message in listed if not isinstance(message, dict)],
    )


def _parents(ids: list[str], messages: list[dict[str, Json]]) -> dict[str, str | None]:
    """Whom each answers. Exports before 2026 have no links: there it is the message before.

    Beside linked messages, one that lacks the field answers the one before it; one with null, or with the vendor's id
    for the beginning, begins a branch.
    """
    chained = _chained(ids)
    if not any(isinstance(message.get("parent_message_uuid"), str) for message in messages):
        return chained
    return {
        key: text_or_none(message["parent_message_uuid"]) if "parent_message_uuid" in message else chained[key]
        for key, message in zip(ids, messages, strict=True)
    }


def _chained(ids: list[str]) -> dict[str, str | None]:
    return dict(zip(ids, [None, *ids[:-1]], strict=True))
