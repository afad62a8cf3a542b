"""A message of Open WebUI as a record."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from conversations.interchange.readers.conversation_facts import LARGEST_SIZE, count_or_none
from conversations.interchange.readers.data_url import inline_file
from conversations.interchange.readers.openwebui_content import (
    message_parts,
    message_sources,
    message_text,
    message_tools,
)
from conversations.interchange.readers.unusable import short_id
from conversations.interchange.records import AttachmentRecord, Json, MessageRecord, Role, Status
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import distinct

_ROLES: Mapping[str, Role] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "function": "tool",
}
_MAPPED = {
    *("id", "parentId", "childrenIds", "role", "content", "timestamp", "model", "output", "error", "done"),
    *("files", "sources", "citations", "usage", "tool_calls", "hidden"),
}
_STRUCTURES = {"annotation", "followUps", "userContext"}
_TOKENS_IN = ("prompt_tokens", "input_tokens", "prompt_eval_count")
_TOKENS_OUT = ("completion_tokens", "output_tokens", "eval_count")


def message_record(
    external_id: str, message: dict[str, Json], *, parent: str | None, models: Sequence[str]
) -> MessageRecord:
    """The record of one message. `models` are the conversation's. Nothing is raised: what is unknown is kept whole."""
    said_role = text_or_none(message.get("role")) or ""
    role = _ROLES.get(said_role, "assistant")
    calls, results = message_tools(external_id, message)
    usage = as_dict(message.get("usage")) or as_dict(message.get("info"))
    noted: dict[str, Json] = {"author_role": said_role} if said_role not in _ROLES.values() else {}
    return MessageRecord(
        external_id=external_id,
        parent_external_id=parent,
        role=role,
        content=message_text(message),
        parts=message_parts(message),
        status=_status(message),
        model=first_text(message, "model") or (_model_of_place(message, models) if role == "assistant" else ""),
        created_at=parse_time(message.get("timestamp")),
        hidden=message.get("hidden") is True,  # our own exports say so; Open WebUI has none
        tool_calls=calls,
        tool_results=results,
        sources=message_sources(message),
        metadata=plain_facts(message, structures=_STRUCTURES, without=_MAPPED) | plain_facts(noted),
        tokens_in=_count(usage, _TOKENS_IN),
        tokens_out=_count(usage, _TOKENS_OUT),
        tokens_used=_count(usage, ("total_tokens",)),
        attachments=_attachments(message),
        raw=message,
    )


def _status(message: dict[str, Json]) -> Status:
    if message.get("error") not in (None, False, "", {}):
        return "failed"
    return "interrupted" if message.get("done") is False else "complete"


def _model_of_place(message: dict[str, Json], models: Sequence[str]) -> str:
    """One question goes to several models: an answer that names none has its model's place among them."""
    place = message.get("modelIdx")
    if isinstance(place, int) and not isinstance(place, bool) and 0 <= place < len(models):
        return models[place]
    return models[0] if len(models) == 1 else ""


def _count(usage: dict[str, Json], names: Sequence[str]) -> int | None:
    return next((count for name in names if (count := count_or_none(usage.get(name))) is not None), None)


def _attachments(message: dict[str, Json]) -> tuple[AttachmentRecord, ...]:
    found = [*_files(message), *_images(message)]
    names = distinct([record.external_id for record in found])
    return tuple(replace(record, external_id=name) for record, name in zip(found, names, strict=True))


def _files(message: dict[str, Json]) -> Iterator[AttachmentRecord]:
    """Files by id, whose bytes no export holds; images, which older versions put into the message itself."""
    for number, raw in enumerate(as_list(message.get("files"))):
        file = as_dict(raw)
        stored = as_dict(file.get("file"))
        meta = as_dict(stored.get("meta")) or as_dict(file.get("meta"))
        inline = inline_file(file.get("url"))
        media_type = first_text(file, "content_type") or first_text(meta, "content_type")
        yield AttachmentRecord(
            external_id=short_id(first_text(file, "id") or first_text(stored, "id")) or f"file-{number}",
            name=first_text(file, "name", "title") or first_text(meta, "name") or first_text(stored, "filename"),
            media_type=media_type or ("" if inline is None else inline.media_type),
            size=count_or_none(file.get("size", meta.get("size")), largest=LARGEST_SIZE),
            text=first_text(as_dict(stored.get("data")), "content") or first_text(file, "content"),
            opened=inline,
            raw=raw,
        )


def _images(message: dict[str, Json]) -> Iterator[AttachmentRecord]:
    """Images in a content that is a list."""
    for number, part in enumerate(map(as_dict, as_list(message.get("content")))):
        if (inline := inline_file(as_dict(part.get("image_url")).get("url"))) is not None:
            yield AttachmentRecord(external_id=f"image-{number}", media_type=inline.media_type, opened=inline, raw=part)
