"""A message of LibreChat as a record."""

from collections.abc import Iterator
from dataclasses import replace

from conversations.interchange.readers.claude_blocks import arguments_text
from conversations.interchange.readers.conversation_facts import LARGEST_SIZE, count_or_none
from conversations.interchange.readers.data_url import inline_file
from conversations.interchange.readers.tool_pairs import ToolPairs, text_of_result
from conversations.interchange.readers.unusable import short_id
from conversations.interchange.records import AttachmentRecord, Json, MessageRecord, Role, Status
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import distinct

_MAPPED = {
    *("messageId", "parentMessageId", "conversationId", "createdAt", "updatedAt", "isCreatedByUser", "text", "content"),
    *(
        "model",
        "role",
        "error",
        "unfinished",
        "tokenCount",
        "files",
        "attachments",
        "children",
        "user",
        "_id",
        "__v",
        "hidden",
    ),
}
_STRUCTURES = {"feedback", "metadata", "plugin"}
_KNOWN_PARTS = {"text", "think", "tool_call", "image_file", "image_url", "error", "agent_update"}


def message_record(
    external_id: str, message: dict[str, Json], *, parent: str | None, default_model: str
) -> MessageRecord:
    """The record of one message. Nothing is raised: what is unknown is kept whole. `raw` is without the children."""
    role = _role(message)
    by_user = role == "user"
    pairs = _tools(external_id, message)
    tokens = count_or_none(message.get("tokenCount"))
    return MessageRecord(
        external_id=external_id,
        parent_external_id=parent,
        role=role,
        content=message_text(message),
        parts=_parts(message),
        status=_status(message),
        model=first_text(message, "model") or (default_model if role == "assistant" else ""),
        created_at=parse_time(message.get("createdAt")),
        updated_at=parse_time(message.get("updatedAt")),
        hidden=message.get("hidden") is True,  # our own exports say so; LibreChat has none
        tool_calls=pairs.calls or None,
        tool_results=pairs.results or None,
        sources=list(_sources(message)) or None,
        metadata=plain_facts(message, structures=_STRUCTURES, without=_MAPPED),
        tokens_in=tokens if by_user else None,
        tokens_out=None if by_user else tokens,
        attachments=_attachments(message),
        raw=message,
    )


def message_text(message: dict[str, Json]) -> str:
    """`text`; where it is empty, as with agents, the text parts of `content`, a line each."""
    if text := first_text(message, "text"):
        return text
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(_text_of_part(as_dict(part)) for part in as_list(content) if _is_text(part))


def _role(message: dict[str, Json]) -> Role:
    """The flag tells users from models; our own exports say more. `sender` is a label, heard where there is no flag."""
    match message:
        case {"isCreatedByUser": True}:
            return "user"
        case {"role": "system"}:
            return "system"
        case {"role": "tool"}:
            return "tool"
        case {"isCreatedByUser": False}:
            return "assistant"
    return "user" if first_text(message, "sender", "role").lower() == "user" else "assistant"


def _status(message: dict[str, Json]) -> Status:
    if message.get("error") is True:
        return "failed"
    # Stopped by its reader, an answer says "incomplete" and is no longer unfinished.
    cut_off = message.get("unfinished") is True or text_or_none(message.get("finish_reason")) == "incomplete"
    return "interrupted" if cut_off else "complete"


def _is_text(part: Json) -> bool:
    return as_dict(part).get("type") == "text"


def _text_of_part(part: dict[str, Json]) -> str:
    """A text stands in the part, or, from the Assistants API, one level deeper."""
    return first_text(part, "text") or first_text(as_dict(part.get("text")), "value")


def _parts(message: dict[str, Json]) -> tuple[Json, ...]:
    parts = as_list(message.get("content"))
    if len(parts) <= 1 and all(_is_text(part) for part in parts):
        return ()
    return tuple(
        part if text_or_none(as_dict(part).get("type")) in _KNOWN_PARTS else {"type": "unknown", "raw": part}
        for part in parts
    )


def _tools(external_id: str, message: dict[str, Json]) -> ToolPairs:
    """A tool_call part is the call and, in `output`, its result; the Assistants API nests the function."""
    pairs = ToolPairs(external_id)
    for part in map(as_dict, as_list(message.get("content"))):
        if part.get("type") != "tool_call":
            continue
        call = as_dict(part.get("tool_call"))
        function = as_dict(call.get("function")) or call
        name = first_text(function, "name") or first_text(call, "type")
        pairs.call(call.get("id"), name, arguments_text(function.get("args", function.get("arguments"))))
        if (output := function.get("output")) not in (None, ""):
            pairs.result(call.get("id"), name, text_of_result(output) or arguments_text(output))
    return pairs


def _sources(message: dict[str, Json]) -> Iterator[Json]:
    """What tools found: LibreChat keeps it beside the answer, as `attachments` of the kind of the tool."""
    for attachment in map(as_dict, as_list(message.get("attachments"))):
        search = as_dict(attachment.get("web_search"))
        for kind in ("organic", "topStories"):
            for page in map(as_dict, as_list(search.get(kind))):
                yield _source("webpage", title=page.get("title"), url=page.get("link"))
        for file in map(as_dict, as_list(as_dict(attachment.get("file_search")).get("sources"))):
            yield _source("file", title=file.get("fileName"), id=file.get("fileId"), relevance=file.get("relevance"))


def _source(kind: str, **fields: Json) -> Json:
    return {"type": kind, **{name: value for name, value in fields.items() if value not in (None, "")}}


def _attachments(message: dict[str, Json]) -> tuple[AttachmentRecord, ...]:
    """Files sent, and files made by tools; exports hold no bytes but those of data URLs."""
    made = [file for file in as_list(message.get("attachments")) if first_text(as_dict(file), "file_id", "filename")]
    shown = [
        as_dict(part).get("image_file")
        for part in as_list(message.get("content"))
        if as_dict(part).get("type") == "image_file"
    ]
    found = [_attachment(raw, number) for number, raw in enumerate([*as_list(message.get("files")), *made, *shown])]
    names = distinct([record.external_id for record in found])
    return tuple(replace(record, external_id=name) for record, name in zip(found, names, strict=True))


def _attachment(raw: Json, number: int) -> AttachmentRecord:
    file = as_dict(raw)
    media_type = first_text(file, "type")
    inline = inline_file(file.get("filepath"))
    return AttachmentRecord(
        external_id=short_id(first_text(file, "file_id", "temp_file_id")) or f"file-{number}",
        name=first_text(file, "filename", "name"),
        media_type=media_type if "/" in media_type else ("" if inline is None else inline.media_type),
        size=count_or_none(file.get("bytes"), largest=LARGEST_SIZE),
        text=first_text(file, "text"),
        opened=inline,
        raw=raw,
    )
