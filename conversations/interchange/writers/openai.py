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
        is_ours = record.source == NAME
        messages = [told for message in active_branch(record).messages for told in _messages(message, is_ours=is_ours)]
        around = as_dict(record.raw) if record.source == NAME else {}
        yield encode({**around, "messages": messages}) + b"\n"


def _messages(message: MessageRecord, *, is_ours: bool) -> Iterator[Json]:
    """The message; for one that answered in several steps (Claude, DeepSeek) the calls, their results, the answer."""
    if is_ours and _is_unchanged(message):
        yield message.raw
        return
    told: dict[str, Json] = {"role": message.role, "content": _content(message)}
    results = [as_dict(result) for result in message.tool_results or ()]
    is_result = message.role == "tool" and message.content != ""  # then that is what the tool said
    answered = [] if is_result else [result for result in results if "content" in result]
    if message.role == "tool" and message.tool_results and not answered:
        told["tool_call_id"] = as_dict(message.tool_results[0]).get("tool_call_id")
    if message.role == "assistant" and message.tool_calls:
        called: dict[str, Json] = {"role": "assistant", "content": None, "tool_calls": message.tool_calls}
        if not answered:
            called["content"] = told["content"] or None
            yield called
            return
        yield called
    yield from map(_result, answered)
    if told["content"] or not (answered or message.tool_calls):
        yield told


def _result(result: dict[str, Json]) -> Json:
    content = result.get("content")
    text = content if isinstance(content, str) else encode(content).decode()
    return {"role": "tool", "content": text, "tool_call_id": result.get("tool_call_id")}


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
