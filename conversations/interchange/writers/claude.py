"""Claude's shape: an array of conversations with `chat_messages`, as in `conversations.json` of its export."""

from collections.abc import Iterable, Iterator, Mapping

from conversations.interchange.readers.claude_blocks import message_text
from conversations.interchange.readers.claude_design import design_text
from conversations.interchange.records import AttachmentRecord, ConversationRecord, Json, MessageRecord
from conversations.interchange.shapes import as_dict, as_list, first_text
from conversations.interchange.writers.vendor_json import (
    function_of,
    iso_time,
    json_array,
    laid_over,
    parsed_arguments,
    raw_of,
    reasoning,
    truth,
    without_nones,
)

NAME = "claude"
EXTENSION = "json"
MEDIA_TYPE = "application/json"

_BEGINNING = "00000000-0000-4000-8000-000000000000"  # the parent of a first message
_SENDERS = {"user": "human"}


def write(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    """One array, a conversation at a time. System and tool messages, unknown to Claude, keep their role as sender."""
    return json_array(_conversation(record) for record in records)


def _conversation(record: ConversationRecord) -> Json:
    raw = raw_of(record, NAME)
    place = "chat_messages" if raw is None or "chat_messages" in raw else "messages"
    messages = _messages(record, is_own=raw is not None, design=place == "messages")
    if raw is None:
        return _made(record) | {"chat_messages": messages}
    times = {"created_at": record.created_at, "updated_at": record.updated_at}
    starred = truth(raw, "is_starred", record.starred)
    item = laid_over(raw, times, **{"name" if "name" in raw else "title": record.title}, is_starred=starred)
    leaf = _leaf_to_declare(record, raw)
    return item | ({"current_leaf_message_uuid": leaf} if leaf else {}) | {place: [*messages, *as_list(raw.get(place))]}


def _made(record: ConversationRecord) -> dict[str, Json]:
    item = without_nones(
        uuid=record.external_id,
        name=record.title or "",
        summary=first_text(record.metadata, "summary"),
        model=record.model or None,
        created_at=iso_time(record.created_at),
        updated_at=iso_time(record.updated_at),
        is_starred=record.starred or None,
        is_archived=record.archived or None,
        current_leaf_message_uuid=record.current_external_id,
    )
    return {"uuid": None} | item


def _messages(record: ConversationRecord, *, is_own: bool, design: bool) -> list[Json]:
    """In the record's order, the current one last where that moves no other: readers without links take the last."""
    raws = {message.external_id: _raw(message, is_own=is_own) for message in record.messages}
    as_they_were = all(raw is not None for raw in raws.values()) and (design or _is_chain(record) or _linked(raws))
    ordered = list(record.messages)
    if not design and not _is_chain(record) and (last := _movable(record)) is not None:
        ordered = [message for message in ordered if message is not last] + [last]
    return [_message(message, raws[message.external_id], keep=as_they_were) for message in ordered]


def _message(message: MessageRecord, raw: dict[str, Json] | None, *, keep: bool) -> Json:
    if raw is not None and message.content in (message_text(raw), design_text(raw)):
        return raw if keep else {**raw, **_place(message, raw)}
    if raw is not None:  # edited since: the text is ours, the rest is theirs
        return {**raw, **_place(message, raw), "text": message.content, "content": _text_blocks(message)}
    return {
        **_place(message, {}),
        "text": message.content,
        "content": _blocks(message),
        "sender": _SENDERS.get(message.role, message.role),
        **without_nones(
            model=message.model or None,
            created_at=iso_time(message.created_at),
            updated_at=iso_time(message.updated_at),
            hidden=message.hidden or None,
            truncated=True if message.status in ("interrupted", "failed", "streaming") else None,
        ),
        "attachments": [_attachment(attached) for attached in message.attachments],
        "files": [],
    }


def _raw(message: MessageRecord, *, is_own: bool) -> dict[str, Json] | None:
    return message.raw if is_own and isinstance(message.raw, dict) else None


def _place(message: MessageRecord, raw: dict[str, Json]) -> dict[str, Json]:
    """Id and parent, where the raw message does not say them itself."""
    own: dict[str, Json] = {"uuid": message.external_id}
    if "parent_message_uuid" not in raw:
        own["parent_message_uuid"] = message.parent_external_id or _BEGINNING
    return own


def _linked(raws: Mapping[str, dict[str, Json] | None]) -> bool:
    return any(raw is not None and "parent_message_uuid" in raw for raw in raws.values())


def _is_chain(record: ConversationRecord) -> bool:
    before = [None, *(message.external_id for message in record.messages)]
    return all(message.parent_external_id == parent for message, parent in zip(record.messages, before, strict=False))


def _movable(record: ConversationRecord) -> MessageRecord | None:
    """The current message, if it ends a branch and no sibling follows: to put it last then changes no order."""
    parents = {message.parent_external_id for message in record.messages}
    last_child = {message.parent_external_id: message for message in record.messages}
    current = next((said for said in record.messages if said.external_id == record.current_external_id), None)
    if current is None or current.external_id in parents:
        return None
    return current if last_child[current.parent_external_id] is current else None


def _leaf_to_declare(record: ConversationRecord, raw: dict[str, Json]) -> str | None:
    """The current message, where the export would not be read to mean it."""
    ids = {message.external_id for message in record.messages}
    if (declared := first_text(raw, "current_leaf_message_uuid")) in ids:
        return None if declared == record.current_external_id else record.current_external_id
    last = record.messages[-1].external_id if record.messages else None
    is_last = record.current_external_id == last or (not _is_chain(record) and _movable(record) is not None)
    return None if is_last else record.current_external_id


def _blocks(message: MessageRecord) -> list[Json]:
    thoughts: list[Json] = [{"type": "thinking", "thinking": text} for text in reasoning(message)]
    return [*thoughts, *_calls(message), *_results(message), *_text_blocks(message)]


def _text_blocks(message: MessageRecord) -> list[Json]:
    if not message.content:
        return []
    return [
        {"type": "text", "text": message.content, "citations": [_citation(cited) for cited in message.sources or []]}
    ]


def _calls(message: MessageRecord) -> Iterator[Json]:
    for call in message.tool_calls or []:
        call_id, name, arguments = function_of(call)
        yield {"type": "tool_use", "id": call_id, "name": name, "input": parsed_arguments(arguments)}


def _results(message: MessageRecord) -> Iterator[Json]:
    for result in map(as_dict, message.tool_results or []):
        text = first_text(result, "content") or (message.content if message.role == "tool" else "")
        yield {
            "type": "tool_result",
            "tool_use_id": result.get("tool_call_id"),
            "name": result.get("name"),
            "content": [{"type": "text", "text": text}],
            "is_error": result.get("is_error") is True,
        }


def _citation(cited: Json) -> Json:
    source = as_dict(cited)
    return {
        "uuid": source.get("id"),
        "start_index": source.get("start"),
        "end_index": source.get("end"),
        "details": without_nones(type=source.get("type"), url=source.get("url"), title=source.get("title")),
    }


def _attachment(attached: AttachmentRecord) -> Json:
    return {
        "id": attached.external_id,
        "file_name": attached.name,
        "file_size": attached.size,
        "file_type": attached.media_type,
        "extracted_content": attached.text,
    }
