"""Conversations and messages from anywhere in the shape of ChatGPT's export.

Where that shape has no place for something (calls of several tools, structured parts, tags), it stands in `metadata`
under its name here: ChatGPT's own tools pass over what they do not know.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from conversations.interchange.records import AttachmentRecord, ConversationRecord, Json, MessageRecord
from conversations.interchange.shapes import as_dict, first_text
from conversations.interchange.times import EPOCH, parse_time
from conversations.interchange.tree import distinct

ROOT = "client-created-root"

_STATUS = {"complete": "finished_successfully", "streaming": "in_progress"}


def epoch_seconds(moment: datetime | None) -> Json:
    """Seconds since 1970, to the microsecond; as ISO 8601 where a number would be taken for milliseconds."""
    if moment is None:
        return None
    seconds = (moment - EPOCH) / timedelta(seconds=1)
    return seconds if parse_time(seconds) == moment else moment.isoformat(timespec="microseconds")


def text_content(text: str) -> dict[str, Json]:
    return {"content_type": "text", "parts": [text]}


def new_conversation(record: ConversationRecord) -> dict[str, Json]:
    """The whole conversation under a root of its own, which bears no message, as ChatGPT has it."""
    *_, root = distinct([*(message.external_id for message in record.messages), ROOT])
    nodes = {message.external_id: new_node(message, root=root) for message in record.messages}
    below: dict[str, list[Json]] = {}
    for message in record.messages:
        below.setdefault(message.parent_external_id or root, []).append(message.external_id)
    for key, node in nodes.items():
        node["children"] = below.get(key, [])
    beside: dict[str, Json] = {"source": record.source, "tags": list(record.tags), "metadata": record.metadata}
    return {
        "title": record.title,
        "create_time": epoch_seconds(record.created_at),
        "update_time": epoch_seconds(record.updated_at),
        "mapping": {root: {"id": root, "message": None, "parent": None, "children": below.get(root, [])}, **nodes},
        "moderation_results": [],
        "current_node": record.current_external_id,
        "conversation_id": record.external_id,
        "is_archived": record.archived,
        "is_starred": record.starred,
        "default_model_slug": record.model or None,
        "id": record.external_id,
        "chatstore": {key: value for key, value in beside.items() if value},
    }


def new_node(message: MessageRecord, *, root: str | None = None) -> dict[str, Json]:
    said: dict[str, Json] = {
        "id": message.external_id,
        "author": {"role": message.role, "name": _tool_name(message), "metadata": {}},
        "create_time": epoch_seconds(message.created_at),
        "update_time": epoch_seconds(message.updated_at),
        "content": text_content(message.content),
        "status": _STATUS.get(message.status, "finished_partial_completion"),
        "end_turn": None,
        "weight": 1.0,
        "metadata": _metadata(message),
        "recipient": _recipient(message),
        "channel": None,
    }
    parent = root if message.parent_external_id is None else message.parent_external_id
    return {"id": message.external_id, "message": said, "parent": parent, "children": []}


def _metadata(message: MessageRecord) -> dict[str, Json]:
    marks: dict[str, Json] = {
        "model_slug": message.model,
        "is_visually_hidden_from_conversation": message.hidden,
        # ChatGPT shows no system message but the user's own.
        "is_user_system_message": message.role == "system" and not message.hidden,
        "attachments": [_attachment(attachment) for attachment in message.attachments],
        "citations": list(_citations(message.sources or [])),
        "tool_calls": message.tool_calls,
        "tool_results": message.tool_results,
        "parts": list(message.parts),
        "status": message.status if message.status == "failed" else None,
    }
    return {key: value for key, value in marks.items() if value} | {
        key: value for key, value in message.metadata.items() if key not in marks
    }


def _tool_name(message: MessageRecord) -> Json:
    results = message.tool_results or []
    return first_text(as_dict(results[0]), "name") or None if message.role == "tool" and results else None


def _recipient(message: MessageRecord) -> str:
    """The tool, where the text is what it was called with, which is how ChatGPT writes a call."""
    functions = [as_dict(as_dict(call).get("function")) for call in message.tool_calls or []]
    is_call = len(functions) == 1 and message.role == "assistant" and functions[0].get("arguments") == message.content
    return (first_text(functions[0], "name") if is_call else "") or "all"


def _attachment(attachment: AttachmentRecord) -> dict[str, Json]:
    said: dict[str, Json] = {
        "id": attachment.external_id,
        "name": attachment.name,
        "mime_type": attachment.media_type,
        "size": attachment.size,
    }
    return {key: value for key, value in said.items() if value not in ("", None)}


def _citations(sources: Iterable[Json]) -> Iterable[Json]:
    for source in map(as_dict, sources):
        cited: dict[str, Json] = {key: value for key, value in source.items() if key not in ("start", "end")}
        yield {"start_ix": source.get("start"), "end_ix": source.get("end"), "metadata": cited}
