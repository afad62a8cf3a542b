"""The conversations of Claude's design tool: `design_chats/<uuid>.json` of exports since July 2026.

{uuid, title, project, messages: [{uuid, role, created_at, content: {role, content or contentBlocks, attachments,
timestamp, authorName, turnInputTokens, …}}]}: one branch, in order. Blocks: text, thinking, tool_call {toolCall: {id,
name, input, output}}, error, user_interjection.
"""

from collections.abc import Mapping

from conversations.interchange.readers.claude_blocks import arguments_text
from conversations.interchange.readers.claude_message import attachments
from conversations.interchange.readers.conversation_facts import count_or_none
from conversations.interchange.readers.tool_pairs import ToolPairs, text_of_result
from conversations.interchange.records import Json, MessageRecord, Role
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time

_ROLES: Mapping[str, Role] = {"user": "user", "human": "user", "assistant": "assistant", "system": "system"}
_KNOWN_BLOCKS = {"text", "thinking", "tool_call", "error", "user_interjection"}
_MAPPED = {"id", "role", "content", "contentBlocks", "timestamp", "attachments", "turnInputTokens"}


def recognises(item: dict[str, Json]) -> bool:
    match item:
        case {"messages": [{"content": {"role": _}}, *_]}:
            return True
        case {"messages": [], "project": _, "uuid": _}:
            return True
    return False


def design_message(external_id: str, message: dict[str, Json], *, parent: str | None) -> MessageRecord:
    """The record of one message; unknown blocks are data. Nothing is raised."""
    said = as_dict(message.get("content"))
    role_name = first_text(message, "role") or first_text(said, "role")
    role = _ROLES.get(role_name, "assistant")
    blocks = _blocks(said)
    pairs = _tools(external_id, blocks)
    return MessageRecord(
        external_id=external_id,
        parent_external_id=parent,
        role=role,
        content=design_text(message),
        parts=_parts(blocks),
        created_at=parse_time(message.get("created_at")) or parse_time(said.get("timestamp")),
        updated_at=parse_time(message.get("updated_at")),
        tool_calls=pairs.calls or None,
        tool_results=pairs.results or None,
        metadata=plain_facts(said, structures={"turnChanges"}, without=_MAPPED),
        tokens_in=count_or_none(said.get("turnInputTokens")),
        attachments=attachments(said),
        raw=message,
    )


def design_text(message: dict[str, Json]) -> str:
    """The text blocks, a blank line between them; without blocks the bare text."""
    said = as_dict(message.get("content"))
    if blocks := _blocks(said):
        return "\n\n".join(first_text(as_dict(each), "text") for each in blocks if as_dict(each).get("type") == "text")
    return first_text(said, "content") or first_text(message, "content", "text")


def _blocks(said: dict[str, Json]) -> list[Json]:
    return as_list(said.get("contentBlocks")) or as_list(said.get("content"))


def _parts(blocks: list[Json]) -> tuple[Json, ...]:
    if len(blocks) <= 1 and all(as_dict(block).get("type") == "text" for block in blocks):
        return ()
    known = (text_or_none(as_dict(block).get("type")) in _KNOWN_BLOCKS for block in blocks)
    return tuple(
        block if is_known else {"type": "unknown", "raw": block} for block, is_known in zip(blocks, known, strict=True)
    )


def _tools(external_id: str, blocks: list[Json]) -> ToolPairs:
    pairs = ToolPairs(external_id)
    for block in map(as_dict, blocks):
        if block.get("type") == "tool_call":
            call = as_dict(block.get("toolCall"))
            name = first_text(call, "name", "type")
            pairs.call(call.get("id"), name, arguments_text(call.get("input")))
            if (output := call.get("output")) is not None:
                text = text_of_result(output) or arguments_text(output)
                pairs.result(call.get("id"), name, text, is_error=call.get("is_error") is True)
    return pairs
