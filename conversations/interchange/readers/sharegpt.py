"""ShareGPT: {conversations: [{from, value}], id?, system?, tools?, chosen?, rejected?}, an array or a line each.

Training files keep their chats so, LLaMA-Factory's among them, which also say {messages: [{role, content}], images}.
No times, no titles. `chosen` and `rejected` are two answers to the last turn: siblings, the chosen one is shown.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.jsonstream import members_beside
from conversations.interchange.readers.blocks import chained, message_objects, read_content, url_attachment
from conversations.interchange.readers.openai_message import written_call
from conversations.interchange.readers.unusable import Found, UnusableError, check_ids, each_read, short_id
from conversations.interchange.records import AttachmentRecord, ConversationRecord, Json, MessageRecord, Role, Trouble
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none

NAME = "sharegpt"

ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "bing", "bard", "model", "function_call"), "assistant"),
    **dict.fromkeys(("observation", "tool", "function"), "tool"),
    "system": "system",
}
_MEDIA = {"images": "<image>", "videos": "<video>", "audios": "<audio>"}
_MAPPED = {"id", "conversations", "messages", "tools"}


def recognises(sample: Json) -> bool:
    match sample:
        case {"conversations": [{"from": str()}, *_]} | {"from": str(), "value": str() | None}:
            return True
        case {"messages": [{"role": _, "content": _}, *_]}:
            return any(key in as_dict(sample) for key in _MEDIA)
    return False


def read(items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE) -> Iterator[Found]:
    """One record or one Trouble an item. Bare turns, which a file of one conversation only holds, are one record.

    Troubles: no_messages (skipped); not_an_object, conversations_not_a_list, message_not_an_object,
    external_id_too_long (failed).
    """
    remaining = iter(items)
    for first in remaining:
        together = chain([first], remaining)
        if "from" in as_dict(first):
            said: list[Json] = list(together)
            turns: Json = {**members_beside(items), "conversations": said}  # known once all are read
            yield from map(_of_the_turns, _each([turns]))
        else:
            yield from _each(together)


def _each(items: Iterable[Json]) -> Iterator[Found]:
    return each_read(items, lambda _, item: _conversation(item), lambda item: item.get("id"))


def _of_the_turns(found: Found) -> Found:
    """A bare turn is the item, so that its pointer is that of the item."""
    if not isinstance(found, Trouble) or not found.pointer:
        return found
    return replace(found, index=int(found.pointer.rpartition("/")[2]), pointer="")


def _conversation(item: dict[str, Json]) -> ConversationRecord:
    check_ids(item.get("id"))
    key = "conversations" if "conversations" in item else "messages"
    turns = message_objects(item, key)
    messages = [*_system(item), *_turns(turns, _Media(item))]
    last = messages[-1].external_id if messages else None
    choices = [_alternative(name, item[name], last) for name in ("chosen", "rejected") if item.get(name) is not None]
    if not messages and not choices:
        raise UnusableError("skipped", "no_messages", "The conversation holds no messages.")
    linked = chained(messages) if messages else ()
    return ConversationRecord(
        source=NAME,
        external_id=short_id(item.get("id")),
        metadata=plain_facts(item, without=_MAPPED),
        current_external_id=choices[0].external_id if choices else linked[-1].external_id,
        messages=(*linked, *choices),
        raw={name: value for name, value in item.items() if name != key},
    )


class _Media:
    """The files of a conversation, in the order in which placeholders in its texts name them."""

    def __init__(self, item: dict[str, Json]) -> None:
        self._waiting = {mark: iter(as_list(item.get(key))) for key, mark in _MEDIA.items()}

    def taken(self, text: str) -> Iterator[AttachmentRecord]:
        for mark, waiting in self._waiting.items():
            for number in range(text.count(mark)):
                found = url_attachment(f"{mark[1:-1]}:{number}", next(waiting, None))
                if found is not None:
                    yield found


def _system(item: dict[str, Json]) -> Iterator[MessageRecord]:
    if text := text_or_none(item.get("system")):
        yield MessageRecord(external_id="system", role="system", content=text)


def _turns(turns: Iterable[dict[str, Json]], media: _Media) -> Iterator[MessageRecord]:
    """The turns under their positions; an observation answers the call before it."""
    call: str | None = None
    for position, turn in enumerate(turns):
        message = _message(str(position), turn, call, tuple(media.taken(first_text(turn, "value", "content"))))
        call = f"{message.external_id}:call" if message.tool_calls else call
        yield message


def _message(
    name: str, turn: dict[str, Json], call: str | None, attachments: tuple[AttachmentRecord, ...] = ()
) -> MessageRecord:
    speaker = first_text(turn, "from", "role")
    role = ROLES.get(speaker, "assistant")
    content = read_content(turn["value"] if "value" in turn else turn.get("content"))
    return MessageRecord(
        external_id=name,
        role=role,
        content=content.text,
        parts=content.parts,
        tool_calls=[written_call(f"{name}:call", content.text)] if speaker == "function_call" else None,
        tool_results=[{"tool_call_id": call, "name": None}] if role == "tool" and call else None,
        metadata=plain_facts({"author_role": speaker if ROLES.get(speaker) != speaker else None})
        | plain_facts(turn, without={"from", "role", "value", "content"}),
        attachments=(*attachments, *content.attachments),
        raw=turn,
    )


def _alternative(name: str, answer: Json, parent: str | None) -> MessageRecord:
    turn: dict[str, Json] = answer if isinstance(answer, dict) else {"from": "gpt", "value": answer}
    return replace(_message(name, turn, None), parent_external_id=parent)
