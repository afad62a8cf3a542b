"""LibreChat's shape: one conversation an object, as its export gives it; of several, an array.

LibreChat imports one object a file. It names no current message, and shows the newest leaf.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from conversations.interchange.readers.librechat import PLACES
from conversations.interchange.readers.librechat_message import message_text
from conversations.interchange.records import AttachmentRecord, ConversationRecord, Json, MessageRecord
from conversations.interchange.shapes import as_dict, as_list, first_text
from conversations.interchange.writers.vendor_json import (
    function_of,
    iso_time,
    json_array,
    json_bytes,
    laid_over,
    raw_of,
    reasoning,
    without_nones,
)

NAME = "librechat"
EXTENSION = "json"
MEDIA_TYPE = "application/json"

# A message nested in another is two levels of JSON, and parsers stop at about 1,000.
MAX_NESTED_MESSAGES = 200

_BEGINNING = "00000000-0000-0000-0000-000000000000"  # the parent of a first message
_SENDERS = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}


def write(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    """One record gives an object, which LibreChat imports; more give an array, and so do none."""
    remaining = iter(records)
    first, second = next(remaining, None), next(remaining, None)
    if first is not None and second is None:
        yield json_bytes(_conversation(first)) + b"\n"
        return
    begun = [record for record in (first, second) if record is not None]
    yield from json_array(map(_conversation, chain(begun, remaining)))


def _conversation(record: ConversationRecord) -> Json:
    raw = raw_of(record, NAME)
    if raw is None:
        return _made(record) | {"messages": [*_messages(record, is_own=False).values()]}
    place = next((place for place in PLACES if place in raw), PLACES[0])
    too_deep = _depth(record) > MAX_NESTED_MESSAGES
    nested = _is_nested(record) and not too_deep
    messages = _messages(record, is_own=True, nested=nested)
    times = {"createdAt": record.created_at, "updatedAt": record.updated_at}
    item = laid_over(raw, times, title=record.title)
    listed = _nested(record, messages) if nested else [*messages.values()]
    if too_deep and raw.get("recursive") is True:
        item |= {"recursive": False, "branches": True}
    return item | {place: [*listed, *as_list(raw.get(place))]}


def _made(record: ConversationRecord) -> dict[str, Json]:
    system = first_text(record.metadata, "system_prompt")
    return {
        "conversationId": record.external_id,
        "title": record.title,
        "branches": True,
        "recursive": False,
        "options": without_nones(model=record.model or None, promptPrefix=system or None),
        **without_nones(
            createdAt=iso_time(record.created_at),
            updatedAt=iso_time(record.updated_at),
            tags=[*record.tags] or None,
            isArchived=record.archived or None,
        ),
    }


def _is_nested(record: ConversationRecord) -> bool:
    """Whether it came nested, which only the messages tell."""
    return any(isinstance(as_dict(message.raw).get("children"), list) for message in record.messages)


def _depth(record: ConversationRecord) -> int:
    depths: dict[str | None, int] = {None: 0}
    for message in record.messages:
        depths[message.external_id] = depths[message.parent_external_id] + 1
    return max(depths.values())


def _nested(record: ConversationRecord, messages: dict[str, dict[str, Json]]) -> list[Json]:
    below: dict[str | None, list[Json]] = {None: []}
    for message in reversed(record.messages):  # children stand after their parent
        raw = messages[message.external_id]
        nested = below.pop(message.external_id, [])[::-1]
        if nested or isinstance(raw.get("children"), list):
            raw = {**raw, "children": [*nested, *as_list(raw.get("children"))]}
        below.setdefault(message.parent_external_id, []).append(raw)
    return below[None][::-1]


def _messages(record: ConversationRecord, *, is_own: bool, nested: bool = False) -> dict[str, dict[str, Json]]:
    raws = {said.external_id: said.raw if is_own and isinstance(said.raw, dict) else None for said in record.messages}
    # Where something was added, the order of a list without links no longer tells who answers whom.
    linked = any(raw is not None and "parentMessageId" in raw for raw in raws.values())
    is_chain = len({said.parent_external_id for said in record.messages}) == len(raws)
    keep = all(raw is not None for raw in raws.values()) and (linked or is_chain or nested)
    return {
        message.external_id: _message(message, raws[message.external_id], record.external_id, keep=keep)
        for message in record.messages
    }


def _message(
    message: MessageRecord, raw: dict[str, Json] | None, conversation: str | None, *, keep: bool
) -> dict[str, Json]:
    if raw is not None:
        links = {} if keep else _links(message) | raw
        edited = {} if message_text(raw) == message.content else _said(message)
        return {**links, **raw, **edited}
    return {
        **_links(message),
        **without_nones(
            conversationId=conversation,
            createdAt=iso_time(message.created_at),
            updatedAt=iso_time(message.updated_at or message.created_at),
        ),
        "isCreatedByUser": message.role == "user",
        "role": message.role,
        "sender": message.model if message.role == "assistant" and message.model else _SENDERS[message.role],
        **_said(message),
        "model": message.model or None,
        "error": message.status == "failed",
        "unfinished": message.status in ("interrupted", "streaming"),
        **without_nones(
            tokenCount=message.tokens_in if message.role == "user" else message.tokens_out,
            hidden=message.hidden or None,
            files=[_file(attached) for attached in message.attachments] or None,
        ),
    }


def _links(message: MessageRecord) -> dict[str, Json]:
    return {"messageId": message.external_id, "parentMessageId": message.parent_external_id or _BEGINNING}


def _said(message: MessageRecord) -> dict[str, Json]:
    content = [*_parts(message)]
    return {"text": message.content, **({"content": content} if content else {})}


def _parts(message: MessageRecord) -> Iterator[Json]:
    """Thoughts, tools and the text: LibreChat shows the parts alone where there are any. None for plain text."""
    thoughts = reasoning(message)
    if not thoughts and not message.tool_calls:
        return
    for thought in thoughts:
        yield {"type": "think", "think": thought}
    results = {as_dict(result).get("tool_call_id"): as_dict(result) for result in message.tool_results or []}
    for call in message.tool_calls or []:
        call_id, name, arguments = function_of(call)
        output = first_text(results.get(call_id, {}), "content")
        tool: Json = {"id": call_id, "name": name, "args": arguments, "type": "tool_call", "output": output}
        yield {"type": "tool_call", "tool_call": tool}
    if message.content:
        yield {"type": "text", "text": message.content}


def _file(attached: AttachmentRecord) -> Json:
    return without_nones(
        file_id=attached.external_id,
        filename=attached.name or None,
        type=attached.media_type or None,
        bytes=attached.size,
        text=attached.text or None,
    )
