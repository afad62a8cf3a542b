"""Open WebUI's shape: the array of chats that its settings export, and import again."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from conversations.interchange.readers.openwebui_content import message_text
from conversations.interchange.records import AttachmentRecord, ConversationRecord, Json, MessageRecord
from conversations.interchange.shapes import as_dict, as_list, first_text
from conversations.interchange.tree import Tree, current_leaf
from conversations.interchange.writers.vendor_json import (
    function_of,
    json_array,
    laid_over,
    raw_of,
    reasoning,
    seconds,
    truth,
    whole_seconds,
    without_nones,
)

NAME = "openwebui"
EXTENSION = "json"
MEDIA_TYPE = "application/json"


class _Children(NamedTuple):
    """parent -> children, and those of them that the vendor does not know of."""

    all: defaultdict[str | None, list[Json]]
    added: defaultdict[str | None, list[Json]]


def write(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    """One array, a chat at a time. Times of messages keep their fractions; those of chats are whole seconds, which is
    all that Open WebUI takes."""
    return json_array(_chat_response(record) for record in records)


def _chat_response(record: ConversationRecord) -> Json:
    raw = raw_of(record, NAME)
    messages = _messages(record, is_own=raw is not None)
    if raw is None:
        return _made(record, messages)
    if "chat" not in raw:
        return laid_over(raw, {}, title=record.title) | _with_messages(raw, record, messages)
    chat = as_dict(raw["chat"])
    item = laid_over(
        raw,
        {"created_at": record.created_at, "updated_at": record.updated_at},
        title=record.title if isinstance(raw.get("title"), str) else None,
        pinned=truth(raw, "pinned", record.starred),
        archived=truth(raw, "archived", record.archived),
    )
    return item | {"chat": {**chat, **_with_messages(chat, record, messages)}}


def _with_messages(
    chat: dict[str, Json], record: ConversationRecord, messages: dict[str, dict[str, Json]]
) -> dict[str, Json]:
    """The fields of the vendor's chat that hold its messages."""
    rest = as_list(chat.get("messages"))
    if record.metadata.get("legacy_list") is True and all(message.raw is not None for message in record.messages):
        return {"messages": [*messages.values(), *rest]}
    history = as_dict(chat.get("history"))
    entries: dict[str, Json] = {**messages, **as_dict(history.get("messages"))}
    full = {**history, "messages": entries, **_current(record, history.get("currentId"), messages)}
    return {"history": full} | ({"messages": rest} if "messages" in chat else {})


def _current(record: ConversationRecord, named: Json, messages: Mapping[str, object]) -> dict[str, Json]:
    """The current message where the chat names another, or names none and the newest leaf is not the one."""
    if isinstance(named, str) and named in messages:
        return {"currentId": record.current_external_id}
    tree = Tree(tuple(messages), {said.external_id: said.parent_external_id for said in record.messages})
    newest = current_leaf(tree, declared=None, times={said.external_id: said.created_at for said in record.messages})
    return {} if newest == record.current_external_id else {"currentId": record.current_external_id}


def _made(record: ConversationRecord, messages: dict[str, dict[str, Json]]) -> Json:
    models = list(dict.fromkeys(said.model for said in record.messages if said.model and said.role == "assistant"))
    tags: list[Json] = [*record.tags]
    system = first_text(record.metadata, "system_prompt")
    chat: dict[str, Json] = {
        "id": record.external_id or "",
        "title": record.title or "",
        "models": [*models] or ([record.model] if record.model else []),
        "params": {"system": system} if system else {},
        "history": {"messages": {**messages}, "currentId": record.current_external_id},
        "messages": _active(record, messages),
        "tags": tags,
        **without_nones(timestamp=None if record.created_at is None else round(record.created_at.timestamp() * 1000)),
        "files": [],
    }
    return {
        "id": record.external_id or "",
        "title": record.title or "",
        "chat": chat,
        **without_nones(created_at=whole_seconds(record.created_at), updated_at=whole_seconds(record.updated_at)),
        "archived": record.archived,
        "pinned": record.starred,
        "meta": {"tags": tags},
        "folder_id": None,
    }


def _active(record: ConversationRecord, messages: dict[str, dict[str, Json]]) -> list[Json]:
    parents = {message.external_id: message.parent_external_id for message in record.messages}
    path: list[Json] = []
    key = record.current_external_id
    while key is not None:
        path.append(messages[key])
        key = parents[key]
    return path[::-1]


def _messages(record: ConversationRecord, *, is_own: bool) -> dict[str, dict[str, Json]]:
    children = _Children(defaultdict(list), defaultdict(list))
    raws = {message.external_id: message.raw if is_own else None for message in record.messages}
    for message in record.messages:
        children.all[message.parent_external_id].append(message.external_id)
        if raws[message.external_id] is None:
            children.added[message.parent_external_id].append(message.external_id)
    return {said.external_id: _message(said, raws[said.external_id], children) for said in record.messages}


def _listed(raw: dict[str, Json]) -> list[Json]:
    return as_list(raw.get("childrenIds"))


def _message(message: MessageRecord, raw: Json, children: _Children) -> dict[str, Json]:
    if isinstance(raw, dict):
        added = [child for child in children.added.get(message.external_id, []) if child not in _listed(raw)]
        return {
            **raw,
            **({} if message_text(raw) == message.content else {"content": message.content}),
            **({"childrenIds": [*_listed(raw), *added]} if added else {}),  # its pages go down by them
        }
    return {
        "id": message.external_id,
        "parentId": message.parent_external_id,
        "childrenIds": children.all.get(message.external_id, []),
        "role": message.role,
        "content": message.content,
        **without_nones(
            timestamp=seconds(message.created_at),
            model=message.model or None,
            modelName=message.model or None,
            done=message.status in ("complete", "failed") if message.role == "assistant" else None,
            error={"content": "The answer failed."} if message.status == "failed" else None,
            hidden=message.hidden or None,
            usage=_usage(message) or None,
            output=_output(message) or None,
            sources=[_source(cited) for cited in message.sources or []] or None,
            files=[_file(attached) for attached in message.attachments] or None,
        ),
    }


def _usage(message: MessageRecord) -> dict[str, Json]:
    return without_nones(
        prompt_tokens=message.tokens_in, completion_tokens=message.tokens_out, total_tokens=message.tokens_used
    )


def _output(message: MessageRecord) -> list[Json]:
    """Thoughts, calls, results, and then the text once more: without it the tools alone would be shown."""
    items: list[Json] = [
        {"type": "reasoning", "status": "completed", "content": [{"type": "output_text", "text": text}]}
        for text in reasoning(message)
    ]
    for call in message.tool_calls or []:
        call_id, name, arguments = function_of(call)
        items.append({"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments})
    for result in map(as_dict, message.tool_results or []):
        text = first_text(result, "content") or (message.content if message.role == "tool" else "")
        items.append(
            {
                "type": "function_call_output",
                "call_id": result.get("tool_call_id"),
                "name": result.get("name"),
                "output": [{"type": "input_text", "text": text}],
            }
        )
    if items and message.content:
        items.append(
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": message.content}]}
        )
    return items


def _source(cited: Json) -> Json:
    source = as_dict(cited)
    title, url = source.get("title"), source.get("url")
    return {
        "source": without_nones(type=source.get("type"), name=title, url=url, id=source.get("id")),
        "document": [],
        "metadata": [without_nones(source=url, title=title, page=source.get("page"))],
    }


def _file(attached: AttachmentRecord) -> Json:
    return {
        "type": "image" if attached.media_type.startswith("image/") else "file",
        "id": attached.external_id,
        "name": attached.name,
        **without_nones(
            content_type=attached.media_type or None,
            size=attached.size,
            file={"data": {"content": attached.text}} if attached.text else None,
        ),
    }
