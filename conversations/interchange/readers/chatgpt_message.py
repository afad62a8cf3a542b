"""A message node of ChatGPT's export as a record."""

from collections.abc import Mapping

from conversations.interchange.readers.chatgpt_content import message_parts, message_sources, message_text
from conversations.interchange.readers.chatgpt_files import ExportFiles, message_attachments
from conversations.interchange.records import Json, MessageRecord, Role, Status
from conversations.interchange.shapes import as_dict, plain_facts, text_or_none
from conversations.interchange.times import parse_time

_ROLES: Mapping[Json, Role] = {
    "user": "user",
    "assistant": "assistant",
    "system": "system",
    "tool": "tool",
    "developer": "system",
    "function": "tool",
}
_INTERRUPTED = {"in_progress", "finished_partial_completion"}
_CONTEXT = {"user_editable_context", "model_editable_context"}  # what the user or the model noted about the user

_MAPPED = {"model_slug"}
_STRUCTURES = {"finished_text", "attachments", "finish_details", "canvas", "search_queries"}


def message_record(
    name: str,
    node: dict[str, Json],
    *,
    parent: str | None,
    answered_call: str | None,
    default_model: str,
    files: ExportFiles,
) -> MessageRecord:
    """The record of a node that has a message.

    `answered_call` is the id of the tool call its parent made or answered, `files` what the export holds. Nothing is
    raised: unknown roles, content types and parts are data, kept whole, so that a better reader can read them again.
    """
    message = node.get("message")
    if not isinstance(message, dict):
        unknown: Json = {"type": "unknown", "raw": message}
        text = text_or_none(message) or ""
        return MessageRecord(
            external_id=name, parent_external_id=parent, role="assistant", content=text, parts=(unknown,), raw=node
        )
    author, content = as_dict(message.get("author")), message.get("content")
    metadata = as_dict(message.get("metadata"))
    role = _role(author)
    text = message_text(content)
    calls = _tool_calls(name, message, text) if role == "assistant" else None
    return MessageRecord(
        external_id=name,
        parent_external_id=parent,
        role=role,
        content=text,
        parts=message_parts(content),
        status=_status(message, metadata),
        model=text_or_none(metadata.get("model_slug")) or (default_model if role == "assistant" else ""),
        created_at=parse_time(message.get("create_time")),
        updated_at=parse_time(message.get("update_time")),
        hidden=_hidden(role, as_dict(content), metadata),
        tool_calls=calls,
        tool_results=_tool_results(author, answered_call) if role == "tool" else None,
        sources=message_sources(content, metadata),
        metadata=_facts(name, message, author, metadata),
        attachments=message_attachments(message, _ids(name, message), files),
        raw=node,
    )


def _role(author: dict[str, Json]) -> Role:
    role = author.get("role")
    return _ROLES.get(role, "assistant") if isinstance(role, str) else "assistant"


def _status(message: dict[str, Json], metadata: dict[str, Json]) -> Status:
    stopped = as_dict(metadata.get("finish_details")).get("type") == "interrupted"
    return "interrupted" if stopped or text_or_none(message.get("status")) in _INTERRUPTED else "complete"


def _hidden(role: Role, content: dict[str, Json], metadata: dict[str, Json]) -> bool:
    """What ChatGPT does not show: flagged messages, notes about the user, system prompts not the user's own."""
    if (
        metadata.get("is_visually_hidden_from_conversation") is True
        or text_or_none(content.get("content_type")) in _CONTEXT
    ):
        return True
    return role == "system" and metadata.get("is_user_system_message") is not True


def _tool_calls(name: str, message: dict[str, Json], text: str) -> list[Json] | None:
    """A message to a tool is a call; the export has no ids of calls, so the message's own serves."""
    recipient = text_or_none(message.get("recipient"))
    if recipient in (None, "", "all"):
        return None
    return [{"id": name, "type": "function", "function": {"name": recipient, "arguments": text}}]


def _tool_results(author: dict[str, Json], answered_call: str | None) -> list[Json] | None:
    if answered_call is None:
        return None
    return [{"tool_call_id": answered_call, "name": text_or_none(author.get("name"))}]


def _ids(name: str, message: dict[str, Json]) -> tuple[str, ...]:
    """Both names of a message: side-cars know it by its own id, which its node's key may not be."""
    own = text_or_none(message.get("id"))
    return (name,) if own in (None, name) else (name, own)


def _facts(name: str, message: dict[str, Json], author: dict[str, Json], metadata: dict[str, Json]) -> dict[str, Json]:
    content = as_dict(message.get("content"))
    role, recipient, content_type = author.get("role"), message.get("recipient"), content.get("content_type")
    own: dict[str, Json] = {
        "message_id": message.get("id") if message.get("id") != name else None,
        "author_role": role if not isinstance(role, str) or _ROLES.get(role) != role else None,
        "author_name": author.get("name"),
        "recipient": recipient if recipient != "all" else None,
        "channel": message.get("channel"),
        "content_type": content_type if content_type != "text" else None,
        "code_language": content.get("language"),
    }
    return plain_facts(metadata, structures=_STRUCTURES, without=_MAPPED) | plain_facts(own)
