"""Gemini in Google Workspace: `Conversation History/conversation_<id>.txt`, JSON in spite of its name.

{title, creation_time, last_modification_time, conversation_turns: [{user_turn: {prompt, turn_last_modified}} or
{system_turn: {text: [{data, citations}]}}]}. "System" is Gemini, which has no times of its own.
"""

import re
from collections.abc import Iterable, Iterator

from conversations.interchange.bundle import NO_BUNDLE, Bundle, last_name
from conversations.interchange.readers.reading import identity, members, no_messages, read_each, webpage
from conversations.interchange.records import ConversationRecord, Json, MessageRecord, Trouble
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import normalised

NAME = "gemini-workspace"

_FILE = re.compile(r"conversation_(.{1,200})\.(?:txt|json)")
_ABOUT = {"id", "title", "creation_time", "last_modification_time"}


def recognises(sample: Json) -> bool:
    match sample:
        case {"conversation_turns": list()}:
            return True
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record a file. Troubles: no_messages (skipped), not_an_object, conversation_turns_not_a_list (failed)."""
    named = _FILE.fullmatch(last_name(name))
    return read_each(items, lambda item: _conversation(item, None if named is None else named[1]))


def _conversation(item: dict[str, Json], file_id: str | None) -> ConversationRecord:
    external_id = identity(item.get("id")) or file_id
    turns = members(item, "conversation_turns")
    if not turns:
        raise no_messages(external_id)
    return normalised(
        ConversationRecord(
            source=NAME,
            external_id=external_id,
            title=text_or_none(item.get("title")),
            created_at=parse_time(item.get("creation_time")),
            updated_at=parse_time(item.get("last_modification_time")),
            metadata=plain_facts(item, without=_ABOUT),
            current_external_id=str(len(turns) - 1),
            messages=tuple(_message(turn, at) for at, turn in enumerate(turns)),
            raw={key: value for key, value in item.items() if key != "conversation_turns"},
        )
    )


def _message(turn: dict[str, Json], at: int) -> MessageRecord:
    parent = str(at - 1) if at else None
    if "user_turn" in turn:
        said = as_dict(turn["user_turn"])
        return MessageRecord(
            external_id=str(at),
            parent_external_id=parent,
            role="user",
            content=first_text(said, "prompt"),
            created_at=parse_time(said.get("turn_last_modified")),
            metadata=plain_facts(said, without={"prompt", "turn_last_modified"}),
            raw=turn,
        )
    answer = as_dict(turn.get("system_turn"))
    pieces = [as_dict(piece) for piece in as_list(answer.get("text"))]
    unknown: tuple[Json, ...] = () if pieces else ({"type": "unknown", "raw": turn},)
    return MessageRecord(
        external_id=str(at),
        parent_external_id=parent,
        role="assistant",
        content="\n".join(first_text(piece, "data") for piece in pieces),
        parts=unknown,
        created_at=parse_time(answer.get("turn_last_modified")),
        sources=list(_sources(pieces)) or None,
        metadata=plain_facts(answer, without={"turn_last_modified"}),
        raw=turn,
    )


def _sources(pieces: list[dict[str, Json]]) -> Iterator[Json]:
    """What each piece of the text cites: all of it, so that its beginning and end are the citation's."""
    place = 0
    for piece in pieces:
        end = place + len(first_text(piece, "data"))
        for citation in as_list(piece.get("citations")):
            page: dict[str, Json] = {"url": citation} if isinstance(citation, str) else as_dict(citation)
            yield webpage(page, start=place, end=end)
        place = end + 1
