"""SillyTavern's chats: JSON Lines of a header {user_name, character_name, create_date, chat_metadata} and messages.

A message is {name, is_user, is_system, mes, send_date, extra, swipes, swipe_id, swipe_info}. Swipes are answers to
choose from: siblings, and the next message follows the one shown, whose text is `mes`. A message of `is_system` is
kept from the model: it is hidden here. All lines are one conversation, which has no id.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.readers.blocks import url_attachment
from conversations.interchange.readers.conversation_facts import count_or_none, span
from conversations.interchange.readers.unusable import no_messages, not_an_object
from conversations.interchange.records import AttachmentRecord, ConversationRecord, Json, MessageRecord, Role, Trouble
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time

NAME = "sillytavern"

_MAPPED = {"name", "is_user", "is_system", "mes", "send_date", "swipes", "swipe_id", "swipe_info", "extra"}
_DATE = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2}) ?@"
    r"(?P<hour>\d{1,2})h ?(?P<minute>\d{1,2})m ?(?P<second>\d{1,2})s(?: ?(?P<milli>\d{1,3})ms)?"
)
_ENGLISH = ("%B %d, %Y %I:%M%p", "%B %d, %Y %I:%M %p", "%b %d, %Y %I:%M%p")


def recognises(sample: Json) -> bool:
    match sample:
        case {"user_name": _, "character_name": _}:
            return True
        case {"chat_metadata": dict()}:
            return "messages" not in as_dict(sample)
        case {"name": _, "is_user": bool(), "mes": _}:
            return True
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record of all lines. Troubles: no_messages (skipped), not_an_object (failed)."""
    header: dict[str, Json] = {}
    messages: list[MessageRecord] = []
    current: str | None = None
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            yield not_an_object().trouble(index, None)
        elif "mes" not in item and not messages and not header:
            header = item
        else:
            found = list(_swipes(str(index), item, current))
            messages += found
            current = found[_shown(item, len(found))].external_id
    if current is None:
        yield no_messages().trouble(0, None)
        return
    earliest, latest = span(messages)
    created = send_date(header.get("create_date"))
    yield ConversationRecord(
        source=NAME,
        external_id=None,
        title=text_or_none(header.get("character_name")),
        created_at=created or earliest,
        updated_at=latest or created,
        model=next((message.model for message in reversed(messages) if message.model), ""),
        metadata=plain_facts(header, without={"character_name", "create_date"}),
        current_external_id=current,
        messages=tuple(messages),
        raw=header,
    )


def send_date(value: Json) -> datetime | None:
    """A time in any of the spellings SillyTavern had: ISO 8601, milliseconds, `2026-3-7 @10h 40m 00s 123ms`, English.

    The last two are local times without a zone, and are taken as UTC. None for any other.
    """
    if isinstance(value, str):
        if found := _DATE.fullmatch(value.strip()):
            facts = {name: int(number) for name, number in found.groupdict(default="0").items()}
            micro = facts.pop("milli") * 1000
            return parse_time(_iso(**facts, micro=micro))
        for spelling in _ENGLISH:
            try:
                return parse_time(datetime.strptime(value.strip(), spelling).isoformat())
            except ValueError:
                continue
    return parse_time(value)


def _iso(*, year: int, month: int, day: int, hour: int, minute: int, second: int, micro: int) -> str:
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micro:06}"


def _shown(item: dict[str, Json], count: int) -> int:
    chosen = item.get("swipe_id")
    return chosen if isinstance(chosen, int) and not isinstance(chosen, bool) and 0 <= chosen < count else 0


def _swipes(name: str, item: dict[str, Json], parent: str | None) -> Iterator[MessageRecord]:
    """The message; where it has swipes, all of them in their order, and in the place of the one shown the message."""
    swipes = as_list(item.get("swipes"))
    if len(swipes) < 2:
        yield _message(name, item, parent)
        return
    shown = _shown(item, len(swipes))
    for number, (text, info) in enumerate(zip(swipes, _padded(item.get("swipe_info"), len(swipes)), strict=True)):
        if number == shown:
            yield _message(name, item, parent)
        else:
            aside: Json = {"swipe": text, "info": info}
            other = {**item, "mes": text, "send_date": as_dict(info).get("send_date")}
            other["extra"] = as_dict(info).get("extra")
            yield _message(f"{name}.{number}", other, parent, raw=aside)


def _padded(infos: Json, length: int) -> list[Json]:
    found = as_list(infos)[:length]
    return [*found, *([None] * (length - len(found)))]


def _message(name: str, item: dict[str, Json], parent: str | None, *, raw: Json = None) -> MessageRecord:
    extra = as_dict(item.get("extra"))
    is_system = item.get("is_system") is True
    role: Role = "system" if is_system else "user" if item.get("is_user") is True else "assistant"
    thought = first_text(extra, "reasoning")
    text = item.get("mes")
    unknown: tuple[Json, ...] = () if isinstance(text, str | None) else ({"type": "unknown", "raw": text},)
    return MessageRecord(
        external_id=name,
        parent_external_id=parent,
        role=role,
        content=text_or_none(text) or "",
        parts=(*unknown, *(({"type": "reasoning", "text": thought},) if thought else ())),
        model=first_text(extra, "model"),
        created_at=send_date(item.get("send_date")),
        hidden=is_system,
        metadata=plain_facts({"author_name": item.get("name")})
        | plain_facts(item, without=_MAPPED)
        | plain_facts(extra, without={"reasoning", "model", "token_count"}),
        tokens_used=count_or_none(extra.get("token_count")),
        attachments=tuple(_attachments(extra)),
        raw=item if raw is None else raw,
    )


def _attachments(extra: dict[str, Json]) -> Iterator[AttachmentRecord]:
    """Pictures and files by their addresses in SillyTavern's own folder, or as data URLs."""
    file = as_dict(extra.get("file"))
    named = [(extra.get("image"), ""), (extra.get("video"), ""), (file.get("url"), first_text(file, "name"))]
    for place, (url, name) in enumerate(named):
        if (found := url_attachment(str(place), url, name=name)) is not None:
            yield found
