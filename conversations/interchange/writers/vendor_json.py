"""What the writers of the vendors' own shapes share.

A conversation read from the vendor is written from its raw record, so that the vendor's file comes back; what has
changed since is laid over it. Any other is made from the canonical fields.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from conversations.interchange.records import ConversationRecord, Json, MessageRecord
from conversations.interchange.shapes import as_dict, as_list, first_text, text_or_none
from conversations.interchange.times import EPOCH, parse_time


def json_bytes(value: Json) -> bytes:
    """As it is in UTF-8; where half a surrogate pair stands in it, which has no UTF-8, in ASCII with escapes."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def json_array(items: Iterable[Json]) -> Iterator[bytes]:
    """A JSON array, a line an item; complete only with the last piece."""
    before = b"[\n"
    for item in items:
        yield before + json_bytes(item)
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def raw_of(record: ConversationRecord, vendor: str) -> dict[str, Json] | None:
    """The vendor's own conversation, where it came from there."""
    return record.raw if record.source == vendor and isinstance(record.raw, dict) else None


def laid_over(raw: dict[str, Json], times: Mapping[str, datetime | None], **fields: Json) -> dict[str, Json]:
    """The raw object with the fields that differ, and a name in `times` only where it names another time.

    None changes nothing: it says that the record does not know. A time is written as the raw one is: a number of
    seconds, or ISO 8601. What raw lacks altogether, like the time of a chat that has only its messages', stays away.
    """
    changed: dict[str, Json] = {key: value for key, value in fields.items() if value is not None}
    for key, moment in times.items():
        stated = parse_time(raw.get(key))
        if moment is not None and stated is not None and stated != moment:
            changed[key] = iso_time(moment) if isinstance(raw[key], str) else whole_seconds(moment)
    return raw | changed


def truth(raw: dict[str, Json], key: str, value: bool) -> Json:
    """A flag to lay over: null and missing say no as well as false does."""
    return None if (raw.get(key) is True) is value else value


def iso_time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def whole_seconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // timedelta(seconds=1)


def seconds(moment: datetime | None) -> int | float | None:
    """Since 1970: whole where they are, else with microseconds, which a double holds until the year 2255."""
    if moment is None:
        return None
    return (moment - EPOCH).total_seconds() if moment.microsecond else whole_seconds(moment)


def reasoning(message: MessageRecord) -> list[str]:
    """The texts of the model's thoughts, whatever vendor's parts they stand in."""
    return [text for part in map(as_dict, message.parts) for text in _thoughts(part) if text]


def _thoughts(part: dict[str, Json]) -> list[str]:
    match text_or_none(part.get("type")) or text_or_none(part.get("content_type")):
        case "thinking":
            return [first_text(part, "thinking")]
        case "think":
            return [first_text(part, "think")]
        case "reasoning":
            pieces = [first_text(as_dict(piece), "text") for piece in as_list(part.get("content"))]
            return pieces or [first_text(part, "text", "reasoning", "content")]
        case "thoughts":
            return [first_text(as_dict(thought), "content", "summary") for thought in as_list(part.get("thoughts"))]
    return []


def function_of(call: Json) -> tuple[str | None, str, str]:
    """A call in OpenAI's form: its id, the tool's name, the arguments as text."""
    fields = as_dict(call)
    function = as_dict(fields.get("function"))
    return text_or_none(fields.get("id")), first_text(function, "name"), first_text(function, "arguments")


def parsed_arguments(arguments: str) -> Json:
    """The arguments as JSON; as the text they are where they are none."""
    try:
        return json.loads(arguments)  # type: ignore[no-any-return] # json's own stubs say Any; it is Json
    except (ValueError, RecursionError):
        return arguments


def without_nones(**fields: Json) -> dict[str, Json]:
    return {key: value for key, value in fields.items() if value is not None}
