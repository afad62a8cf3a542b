"""LM Studio's conversations: `<ms>.conversation.json`, {name, createdAt, messages: [{versions, currentlySelected}], …}.

A version is singleStep {role, content: [blocks]} or multiStep {role, steps: [{type: contentBlock, content, style?,
genInfo?}]}. The versions of a place are siblings, and the next place follows the one selected. Messages have no times.
"""

from collections.abc import Iterable, Iterator

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.blocks import message_objects
from conversations.interchange.readers.lmstudio_message import message_record
from conversations.interchange.readers.unusable import Found, each_read, no_messages
from conversations.interchange.records import ConversationRecord, Json, MessageRecord
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time

NAME = "lmstudio"

_MAPPED = {"name", "createdAt", "messages", "pinned", "systemPrompt"}
_PROMPT = "llm.prediction.systemPrompt"


def recognises(sample: Json) -> bool:
    match sample:
        case {"messages": [{"versions": list(), "currentlySelected": _}, *_]}:
            return True
        case {"messages": [], "lastUsedModel": _} | {"messages": [], "perChatPredictionConfig": _}:
            return True
    return False


def read(items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE) -> Iterator[Found]:
    """One record or one Trouble an item: the file is one conversation, and has no id.

    Troubles: no_messages (skipped); not_an_object, messages_not_a_list, message_not_an_object (failed).
    """
    return each_read(items, lambda _, item: _conversation(item), lambda item: None)


def _conversation(item: dict[str, Json]) -> ConversationRecord:
    places = message_objects(item, "messages")
    messages: list[MessageRecord] = []
    current: str | None = None
    for position, place in enumerate(places):
        versions = as_list(place.get("versions"))
        chosen = _selected(place, len(versions))
        for number, version in enumerate(versions):
            rest = {key: value for key, value in place.items() if key != "versions"} if number == chosen else None
            messages.append(message_record(f"{position}.{number}", current, version, place=rest))
        current = f"{position}.{chosen}" if versions else current
    if not messages:
        raise no_messages()
    created = parse_time(item.get("createdAt"))
    return ConversationRecord(
        source=NAME,
        external_id=None,
        title=text_or_none(item.get("name")),
        created_at=created,
        updated_at=parse_time(item.get("userLastMessagedAt"))
        or parse_time(item.get("assistantLastMessagedAt"))
        or created,
        model=first_text(as_dict(item.get("lastUsedModel")), "identifier", "indexedModelIdentifier"),
        metadata=plain_facts(item, without=_MAPPED) | plain_facts({"system_prompt": _system_prompt(item)}),
        starred=item.get("pinned") is True,
        current_external_id=current,
        messages=tuple(messages),
        raw={key: value for key, value in item.items() if key != "messages"},
    )


def _selected(place: dict[str, Json], count: int) -> int:
    """The version that is shown; the last one where the file names none that there is."""
    chosen = place.get("currentlySelected")
    return chosen if isinstance(chosen, int) and 0 <= chosen < count else count - 1


def _system_prompt(item: dict[str, Json]) -> str:
    fields = as_list(as_dict(item.get("perChatPredictionConfig")).get("fields"))
    own = (first_text(field, "value") for field in map(as_dict, fields) if field.get("key") == _PROMPT)
    return next((prompt for prompt in own if prompt), first_text(item, "systemPrompt"))
