"""Threads of a web front end: {title, messages: [{role, content}], id?, created_at?, updated_at?, …}.

One, an array or a line each, or {threads: […]}. The messages are OpenAI's; what they have of ids and times is taken.
"""

from collections.abc import Iterable, Iterator

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.blocks import chained, message_objects
from conversations.interchange.readers.conversation_facts import distinct_texts, span
from conversations.interchange.readers.openai import is_message
from conversations.interchange.readers.openai_message import message_records
from conversations.interchange.readers.unusable import UnusableError, check_ids, not_an_object, short_id
from conversations.interchange.records import ConversationRecord, Json, Trouble
from conversations.interchange.shapes import as_dict, as_list, plain_facts, text_or_none
from conversations.interchange.times import parse_time

NAME = "threads"

_MAPPED = {"id", "title", "model", "messages", "created_at", "createdAt", "updated_at", "updatedAt", "tags"} | {
    *("starred", "archived", "metadata")
}
_TELLING = ("title", "created_at", "createdAt", "updated_at", "updatedAt")
_OTHERS = ("conversationId", "endpoint", "uuid", "chatstore", "mapping", "history", "create_time")


def recognises(sample: Json) -> bool:
    match sample:
        case {"threads": [*threads]}:
            return any(_is_thread(thread) for thread in threads)
    return _is_thread(sample)


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record or one Trouble a thread.

    Troubles: no_messages (skipped); not_an_object, messages_not_a_list, message_not_an_object, external_id_too_long
    (failed).
    """
    for index, item in enumerate(items):
        for pointer, thread in _threads(item):
            try:
                if not isinstance(thread, dict):
                    raise not_an_object()
                yield _conversation(thread)
            except UnusableError as fault:
                fault.pointer = pointer + fault.pointer
                yield fault.trouble(index, short_id(as_dict(thread).get("id")))


def _is_thread(item: Json) -> bool:
    match item:
        case {"messages": list(messages)}:
            keys = as_dict(item).keys()
            told = not keys.isdisjoint(_TELLING) and keys.isdisjoint(_OTHERS)
            return told and all(is_message(as_dict(message)) for message in messages[:1])
    return False


def _threads(item: Json) -> Iterator[tuple[str, Json]]:
    match item:
        case {"threads": list(threads)}:
            for place, thread in enumerate(threads):
                yield f"/threads/{place}", thread
        case _:
            yield "", item


def _conversation(item: dict[str, Json]) -> ConversationRecord:
    check_ids(item.get("id"))
    messages = chained(message_records(message_objects(item, "messages")))
    earliest, latest = span(messages)
    created = parse_time(item.get("created_at")) or parse_time(item.get("createdAt"))
    updated = parse_time(item.get("updated_at")) or parse_time(item.get("updatedAt"))
    return ConversationRecord(
        source=NAME,
        external_id=short_id(item.get("id")),
        title=text_or_none(item.get("title")),
        created_at=created or earliest,
        updated_at=updated or latest or created,
        model=text_or_none(item.get("model")) or next((said.model for said in reversed(messages) if said.model), ""),
        metadata=as_dict(item.get("metadata")) | plain_facts(item, without=_MAPPED),
        tags=distinct_texts(as_list(item.get("tags"))),
        starred=item.get("starred") is True,
        archived=item.get("archived") is True,
        current_external_id=messages[-1].external_id,
        messages=messages,
        raw={key: value for key, value in item.items() if key != "messages"},
    )
