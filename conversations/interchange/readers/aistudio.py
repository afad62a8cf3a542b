"""Google AI Studio: a prompt as Drive keeps it, {runSettings, systemInstruction, chunkedPrompt: {chunks}}, or an array.

A chunk is one message, thoughts included: {role user | model, text, parts, isThought, executableCode, inlineFile, …}.
`parts` repeat `text`. Many prompts have no id, title or times; the file's name is then the title, if it is known.
`branchParent` and `branchChildren` name other prompts, made from this one: the chunks of one prompt are a line.
"""

import base64
import binascii
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from conversations.interchange.bundle import NO_BUNDLE, Bundle, last_name
from conversations.interchange.readers.reading import (
    UnusableError,
    identity,
    members,
    message_names,
    no_messages,
    read_each,
    webpage,
)
from conversations.interchange.records import AttachmentRecord, ConversationRecord, Json, MessageRecord, Role, Trouble
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import distinct, normalised

NAME = "aistudio"

_ROLES: Mapping[str, Role] = {"user": "user", "model": "assistant", "assistant": "assistant", "system": "system"}
_ABOUT = {"id", "title", "displayName", "create_time", "createTime", "update_time", "updateTime"}
_MAPPED = {"id", "role", "text", "createTime", "tokenCount"}
_INLINE = ("inlineFile", "inlineImage", "inlineAudio", "inlineData", "inlineVideo")
_IN_DRIVE = ("driveDocument", "driveImage", "driveAudio", "driveVideo")
_STRUCTURED = ("executableCode", "codeExecutionResult", "youtubeVideo", "functionCall", "functionResponse")
_LINKS = {"branchParent", "branchChildren", "safetyRatings"}
_WITHOUT_ENDING = ".json"


def recognises(sample: Json) -> bool:
    match sample:
        case {"chunkedPrompt": dict()}:
            return True
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record or one Trouble a prompt.

    Troubles: no_messages (skipped), not_an_object, chunks_not_a_list, external_id_too_long (failed).
    """
    # An upload's own name is whatever the browser made of it; in an archive it is what the person called the prompt.
    title = last_name(name).removesuffix(_WITHOUT_ENDING) if bundle.named(name) is not None else ""
    return read_each(items, lambda item: _conversation(item, title))


def _conversation(item: dict[str, Json], file_title: str) -> ConversationRecord:
    external_id = identity(item.get("id"))
    prompt = as_dict(item.get("chunkedPrompt"))
    try:
        chunks = members(prompt, "chunks")
    except UnusableError as fault:
        fault.pointer = f"/chunkedPrompt{fault.pointer}"
        raise
    if not chunks:
        raise no_messages(external_id)
    settings = as_dict(item.get("runSettings"))
    model = (text_or_none(settings.get("model")) or "").removeprefix("models/")
    messages = tuple(_messages(chunks, model))
    without_chunks = {key: value for key, value in prompt.items() if key != "chunks"}
    return normalised(
        ConversationRecord(
            source=NAME,
            external_id=external_id,
            title=first_text(item, "title", "displayName") or file_title or None,
            created_at=parse_time(item.get("create_time") or item.get("createTime")),
            updated_at=parse_time(item.get("update_time") or item.get("updateTime")),
            model=model,
            metadata=plain_facts(item, without=_ABOUT) | _settings(item, settings),
            current_external_id=messages[-1].external_id,
            messages=messages,
            raw={**item, "chunkedPrompt": without_chunks},
        )
    )


def _settings(item: dict[str, Json], settings: dict[str, Json]) -> dict[str, Json]:
    instruction = as_dict(item.get("systemInstruction"))
    pieces = [first_text(as_dict(part), "text") for part in as_list(instruction.get("parts"))]
    facts: dict[str, Json] = {
        "system_instruction": first_text(instruction, "text") or "\n".join(pieces),
        "run_settings": plain_facts(settings),
    }
    return plain_facts(facts, structures=facts)


def _messages(chunks: list[dict[str, Json]], model: str) -> Iterator[MessageRecord]:
    names = message_names([identity(chunk.get("id")) or str(at) for at, chunk in enumerate(chunks)])
    open_call = ""  # the code that was last run: its result may stand in the next chunk
    parent: str | None = None
    for name, chunk in zip(names, chunks, strict=True):
        code, result = chunk.get("executableCode"), chunk.get("codeExecutionResult")
        open_call = f"{name}:code" if code else open_call
        yield _message(chunk, name, parent, model, open_call if result else "")
        open_call = "" if result else open_call
        parent = name


def _message(chunk: dict[str, Json], name: str, parent: str | None, model: str, answered_call: str) -> MessageRecord:
    role = text_or_none(chunk.get("role")) or ""
    tokens = chunk.get("tokenCount")
    attachments = [*_attachments(chunk)]
    own_ids = distinct([attachment.external_id for attachment in attachments])
    is_answer = _ROLES.get(role, "assistant") == "assistant"
    facts = plain_facts(chunk, structures=_LINKS, without=_MAPPED)
    return MessageRecord(
        external_id=name,
        parent_external_id=parent,
        role=_ROLES.get(role, "assistant"),
        content=text_or_none(chunk.get("text")) or "",
        parts=_parts(chunk),
        status="failed" if chunk.get("errorMessage") else "complete",
        model=model if is_answer else "",
        created_at=parse_time(chunk.get("createTime")),
        tool_calls=_tool_calls(name, chunk),
        tool_results=_tool_results(chunk, answered_call),
        sources=_sources(chunk) or None,
        metadata=facts | ({} if role in _ROLES else plain_facts({"author_role": chunk.get("role")})),
        tokens_out=_count(tokens) if is_answer else None,
        tokens_in=None if is_answer else _count(tokens),
        attachments=tuple(map(_under, attachments, own_ids)),
        raw=chunk,
    )


def _under(attachment: AttachmentRecord, external_id: str) -> AttachmentRecord:
    return replace(attachment, external_id=external_id)


def _count(tokens: Json) -> int | None:
    return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens < 1 << 31 else None


def _parts(chunk: dict[str, Json]) -> tuple[Json, ...]:
    """The parts, unless they only say the text again; and what a chunk has beside text, each under its own name."""
    parts = as_list(chunk.get("parts"))
    says_text = len(parts) == 1 and as_dict(parts[0]) == {"text": chunk.get("text")}
    beside: list[Json] = [{key: chunk[key]} for key in (*_STRUCTURED, *_IN_DRIVE) if chunk.get(key)]
    return (*(() if says_text else parts), *beside)


def _tool_calls(name: str, chunk: dict[str, Json]) -> list[Json] | None:
    code = chunk.get("executableCode")
    if not code:
        return None
    function: Json = {"name": "code_execution", "arguments": json.dumps(code, ensure_ascii=False)}
    return [{"id": f"{name}:code", "type": "function", "function": function}]


def _tool_results(chunk: dict[str, Json], answered_call: str) -> list[Json] | None:
    if not answered_call:
        return None
    return [{"tool_call_id": answered_call, "name": "code_execution", "content": chunk.get("codeExecutionResult")}]


def _sources(chunk: dict[str, Json]) -> list[Json]:
    grounding = as_dict(chunk.get("grounding"))
    pages = [as_dict(page) for page in as_list(grounding.get("groundingSources"))]
    found = [webpage(page, number=page.get("footnoteNumber")) for page in pages]
    chunks = [as_dict(as_dict(piece).get("web")) for piece in as_list(grounding.get("groundingChunks"))]
    return found + [webpage(page) for page in chunks if page]


def _attachments(chunk: dict[str, Json]) -> Iterator[AttachmentRecord]:
    """Inline files come with their bytes, in base64; files in Drive with their id alone."""
    for key in (*_INLINE, *_IN_DRIVE):
        file = as_dict(chunk.get(key))
        if not file:
            continue
        data = _decoded(file.get("data")) if key in _INLINE else None
        said = file.get("sizeBytes")
        yield AttachmentRecord(
            external_id=first_text(file, "id")[:200] or key,
            name=first_text(file, "name", "displayName"),
            media_type=first_text(file, "mimeType"),
            size=len(data) if data is not None else _size(said),
            opened=None if data is None else lambda data=data: io.BytesIO(data),  # type: ignore[misc]
            raw={name: value for name, value in file.items() if name != "data"},
        )


def _decoded(data: Json) -> bytes | None:
    try:
        return base64.b64decode(data, validate=True) if isinstance(data, str) else None
    except (binascii.Error, ValueError):
        return None


def _size(said: Json) -> int | None:
    text = str(said)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
