"""A version of a message in LM Studio as a record."""

import json
from collections.abc import Iterable, Iterator, Mapping

from conversations.interchange.readers.conversation_facts import LARGEST_SIZE, count_or_none
from conversations.interchange.readers.openai_message import function_call
from conversations.interchange.records import MAX_EXTERNAL_ID, AttachmentRecord, Json, MessageRecord, Role
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none

_ROLES: Mapping[Json, Role] = {"user": "user", "assistant": "assistant", "system": "system", "tool": "tool"}


def message_record(name: str, parent: str | None, version: Json, *, place: Json) -> MessageRecord:
    """The record of a version. `place` is what stands beside the versions, kept with the one selected.

    Nothing is raised: what we do not know is data. Thoughts are parts, and no text.
    """
    found = as_dict(version)
    stated = text_or_none(found.get("role"))
    steps = [as_dict(step) for step in as_list(found.get("steps"))]
    said = as_list(found.get("content"))
    blocks = [*said, *(block for step in steps if not _is_thought(step) for block in as_list(step.get("content")))]
    made = next((as_dict(step["genInfo"]) for step in reversed(steps) if isinstance(step.get("genInfo"), dict)), {})
    stats = as_dict(made.get("stats"))
    calls = [as_dict(block) for block in blocks if as_dict(block).get("type") == "toolCallRequest"]
    results = [as_dict(block) for block in blocks if as_dict(block).get("type") == "toolCallResult"]
    return MessageRecord(
        external_id=name,
        parent_external_id=parent,
        role=_ROLES.get(stated, "assistant"),
        content="\n".join(_texts(blocks)),
        parts=tuple(_parts(version, said, steps)),
        model=first_text(made, "identifier", "indexedModelIdentifier")
        or first_text(as_dict(found.get("senderInfo")), "senderName"),
        tool_calls=[_call(f"{name}:{number}", call) for number, call in enumerate(calls)] or None,
        tool_results=[_result(result) for result in results] or None,
        metadata=plain_facts({"author_role": stated if stated not in _ROLES else None}) | plain_facts(stats),
        tokens_in=count_or_none(stats.get("promptTokensCount")),
        tokens_out=count_or_none(stats.get("predictedTokensCount")),
        tokens_used=count_or_none(stats.get("totalTokensCount")),
        attachments=tuple(_attachments(blocks)),
        raw={"version": version, **({"place": place} if place is not None else {})},
    )


def _is_thought(step: dict[str, Json]) -> bool:
    return as_dict(step.get("style")).get("type") == "thinking"


def _texts(blocks: Iterable[Json]) -> Iterator[str]:
    for block in map(as_dict, blocks):
        if block.get("type") == "text" and (text := first_text(block, "text")):
            yield text


def _parts(version: Json, said: list[Json], steps: list[dict[str, Json]]) -> Iterator[Json]:
    if not isinstance(version, dict):
        yield {"type": "unknown", "raw": version}
    for block in said:
        if len(said) > 1 or as_dict(block).get("type") != "text":
            yield block
    for step in steps:
        content = as_list(step.get("content"))
        if _is_thought(step):
            yield {"type": "reasoning", "text": "\n".join(_texts(content))}
        elif step.get("type") != "contentBlock":
            yield {"type": "unknown", "raw": step}
        else:
            yield from (block for block in content if as_dict(block).get("type") != "text")


def _call(name: str, block: dict[str, Json]) -> Json:
    call_id = first_text(block, "toolCallRequestId") or _written(block.get("callId")) or name
    return function_call(call_id, first_text(block, "name"), block.get("parameters"))


def _result(block: dict[str, Json]) -> Json:
    call = first_text(block, "toolCallRequestId") or _written(block.get("toolCallId") or block.get("callId")) or None
    return {"tool_call_id": call, "name": text_or_none(block.get("name")), "content": _written(block.get("content"))}


def _written(value: Json) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _attachments(blocks: Iterable[Json]) -> Iterator[AttachmentRecord]:
    """LM Studio keeps files in a folder of its own: the conversation only names them."""
    for number, block in enumerate(map(as_dict, blocks)):
        if block.get("type") == "file":
            identifier = first_text(block, "fileIdentifier", "identifier")
            yield AttachmentRecord(
                external_id=str(number),
                name=(first_text(block, "name", "fileName") or identifier)[:MAX_EXTERNAL_ID],
                size=count_or_none(block.get("sizeBytes"), largest=LARGEST_SIZE),
                raw=block,
            )
