"""chatbot-ui's first version: {version, history: [chat], folders, prompts} in one object.

A chat is {id, name, messages: [{role, content}], model: {id, name, …}, prompt, temperature, folderId}; there are no
times and no ids of messages, which are known by their place. `prompt` is the system prompt.
"""

from collections.abc import Iterable, Iterator, Mapping

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.openwebui_content import message_parts, message_text
from conversations.interchange.readers.unusable import (
    Found,
    UnusableError,
    check_ids,
    no_messages,
    not_an_object,
    short_id,
)
from conversations.interchange.records import ConversationRecord, DocumentRecord, Json, MessageRecord, Role
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none

NAME = "chatbotui"

_ROLES: Mapping[str, Role] = {"user": "user", "assistant": "assistant", "system": "system", "tool": "tool"}
_MAPPED = {"id", "name", "messages", "prompt", "model"}
_DOCUMENTS = {"folders": "folder", "prompts": "prompt"}


def recognises(sample: Json) -> bool:
    match sample:
        case {"version": int(), "history": list()}:
            return True
        case {"history": list(), "folders": list()}:
            return True
    return False


def read(items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE) -> Iterator[Found]:
    """A record or a Trouble a chat, then the folders and the prompts as documents.

    Troubles: no_messages (skipped), not_an_object, messages_not_a_list, history_not_a_list, external_id_too_long
    (failed); the index is the item's, the pointer the chat's in it.
    """
    for index, item in enumerate(items):
        history = as_dict(item).get("history")
        if not isinstance(item, dict):
            yield not_an_object().trouble(index, None)
        elif not isinstance(history, list):
            detail = "The history is not a JSON array."
            yield UnusableError("failed", "history_not_a_list", detail, "/history").trouble(index, None)
        else:
            yield from _chats(index, history, _folders(item))
            yield from _documents(item)


def _chats(index: int, history: list[Json], folders: Mapping[str, str]) -> Iterator[Found]:
    for number, chat in enumerate(history):
        try:
            yield _conversation(chat, folders)
        except UnusableError as fault:
            fault.pointer = f"/history/{number}{fault.pointer}"
            yield fault.trouble(index, short_id(as_dict(chat).get("id")))


def _conversation(chat: Json, folders: Mapping[str, str]) -> ConversationRecord:
    if not isinstance(chat, dict):
        raise not_an_object()
    check_ids(chat.get("id"))
    listed = chat.get("messages")
    if listed is not None and not isinstance(listed, list):
        raise UnusableError("failed", "messages_not_a_list", "The messages are not a JSON array.", "/messages")
    if not listed:
        raise no_messages()
    model = as_dict(chat.get("model"))
    model_id = first_text(model, "id", "name") or text_or_none(chat.get("model")) or ""
    messages = tuple(_message(number, said, model_id) for number, said in enumerate(listed))
    own: dict[str, Json] = {
        "system_prompt": text_or_none(chat.get("prompt")),
        "model_name": model.get("name"),
        "folder": folders.get(first_text(chat, "folderId")),
    }
    return ConversationRecord(
        source=NAME,
        external_id=short_id(chat.get("id")),
        title=text_or_none(chat.get("name")),
        model=model_id,
        metadata=plain_facts(chat, without=_MAPPED) | {key: value for key, value in own.items() if value},
        current_external_id=messages[-1].external_id,
        messages=messages,
        raw={**chat, "messages": []},
    )


def _message(number: int, said: Json, model: str) -> MessageRecord:
    message = as_dict(said)
    role_name = text_or_none(message.get("role")) or ""
    role = _ROLES.get(role_name, "assistant")
    readable = isinstance(said, dict)
    return MessageRecord(
        external_id=f"message-{number}",
        parent_external_id=f"message-{number - 1}" if number else None,
        role=role,
        content=message_text(message) if readable else text_or_none(said) or "",
        parts=message_parts(message) if readable else ({"type": "unknown", "raw": said},),
        model=model if role == "assistant" else "",
        metadata={"author_role": role_name} if role_name and role_name not in _ROLES else {},
        raw=said,
    )


def _folders(item: dict[str, Json]) -> dict[str, str]:
    folders = map(as_dict, as_list(item.get("folders")))
    return {first_text(folder, "id"): first_text(folder, "name") for folder in folders}


def _documents(item: dict[str, Json]) -> Iterator[DocumentRecord]:
    for place, kind in _DOCUMENTS.items():
        for number, raw in enumerate(as_list(item.get(place))):
            document = as_dict(raw)
            yield DocumentRecord(
                source=NAME,
                kind=kind,
                external_id=short_id(document.get("id")) or f"{kind}-{number}",
                title=first_text(document, "name"),
                raw=raw,
            )
