"""LangChain's messages: `messages_to_dict`, [{type, data: {…}}], and `dumpd`, [{lc: 1, type: constructor, id, kwargs}].

All items are one conversation; {messages: […]} with such messages, a state of LangGraph, is one as well. No times.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.blocks import chained, message_objects, read_content
from conversations.interchange.readers.conversation_facts import count_or_none
from conversations.interchange.readers.openai_message import function_call
from conversations.interchange.readers.unusable import UnusableError, each_read, not_an_object
from conversations.interchange.records import ConversationRecord, DocumentRecord, Json, MessageRecord, Role, Trouble
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none

NAME = "langchain"

_ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("human", "HumanMessage", "user"), "user"),
    **dict.fromkeys(("ai", "AIMessage", "assistant"), "assistant"),
    **dict.fromkeys(("system", "SystemMessage", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "ToolMessage", "FunctionMessage"), "tool"),
}
_MAPPED = {"content", "type", "id", "tool_calls", "invalid_tool_calls", "usage_metadata", "tool_call_id", "role"}


def recognises(sample: Json) -> bool:
    match sample:
        case {"messages": [first, *_]}:
            return _is_message(first)
    return _is_message(sample)


def _is_message(item: Json) -> bool:
    match item:
        case {"lc": int(), "type": "constructor", "kwargs": {"content": _}}:
            return True
        case {"type": str(), "data": {"content": _}}:
            return True
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | DocumentRecord | Trouble]:
    """One record of all messages, or one an item where each item holds messages.

    Troubles: no_messages (skipped); not_an_object, message_not_an_object, external_id_too_long (failed).
    """
    remaining = iter(items)
    for first in remaining:
        together = chain([first], remaining)
        if isinstance(first, dict) and "messages" in first:
            yield from each_read(together, lambda _, item: _conversation(item), lambda item: None)
        else:
            yield from _bare(together)


def _bare(items: Iterable[Json]) -> Iterator[ConversationRecord | Trouble]:
    messages: list[dict[str, Json]] = []
    for index, item in enumerate(items):
        if isinstance(item, dict):
            messages.append(item)
        else:
            yield not_an_object().trouble(index, None)
    try:
        yield _record({}, messages)
    except UnusableError as fault:
        yield fault.trouble(0, None)


def _conversation(item: dict[str, Json]) -> ConversationRecord:
    return _record(item, message_objects(item, "messages"))


def _record(item: dict[str, Json], listed: list[dict[str, Json]]) -> ConversationRecord:
    messages = chained(_message(str(position), message) for position, message in enumerate(listed))
    return ConversationRecord(
        source=NAME,
        external_id=None,
        model=next((message.model for message in reversed(messages) if message.model), ""),
        current_external_id=messages[-1].external_id,
        messages=messages,
        raw={key: value for key, value in item.items() if key != "messages"},
    )


def _message(position: str, item: dict[str, Json]) -> MessageRecord:
    data = as_dict(item.get("kwargs") if "lc" in item else item.get("data"))
    name = text_or_none(data.get("id")) or position
    kind = _kind(item, data)
    role = _ROLES.get(kind, "assistant")
    content = read_content(data.get("content"))
    usage, told = as_dict(data.get("usage_metadata")), as_dict(data.get("response_metadata"))
    return MessageRecord(
        external_id=name,
        role=role,
        content=content.text,
        parts=content.parts,
        status="failed" if role == "tool" and data.get("status") == "error" else "complete",
        model=first_text(told, "model_name", "model"),
        tool_calls=_tool_calls(name, data) or None,
        tool_results=_results(data) if role == "tool" else None,
        metadata=plain_facts({"author_role": kind if kind not in _ROLES else None})
        | plain_facts(data, without=_MAPPED),
        tokens_in=count_or_none(usage.get("input_tokens")),
        tokens_out=count_or_none(usage.get("output_tokens")),
        tokens_used=count_or_none(usage.get("total_tokens")),
        attachments=content.attachments,
        raw=item,
    )


def _kind(item: dict[str, Json], data: dict[str, Json]) -> str:
    """The kind of a message; the pieces of a streamed one are of kinds that end so; a ChatMessage names its role."""
    path = as_list(item.get("id"))
    of_class = text_or_none(path[-1]) if "lc" in item and path else None
    kind = first_text(data, "type") or of_class or ("" if "lc" in item else first_text(item, "type"))
    kind = kind.removesuffix("Chunk")
    return first_text(data, "role") or kind if kind in ("chat", "ChatMessage") else kind


def _tool_calls(name: str, data: dict[str, Json]) -> list[Json]:
    """The calls; those whose arguments were no JSON (`invalid_tool_calls`) are calls as well, with these for text."""
    listed = [as_dict(call) for key in ("tool_calls", "invalid_tool_calls") for call in as_list(data.get(key))]
    if not listed:
        return as_list(as_dict(data.get("additional_kwargs")).get("tool_calls"))  # the provider's own: OpenAI's form
    return [
        function_call(text_or_none(call.get("id")) or f"{name}:{place}", first_text(call, "name"), call.get("args"))
        for place, call in enumerate(listed)
    ]


def _results(data: dict[str, Json]) -> list[Json]:
    return [{"tool_call_id": text_or_none(data.get("tool_call_id")), "name": text_or_none(data.get("name"))}]
