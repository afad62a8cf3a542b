"""Chainlit's threads: {id, createdAt, name, userId, tags, metadata, steps: […], elements: […]}.

Steps of type user_message, assistant_message and system_message are messages, whose text is their `output`; those of
type tool are a call and its answer. All others (runs, calls of a model) only group these, and stay in the thread's raw.
A step's `parentId` nests runs and is no reply: messages follow each other as the steps do.
"""

from collections.abc import Iterable, Iterator, Mapping

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.blocks import chained, message_objects, url_attachment
from conversations.interchange.readers.conversation_facts import LARGEST_SIZE, count_or_none, distinct_texts, span
from conversations.interchange.readers.openai_message import function_call
from conversations.interchange.readers.unusable import Found, check_ids, each_read, short_id
from conversations.interchange.records import AttachmentRecord, ConversationRecord, Json, MessageRecord, Role
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time

NAME = "chainlit"

_ROLES: Mapping[Json, Role] = {
    "user_message": "user",
    "assistant_message": "assistant",
    "system_message": "system",
    "tool": "tool",
}
_MAPPED = {"id", "threadId", "parentId", "type", "input", "output", "createdAt", "start", "end", "streaming", "isError"}


def recognises(sample: Json) -> bool:
    match sample:
        case {"id": _, "steps": list(steps)}:
            typed = (as_dict(step) for step in steps)
            return any(key in as_dict(sample) for key in ("createdAt", "userIdentifier", "elements")) and all(
                "type" in step and ("output" in step or "threadId" in step) for step in typed
            )
    return False


def read(items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE) -> Iterator[Found]:
    """One record or one Trouble a thread.

    Troubles: no_messages (skipped); not_an_object, steps_not_a_list, message_not_an_object, external_id_too_long
    (failed).
    """
    return each_read(items, lambda _, item: _conversation(item), lambda item: item.get("id"))


def _conversation(item: dict[str, Json]) -> ConversationRecord:
    check_ids(item.get("id"))
    steps = message_objects(item, "steps")
    files = _files(item)
    messages = chained(
        _message(str(position), step, files) for position, step in enumerate(steps) if step.get("type") in _ROLES
    )
    earliest, latest = span(messages)
    created = parse_time(item.get("createdAt"))
    return ConversationRecord(
        source=NAME,
        external_id=short_id(item.get("id")),
        title=text_or_none(item.get("name")),
        created_at=created or earliest,
        updated_at=latest or created,
        metadata=plain_facts(item, structures={"metadata"}, without={"id", "name", "createdAt", "tags"}),
        tags=distinct_texts(as_list(item.get("tags"))),
        current_external_id=messages[-1].external_id,
        messages=messages,
        raw={**item, "steps": [step for step in steps if step.get("type") not in _ROLES]},
    )


def _message(position: str, step: dict[str, Json], files: Mapping[str, list[AttachmentRecord]]) -> MessageRecord:
    name = text_or_none(step.get("id")) or position
    role = _ROLES[step.get("type")]
    generation = as_dict(step.get("generation"))
    tool = first_text(step, "name")
    return MessageRecord(
        external_id=name,
        role=role,
        content=first_text(step, "output"),
        status="failed"
        if step.get("isError") is True
        else "interrupted"
        if step.get("streaming") is True
        else "complete",
        model=first_text(generation, "model"),
        created_at=parse_time(step.get("createdAt")) or parse_time(step.get("start")),
        updated_at=parse_time(step.get("end")),
        tool_calls=[function_call(name, tool, step.get("input") or "")] if role == "tool" else None,
        tool_results=[{"tool_call_id": name, "name": tool}] if role == "tool" else None,
        metadata=plain_facts(step, structures={"metadata", "feedback", "tags"}, without=_MAPPED),
        attachments=tuple(files.get(name, ())),
        raw=step,
    )


def _files(item: dict[str, Json]) -> dict[str, list[AttachmentRecord]]:
    """The elements by the step they belong to; the export holds their addresses, and no bytes."""
    found: dict[str, list[AttachmentRecord]] = {}
    for place, element in enumerate(map(as_dict, as_list(item.get("elements")))):
        file = url_attachment(str(place), first_text(element, "url"))
        found.setdefault(first_text(element, "forId"), []).append(
            AttachmentRecord(
                external_id=short_id(element.get("id")) or str(place),
                name=first_text(element, "name"),
                media_type=first_text(element, "mime"),
                size=count_or_none(element.get("size"), largest=LARGEST_SIZE),
                opened=file.opened if file else None,
                raw=element,
            )
        )
    return found
