"""UI messages of Vercel's AI SDK: {id, role, parts: […], metadata?} since v5, {id, role, content, createdAt} in v4.

All items are one conversation; so are the messages of {id, messages: […]}, as apps keep a chat. A tool's call and its
result are one part ("tool-<name>" or "dynamic-tool"), and so calls and results stand on one message.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.aisdk_message import message_record
from conversations.interchange.readers.blocks import chained, message_objects
from conversations.interchange.readers.conversation_facts import span
from conversations.interchange.readers.unusable import (
    Found,
    UnusableError,
    check_ids,
    each_read,
    not_an_object,
    short_id,
)
from conversations.interchange.records import ConversationRecord, Json, Trouble
from conversations.interchange.shapes import as_dict, plain_facts, text_or_none
from conversations.interchange.times import parse_time

NAME = "ai-sdk"

_OF_VERSION_4 = {"createdAt", "toolInvocations", "experimental_attachments"}
_MAPPED = {"id", "title", "messages", "createdAt", "updatedAt"}


def recognises(sample: Json) -> bool:
    match sample:
        case {"messages": [first, *_]}:
            return _is_message(first)
    return _is_message(sample)


def _is_message(item: Json) -> bool:
    match item:
        case {"role": str(), "parts": [{"type": str()}, *_]}:
            return True
        case {"role": str(), "parts": [], "id": _}:
            return True
        case {"id": str(), "role": str(), "content": str()}:
            keys = as_dict(item).keys()
            return "contentChunks" not in keys and not keys.isdisjoint(_OF_VERSION_4)
    return False


def read(items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE) -> Iterator[Found]:
    """One record of all messages, or one an item where each item is a chat.

    Troubles: no_messages (skipped); not_an_object, messages_not_a_list, message_not_an_object, external_id_too_long
    (failed).
    """
    remaining = iter(items)
    for first in remaining:
        together = chain([first], remaining)
        if isinstance(first, dict) and "messages" in first:
            yield from each_read(together, lambda _, item: _conversation(item), lambda item: item.get("id"))
        else:
            yield from _bare(together)


def _bare(items: Iterable[Json]) -> Iterator[ConversationRecord | Trouble]:
    messages: list[dict[str, Json]] = []
    for index, item in enumerate(items):
        if isinstance(item, dict):
            messages.append(item)
        else:
            yield not_an_object().trouble(index, None)
    try:
        yield _record({}, messages)
    except UnusableError as fault:
        yield fault.trouble(0, None)


def _conversation(item: dict[str, Json]) -> ConversationRecord:
    check_ids(item.get("id"))
    return _record(item, message_objects(item, "messages"))


def _record(item: dict[str, Json], listed: list[dict[str, Json]]) -> ConversationRecord:
    messages = chained(message_record(str(position), message) for position, message in enumerate(listed))
    earliest, latest = span(messages)
    created = parse_time(item.get("createdAt"))
    return ConversationRecord(
        source=NAME,
        external_id=short_id(item.get("id")),
        title=text_or_none(item.get("title")),
        created_at=created or earliest,
        updated_at=parse_time(item.get("updatedAt")) or latest or created,
        model=next((message.model for message in reversed(messages) if message.model), ""),
        metadata=plain_facts(as_dict(item), without=_MAPPED),
        current_external_id=messages[-1].external_id,
        messages=messages,
        raw={key: value for key, value in item.items() if key != "messages"},
    )
