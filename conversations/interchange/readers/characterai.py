"""Character.AI, as the browser extension "CAI Tools" saves it (there is no official file).

{info: {character: {name, …}}, histories: {histories: [{external_id, created, last_interaction, msgs}]}} is one object
with all conversations with one character. A message is {src: {is_human, name} or is_human, text, uuid or id, created}.
"""

from collections.abc import Iterable, Iterator

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.reading import UnusableError, identity, members, message_names, no_messages
from conversations.interchange.records import ConversationRecord, Json, MessageRecord, Trouble
from conversations.interchange.shapes import as_dict, first_text, plain_facts
from conversations.interchange.times import parse_time
from conversations.interchange.tree import normalised

NAME = "characterai"


def recognises(sample: Json) -> bool:
    match sample:
        case {"info": dict(), "histories": {"histories": list()}}:
            return True
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record a history. Troubles: no_messages (skipped), not_an_object, external_id_too_long (failed)."""
    for index, item in enumerate(items):
        dump = as_dict(item)
        character = as_dict(as_dict(dump.get("info")).get("character"))
        try:
            histories = members(as_dict(dump.get("histories")), "histories")
        except UnusableError as fault:
            fault.pointer = f"/histories{fault.pointer}"
            yield fault.trouble(index)
            continue
        for position, history in enumerate(histories):
            try:
                yield _conversation(history, character)
            except UnusableError as fault:
                fault.pointer = f"/histories/histories/{position}{fault.pointer}"
                yield fault.trouble(index)


def _conversation(history: dict[str, Json], character: dict[str, Json]) -> ConversationRecord:
    external_id = identity(history.get("external_id"))
    said = members(history, "msgs")
    if not said:
        raise no_messages(external_id)
    names = message_names([_own_id(message) or str(at) for at, message in enumerate(said)])
    return normalised(
        ConversationRecord(
            source=NAME,
            external_id=external_id,
            title=first_text(character, "name") or None,
            created_at=parse_time(history.get("created")),
            updated_at=parse_time(history.get("last_interaction")),
            metadata=plain_facts({"character": character.get("name"), "character_id": character.get("external_id")}),
            current_external_id=names[-1],
            messages=tuple(
                _message(message, own, parent)
                for message, own, parent in zip(said, names, [None, *names], strict=False)
            ),
            raw={**history, "msgs": [], "character": character},
        )
    )


def _own_id(message: dict[str, Json]) -> str | None:
    return identity(message.get("uuid")) or identity(message.get("id"))


def _message(message: dict[str, Json], name: str, parent: str | None) -> MessageRecord:
    speaker = as_dict(message.get("src"))
    is_human = speaker.get("is_human", message.get("is_human")) is True
    return MessageRecord(
        external_id=name,
        parent_external_id=parent,
        role="user" if is_human else "assistant",
        content=first_text(message, "text"),
        created_at=parse_time(message.get("created")),
        metadata=plain_facts({"author_name": speaker.get("name")}),
        raw=message,
    )
