"""Mistral's Le Chat: a zip of `chat-<uuid>.json`, each one conversation, with files in `chat-<uuid>-files/`.

The file is a bare array of messages {id, chatId, role, content, contentChunks, createdAt, files, …}, newest first and
without a title; its id is the messages' chatId, else the one in the file's name. Where `content` is "" the text stands
in the chunks: {type: text | tool_call | reference | custom_element}.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from conversations.interchange.bundle import NO_BUNDLE, Bundle, last_name
from conversations.interchange.readers.reading import UnusableError, identity, message_names
from conversations.interchange.records import AttachmentRecord, ConversationRecord, Json, MessageRecord, Role, Trouble
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import EPOCH, parse_time
from conversations.interchange.tree import distinct, normalised

NAME = "lechat"

_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "tool": "tool"}
_CHAT_FILE = re.compile(r"chat-([0-9A-Za-z-]{1,200})\.json")
_MAPPED = {"id", "chatId", "role", "content", "createdAt"}


def recognises(sample: Json) -> bool:
    match sample:
        case {"chatId": str(), "role": _, "content": _} | {"contentChunks": _, "role": _}:
            return True
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record a file. Troubles: not_an_object for a member that is no message, external_id_too_long (failed)."""
    found = list(items)
    for index, item in enumerate(found):
        if not isinstance(item, dict):
            yield UnusableError("failed", "not_an_object", "The message is not a JSON object.").trouble(index)
    messages = [item for item in found if isinstance(item, dict)]
    if not messages:
        return
    try:
        yield _conversation(messages, last_name(name), bundle)
    except UnusableError as fault:
        yield fault.trouble(0)


def _conversation(items: list[dict[str, Json]], file_name: str, bundle: Bundle) -> ConversationRecord:
    # Newest first, and two of one moment as well: turned round, a sort by time keeps these in order.
    ordered = items[::-1]
    ordered.sort(key=lambda item: parse_time(item.get("createdAt")) or EPOCH)
    names = message_names([identity(item.get("id")) or str(at) for at, item in enumerate(ordered)])
    chat_id = next((found for item in items if (found := identity(item.get("chatId")))), None)
    if chat_id is None and (named := _CHAT_FILE.fullmatch(file_name)):
        chat_id = named[1]
    times = [moment for item in ordered if (moment := parse_time(item.get("createdAt")))]
    messages = tuple(
        _message(item, own, parent, chat_id, bundle)
        for item, own, parent in zip(ordered, names, [None, *names], strict=False)
    )
    return normalised(
        ConversationRecord(
            source=NAME,
            external_id=chat_id,
            created_at=min(times, default=None),
            updated_at=max(times, default=None),
            model=next((message.model for message in reversed(messages) if message.model), ""),
            current_external_id=names[-1],
            messages=messages,
            raw={},
        )
    )


def _message(
    item: dict[str, Json], name: str, parent: str | None, chat_id: str | None, bundle: Bundle
) -> MessageRecord:
    role = text_or_none(item.get("role")) or ""
    chunks = as_list(item.get("contentChunks"))
    content = first_text(item, "content") or "".join(_text(chunk) for chunk in chunks)
    calls, results = _tools(name, chunks)
    is_plain = not chunks or (len(chunks) == 1 and as_dict(chunks[0]).get("type") == "text")
    return MessageRecord(
        external_id=name,
        parent_external_id=parent,
        role=_ROLES.get(role, "assistant"),
        content=content,
        parts=() if is_plain else tuple(chunks),
        model=first_text(item, "model"),
        created_at=parse_time(item.get("createdAt")),
        tool_calls=calls or None,
        tool_results=results or None,
        sources=(None if item.get("content") else _references(chunks)) or None,
        metadata=plain_facts(item, structures={"canvas", "quotes"}, without=_MAPPED)
        | ({} if role in _ROLES else plain_facts({"author_role": item.get("role")})),
        attachments=tuple(_attachments(item, chat_id, bundle)),
        raw=item,
    )


def _text(chunk: Json) -> str:
    fields = as_dict(chunk)
    return first_text(fields, "text") if fields.get("type") == "text" else ""


def _tools(name: str, chunks: list[Json]) -> tuple[list[Json], list[Json]]:
    """A chunk holds the call and its result."""
    calls: list[Json] = []
    results: list[Json] = []
    for position, chunk in enumerate(map(as_dict, chunks)):
        if chunk.get("type") != "tool_call":
            continue
        call_id, tool = first_text(chunk, "id") or f"{name}:{position}", first_text(chunk, "name")
        arguments = chunk.get("publicArguments")
        written = arguments if isinstance(arguments, str) else json.dumps({} if arguments is None else arguments)
        calls.append({"id": call_id, "type": "function", "function": {"name": tool, "arguments": written}})
        if chunk.get("publicResult") is not None:
            results.append({"tool_call_id": call_id, "name": tool, "content": chunk["publicResult"]})
    return calls, results


def _references(chunks: list[Json]) -> list[Json]:
    """Where in the text, put together of its chunks, it refers to which sources."""
    found: list[Json] = []
    place = 0
    for chunk in map(as_dict, chunks):
        place += len(_text(chunk))
        if chunk.get("type") == "reference":
            ids = chunk.get("referenceIds")
            found.append({"type": "reference", "reference_ids": ids, "start": place, "end": place})
    return found


def _attachments(item: dict[str, Json], chat_id: str | None, bundle: Bundle) -> Iterator[AttachmentRecord]:
    files = [as_dict(file) for file in as_list(item.get("files"))]
    keys = [(first_text(file, "id") or first_text(file, "name"))[:200] for file in files]
    for external_id, file in zip(distinct(keys), files, strict=True):
        name = first_text(file, "name")
        member = bundle.ending(f"chat-{chat_id}-files/{name}") if name else None
        kind = first_text(file, "mimeType", "type")
        yield AttachmentRecord(
            external_id=external_id,
            name=name,
            media_type=kind if "/" in kind else "",
            size=None if member is None else member.size,
            opened=None if member is None else member.opened,
            raw=file,
        )
