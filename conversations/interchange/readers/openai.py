"""OpenAI's chat messages: a conversation an object or a line, {messages: […], tools?, …}, or one bare array.

The format of fine-tuning files, of LLaMA-Factory's (their blocks have `value` for `text`) and of many a script's dump.
Neither conversations nor messages have ids or times; where a dump has some, they are taken.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.blocks import chained, message_objects
from conversations.interchange.readers.conversation_facts import span
from conversations.interchange.readers.openai_message import ROLES, message_records
from conversations.interchange.readers.unusable import UnusableError, each_read, not_an_object, short_id
from conversations.interchange.records import ConversationRecord, DocumentRecord, Json, MessageRecord, Trouble
from conversations.interchange.shapes import as_dict, plain_facts, text_or_none

NAME = "openai"

_MAPPED = {"id", "messages", "model"}


def recognises(sample: Json) -> bool:
    match sample:
        case {"messages": [*_, dict(message)]}:
            return is_message(as_dict(message))
        case {"role": _}:
            return is_message(as_dict(sample))
    return False


def is_message(message: dict[str, Json]) -> bool:
    """Whether an object is a message, and not one of the vendors' that have a role as well."""
    if not isinstance(message.get("role"), str) or any(key in message for key in ("parts", "contentChunks")):
        return False
    return any(key in message for key in ("content", "tool_calls", "function_call"))


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | DocumentRecord | Trouble]:
    """One record or one Trouble an item; bare messages are one record together.

    Troubles: no_messages (skipped); not_an_object, messages_not_a_list, message_not_an_object, external_id_too_long
    (failed).
    """
    remaining = iter(items)
    for first in remaining:
        if isinstance(first, dict) and "messages" not in first and first.get("role") in ROLES:
            yield from _bare(chain([first], remaining))
        else:
            yield from each_read(chain([first], remaining), lambda _, item: _conversation(item), _identity)


def _bare(items: Iterable[Json]) -> Iterator[ConversationRecord | Trouble]:
    messages: list[dict[str, Json]] = []
    for index, item in enumerate(items):
        if isinstance(item, dict):
            messages.append(item)
        else:
            yield not_an_object().trouble(index, None)
    try:
        yield _record({}, chained(message_records(messages)))
    except UnusableError as fault:
        yield fault.trouble(0, None)


def _conversation(item: dict[str, Json]) -> ConversationRecord:
    return _record(item, chained(message_records(message_objects(item, "messages"))))


def _record(item: dict[str, Json], messages: tuple[MessageRecord, ...]) -> ConversationRecord:
    earliest, latest = span(messages)
    return ConversationRecord(
        source=NAME,
        external_id=short_id(item.get("id")),
        created_at=earliest,
        updated_at=latest,
        model=text_or_none(item.get("model")) or next((said.model for said in reversed(messages) if said.model), ""),
        metadata=plain_facts(item, without=_MAPPED),
        current_external_id=messages[-1].external_id,
        messages=messages,
        raw={key: value for key, value in item.items() if key != "messages"},
    )


def _identity(item: dict[str, Json]) -> Json:
    return as_dict(item).get("id")
