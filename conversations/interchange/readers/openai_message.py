"""A message as OpenAI's chat completions API has it, and all the tools that speak its language.

{role, content: text, null or [{type, …}], name, tool_calls, tool_call_id, function_call, refusal, annotations}; from
LLaMA-Factory blocks with `value` for `text`, from Ollama arguments as an object; from stores id, model and time.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from conversations.interchange.readers.blocks import read_content
from conversations.interchange.records import Json, MessageRecord, Role
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time

ROLES: Mapping[Json, Role] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
    "developer": "system",
    "function": "tool",
}
_MAPPED = {
    "id",
    "role",
    "content",
    "tool_call_id",
    "refusal",
    "reasoning_content",
    "reasoning",
    "thinking",
    "model",
} | {*("created_at", "createdAt", "timestamp", "updated_at", "updatedAt")}


def message_records(messages: Iterable[dict[str, Json]]) -> Iterator[MessageRecord]:
    """The records, in order, not yet linked. Nothing is raised: unknown roles and blocks are data.

    A message without id gets its position. An answer of a `function` is that of the open call of its name.
    """
    open_calls: dict[str, str] = {}  # name of a function -> the call that has no id and waits for its answer
    for position, message in enumerate(messages):
        name = text_or_none(message.get("id")) or str(position)
        calls = _tool_calls(name, message)
        legacy = as_dict(message.get("function_call"))
        if legacy:
            open_calls[first_text(legacy, "name")] = f"{name}:function"
        yield _record(name, message, calls, open_calls)


def function_call(call_id: str, name: str, arguments: Json) -> Json:
    """A call of a tool in OpenAI's form, whose arguments are a text."""
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": written}}


def _record(name: str, message: dict[str, Json], calls: list[Json], open_calls: dict[str, str]) -> MessageRecord:
    stated = text_or_none(message.get("role"))
    role = ROLES.get(stated, "assistant")
    content = read_content(message.get("content"))
    return MessageRecord(
        external_id=name,
        role=role,
        content=content.text,
        parts=(*_beside(message), *content.parts),
        model=text_or_none(message.get("model")) or "",
        created_at=_time(message, "created_at", "createdAt", "timestamp"),
        updated_at=_time(message, "updated_at", "updatedAt"),
        tool_calls=calls or None,
        tool_results=_results(message, open_calls) if role == "tool" else None,
        sources=_sources(message.get("annotations")),
        metadata=plain_facts({"author_role": stated if ROLES.get(stated) != stated else None})
        | plain_facts(message, without=_MAPPED),
        attachments=content.attachments,
        raw=message,
    )


def _time(message: dict[str, Json], *keys: str) -> datetime | None:
    return next((moment for key in keys if (moment := parse_time(message.get(key)))), None)


def _beside(message: dict[str, Json]) -> Iterator[Json]:
    """What was thought, and what was refused: said beside the content."""
    thought = first_text(message, "reasoning_content", "reasoning", "thinking")
    if thought:
        yield {"type": "reasoning", "text": thought}
    if refusal := text_or_none(message.get("refusal")):
        yield {"type": "refusal", "refusal": refusal}


def _tool_calls(name: str, message: dict[str, Json]) -> list[Json]:
    calls = [_call(f"{name}:{place}", as_dict(call)) for place, call in enumerate(as_list(message.get("tool_calls")))]
    if legacy := as_dict(message.get("function_call")):
        calls.append(function_call(f"{name}:function", first_text(legacy, "name"), legacy.get("arguments")))
    for place, block in enumerate(as_list(message.get("content"))):
        match block:
            case {"type": "tool_call", "value": str(written)}:
                calls.append(written_call(f"{name}:block:{place}", written))
    return calls


def _call(name: str, call: dict[str, Json]) -> Json:
    function = as_dict(call.get("function"))
    if text_or_none(call.get("id")) and isinstance(function.get("arguments"), str):
        return call
    return {
        **as_dict(
            function_call(text_or_none(call.get("id")) or name, first_text(function, "name"), function.get("arguments"))
        ),
    }


def written_call(name: str, written: str) -> Json:
    """A call written down as JSON, {name, arguments}; what is no JSON is the arguments of a call without a name."""
    try:
        call = as_dict(json.loads(written))
    except (ValueError, RecursionError):
        call = {}
    if not call:
        return function_call(name, "", written)
    return function_call(name, first_text(call, "name"), call.get("arguments"))


def _results(message: dict[str, Json], open_calls: dict[str, str]) -> list[Json] | None:
    called = first_text(message, "name", "tool_name")
    call = text_or_none(message.get("tool_call_id")) or open_calls.pop(called, None)
    return [{"tool_call_id": call, "name": called or None}] if call or called else None


def _sources(annotations: Json) -> list[Json] | None:
    found: list[Json] = []
    for annotation in map(as_dict, as_list(annotations)):
        kind = text_or_none(annotation.get("type")) or "url_citation"
        cited = as_dict(annotation.get(kind)) or annotation
        known: dict[str, Json] = {
            "title": cited.get("title"),
            "url": cited.get("url"),
            "file_id": cited.get("file_id"),
            "start": cited.get("start_index"),
            "end": cited.get("end_index"),
        }
        found.append({"type": kind, **{key: value for key, value in known.items() if value is not None}})
    return found or None
