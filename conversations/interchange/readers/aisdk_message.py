"""A UI message of the AI SDK as a record."""

import json
from collections.abc import Iterator, Mapping

from conversations.interchange.readers.blocks import url_attachment
from conversations.interchange.readers.openai_message import function_call
from conversations.interchange.records import AttachmentRecord, Json, MessageRecord, Role, Status
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time

_ROLES: Mapping[Json, Role] = {"user": "user", "assistant": "assistant", "system": "system", "tool": "tool"}
_MAPPED = {"id", "role", "content", "createdAt", "reasoning"}
_PLAIN = {"text", "step-start"}  # a text and the marks between steps: no structure that the text does not have
_DONE = {"output-available", "output-error", "output-denied", "result"}

Invocation = tuple[str, str, dict[str, Json]]  # id of the call, name of the tool, what is known of both


def message_record(position: str, message: dict[str, Json]) -> MessageRecord:
    """The record, not yet linked. Nothing is raised: unknown roles and parts are data."""
    name = text_or_none(message.get("id")) or position
    stated = text_or_none(message.get("role"))
    parts = [as_dict(part) for part in as_list(message.get("parts"))]
    metadata = as_dict(message.get("metadata"))
    invocations = list(_invocations(name, message, parts))
    calls = [function_call(call, tool, _first(found, "input", "args", "rawInput")) for call, tool, found in invocations]
    results = [_result(call, tool, found) for call, tool, found in invocations if found.get("state") in _DONE]
    return MessageRecord(
        external_id=name,
        role=_ROLES.get(stated, "assistant"),
        content=_text(message, parts),
        parts=tuple(_kept(message)),
        status=_status(parts),
        model=first_text(metadata, "model", "modelId"),
        created_at=parse_time(message.get("createdAt")),
        tool_calls=calls or None,
        tool_results=results or None,
        sources=list(_sources(parts)) or None,
        metadata=plain_facts({"author_role": stated if stated not in _ROLES else None})
        | plain_facts(message, without=_MAPPED)
        | plain_facts(metadata, without={"model", "modelId"}),
        attachments=tuple(_attachments(message, parts)),
        raw=message,
    )


def _text(message: dict[str, Json], parts: list[dict[str, Json]]) -> str:
    """v4 repeats in `content` what its parts say; only there, and where there are no parts, it is the text."""
    texts = [text for part in parts if part.get("type") == "text" and (text := first_text(part, "text"))]
    return "\n".join(texts) or first_text(message, "content")


def _kept(message: dict[str, Json]) -> Iterator[Json]:
    parts = as_list(message.get("parts"))
    texts = [part for part in parts if as_dict(part).get("type") == "text"]
    if len(texts) > 1 or any(as_dict(part).get("type") not in _PLAIN for part in parts):
        yield from parts
        return
    if thought := text_or_none(message.get("reasoning")):
        yield {"type": "reasoning", "text": thought}
    if not parts and not isinstance(message.get("content"), str | None):
        yield {"type": "unknown", "raw": message.get("content")}


def _status(parts: list[dict[str, Json]]) -> Status:
    """A part that was still being written when it was saved was cut off."""
    cut = any(part.get("type") in ("text", "reasoning") and part.get("state") == "streaming" for part in parts)
    return "interrupted" if cut else "complete"


def _invocations(name: str, message: dict[str, Json], parts: list[dict[str, Json]]) -> Iterator[Invocation]:
    found = [part for part in parts if first_text(part, "type") == "dynamic-tool" or _tool_of(part)]
    # v4 has them once more beside the parts.
    inside = [as_dict(part.get("toolInvocation")) for part in parts if part.get("type") == "tool-invocation"]
    beside = [] if inside or found else [as_dict(one) for one in as_list(message.get("toolInvocations"))]
    for place, one in enumerate([*found, *inside, *beside]):
        yield first_text(one, "toolCallId") or f"{name}:{place}", first_text(one, "toolName") or _tool_of(one), one


def _tool_of(part: dict[str, Json]) -> str:
    kind = first_text(part, "type")
    return kind.removeprefix("tool-") if kind.startswith("tool-") and kind != "tool-invocation" else ""


def _result(call: str, tool: str, found: dict[str, Json]) -> Json:
    if found.get("state") in ("output-error", "output-denied"):
        why = first_text(found, "errorText") or first_text(as_dict(found.get("approval")), "reason")
        return {"tool_call_id": call, "name": tool, "content": why, "is_error": True}
    output = _first(found, "output", "result")
    written = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    return {"tool_call_id": call, "name": tool, "content": written}


def _first(values: dict[str, Json], *keys: str) -> Json:
    return next((values[key] for key in keys if values.get(key) is not None), None)


def _sources(parts: list[dict[str, Json]]) -> Iterator[Json]:
    for part in parts:
        kind = first_text(part, "type")
        if kind in ("source-url", "source-document", "source"):
            page = as_dict(part.get("source")) or part
            known = {key: page.get(key) for key in ("title", "url", "filename", "mediaType")}
            known["id"] = page.get("sourceId") or page.get("id")
            yield {
                "type": "document" if kind == "source-document" else "webpage",
                **{key: value for key, value in known.items() if value is not None},
            }


def _attachments(message: dict[str, Json], parts: list[dict[str, Json]]) -> Iterator[AttachmentRecord]:
    listed = [part for part in parts if part.get("type") in ("file", "reasoning-file")]
    listed += [as_dict(one) for one in as_list(message.get("experimental_attachments"))]
    for place, file in enumerate(listed):
        media_type = first_text(file, "mediaType", "contentType", "mimeType")
        url = first_text(file, "url") or (
            f"data:{media_type};base64,{data}" if (data := first_text(file, "data")) else ""
        )
        found = url_attachment(str(place), url, name=first_text(file, "filename", "name"), media_type=media_type)
        if found is not None:
            yield found
