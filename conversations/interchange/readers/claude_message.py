"""A message of Claude's export as a record, with the files that came with it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from conversations.interchange.readers.claude_blocks import (
    message_parts,
    message_sources,
    message_text,
    message_tools,
)
from conversations.interchange.readers.conversation_facts import LARGEST_SIZE, count_or_none
from conversations.interchange.readers.unusable import short_id
from conversations.interchange.records import AttachmentRecord, Json, MessageRecord, Role, Status
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import distinct

_ROLES: Mapping[str, Role] = {
    "human": "user",
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
}

_MAPPED = {
    *("uuid", "text", "content", "sender", "created_at", "updated_at", "attachments", "files", "files_v2"),
    *("parent_message_uuid", "model", "hidden"),
}
_STRUCTURES = {"compaction_summary", "sync_sources", "chat_feedback"}


def message_record(
    external_id: str, message: dict[str, Json], *, parent: str | None, default_model: str
) -> MessageRecord:
    """The record of one item of `chat_messages`. Nothing is raised: what is unknown is kept whole."""
    sender = text_or_none(message.get("sender")) or text_or_none(message.get("role")) or ""
    role = _ROLES.get(sender, "assistant")
    calls, results = message_tools(external_id, message)
    noted: dict[str, Json] = {"sender": sender} if sender not in _ROLES else {}
    return MessageRecord(
        external_id=external_id,
        parent_external_id=parent,
        role=role,
        content=message_text(message),
        parts=message_parts(message),
        status=_status(message),
        model=first_text(message, "model") or (default_model if role == "assistant" else ""),
        created_at=parse_time(message.get("created_at")),
        updated_at=parse_time(message.get("updated_at")),
        hidden=message.get("hidden") is True,  # our own exports say so; Claude has none
        tool_calls=calls,
        tool_results=results,
        sources=message_sources(message),
        metadata=plain_facts(message, structures=_STRUCTURES, without=_MAPPED) | plain_facts(noted),
        attachments=attachments(message),
        raw=message,
    )


def attachments(message: dict[str, Json]) -> tuple[AttachmentRecord, ...]:
    """What was attached. Claude exports no bytes, but of an `attachment` the text that was read out of it."""
    found = [*_attached(message), *_files(message)]
    names = distinct([record.external_id for record in found])
    return tuple(replace(record, external_id=name) for record, name in zip(found, names, strict=True))


def _attached(message: dict[str, Json]) -> Iterator[AttachmentRecord]:
    for number, attached in enumerate(as_list(message.get("attachments"))):
        yield _attachment(attached, f"attachment-{number}")


def _files(message: dict[str, Json]) -> Iterator[AttachmentRecord]:
    """The files; the web API lists them twice, and says more the second time."""
    files, again = as_list(message.get("files")), as_list(message.get("files_v2"))
    richer = {uuid: file for file in again if (uuid := first_text(as_dict(file), "file_uuid", "uuid"))}
    listed = {first_text(as_dict(file), "file_uuid", "uuid") for file in files}
    merged = [richer.get(first_text(as_dict(file), "file_uuid", "uuid"), file) for file in files]
    for number, file in enumerate([*merged, *(file for uuid, file in richer.items() if uuid not in listed)]):
        yield _attachment(file, f"file-{number}")


def _attachment(raw: Json, default_id: str) -> AttachmentRecord:
    file = as_dict(raw)
    media_type = first_text(file, "file_type", "mime_type", "media_type")
    return AttachmentRecord(
        external_id=short_id(first_text(file, "id", "file_uuid", "uuid")) or default_id,
        name=first_text(file, "file_name", "name") or (text_or_none(raw) or ""),
        media_type=media_type if "/" in media_type else "",  # "txt" is no media type; `raw` keeps it
        size=count_or_none(file.get("file_size", file.get("size_bytes")), largest=LARGEST_SIZE),
        text=first_text(file, "extracted_content"),
        raw=raw,
    )


def _status(message: dict[str, Json]) -> Status:
    cut_off = message.get("truncated") is True or text_or_none(message.get("stop_reason")) == "user_canceled"
    return "interrupted" if cut_off else "complete"
