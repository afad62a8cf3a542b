"""OpenAI's chat messages as JSON Lines: the active branch of a conversation a line, ready for fine-tuning or a model.

{"messages": [{role, content, tool_calls?, tool_call_id?}, …]}. What came in this shape leaves as it came, the fields we
have no place for included, unless it was changed here.
"""

from collections.abc import Iterable, Iterator

from conversations.interchange.records import ConversationRecord, Json, MessageRecord
from conversations.interchange.shapes import as_dict, text_or_none
from conversations.interchange.wire import encode
from conversations.interchange.writers.branch import active_branch

NAME = "openai"
EXTENSION = "jsonl"
MEDIA_TYPE = "application/jsonl"

# OpenAI, "Create chat completion": the types of content parts.
_PART_TYPES = {"text", "image_url", "input_audio", "file", "refusal"}


def write(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    for record in records:
        messages = [_message(message, is_ours=record.source == NAME) for message in active_branch(record).messages]
        around = as_dict(record.raw) if record.source == NAME else {}
        yield encode({**around, "messages": messages}) + b"\n"


def _message(message: MessageRecord, *, is_ours: bool) -> Json:
    if is_ours and _is_unchanged(message):
        return message.raw
    told: dict[str, Json] = {"role": message.role, "content": _content(message)}
    if message.role == "assistant" and message.tool_calls:
        told["tool_calls"] = message.tool_calls
        told["content"] = told["content"] or None
    if message.role == "tool" and message.tool_results:
        told["tool_call_id"] = as_dict(message.tool_results[0]).get("tool_call_id")
    return told


def _content(message: MessageRecord) -> Json:
    """Parts where all are of this format, and say what the text says; otherwise the text."""
    parts = [as_dict(part) for part in message.parts]
    if not parts or any(part.get("type") not in _PART_TYPES for part in parts):
        return message.content
    return list(message.parts) if _is_said_in(message.content, parts) else message.content


def _is_unchanged(message: MessageRecord) -> bool:
    """Whether the source's object still says what the message says: an edit here leaves `raw` as it was."""
    match message.raw:
        case {"role": str(), "content": list(parts)}:
            return _is_said_in(message.content, [as_dict(part) for part in parts])
        case {"role": str(), "content": str(content)}:
            return content == message.content
        case {"role": str()}:
            return not message.content
    return False


def _is_said_in(content: str, parts: list[dict[str, Json]]) -> bool:
    """Whether the text is made of these parts' texts and nothing but white space."""
    texts = "".join(text_or_none(part.get("text")) or text_or_none(part.get("value")) or "" for part in parts)
    return "".join(content.split()) == "".join(texts.split())
