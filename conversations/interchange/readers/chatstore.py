"""Our own exports, JSON Lines or one array: `wire.py` says how they look."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.records import (
    MAX_EXTERNAL_ID,
    RECORDS_VERSION,
    AttachmentRecord,
    ConversationRecord,
    Json,
    MessageRecord,
    Trouble,
)
from conversations.interchange.shapes import as_dict, as_list
from conversations.interchange.times import parse_time
from conversations.interchange.tree import faults, grown, normalised
from conversations.interchange.wire import VERSION_KEY, own_facts

NAME = "chatstore"

_ROLES = {"user", "assistant", "system", "tool"}
_STATUSES = {"complete", "streaming", "interrupted", "failed"}
_LONGEST_NUMBER = 40  # of a decimal, in characters: what nobody wrote is not worth a second of arithmetic


class _UnusableError(Exception):
    """A conversation that gives no record; `pointer` is relative to it."""

    def __init__(self, reason: str, detail: str, pointer: str = "", *, is_skipped: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.detail, self.pointer, self.is_skipped = reason, detail, pointer, is_skipped


def recognises(sample: Json) -> bool:
    match sample:
        case {"chatstore": int(), "source": str(), "messages": list()}:
            return True
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record or one Trouble an item.

    Troubles: in_trash (skipped); not_an_object, version_not_supported, no_source, role_not_known, field_invalid,
    external_id_too_long (failed).
    """
    for index, item in enumerate(items):
        try:
            yield _conversation(item)
        except _UnusableError as fault:
            yield Trouble(
                index=index,
                external_id=_external_id(as_dict(item)),
                outcome="skipped" if fault.is_skipped else "failed",
                reason=fault.reason,
                detail=fault.detail,
                pointer=fault.pointer,
            )


def _conversation(item: Json) -> ConversationRecord:
    if not isinstance(item, dict) or not isinstance(listed := item.get("messages"), list):
        raise _UnusableError("not_an_object", "The item is not a conversation of ours.")
    if not isinstance(version := item.get(VERSION_KEY), int) or version > RECORDS_VERSION:
        raise _UnusableError("version_not_supported", "The export was written by a newer version.", f"/{VERSION_KEY}")
    if not isinstance(source := item.get("source"), str) or not source:
        raise _UnusableError("no_source", "It does not say where it comes from.", "/source")
    metadata, facts = own_facts(as_dict(item.get("metadata")))
    if facts.get("deleted_at"):
        raise _UnusableError("in_trash", "It was in the trash when it was exported.", is_skipped=True)
    external_id = _checked_id(item.get("external_id"), "/external_id")
    record = ConversationRecord(
        source=source,
        external_id=external_id,
        metadata=metadata,
        messages=_without_trash([_message(message, f"/messages/{place}") for place, message in enumerate(listed)]),
        raw=item.get("raw"),
        **_fields(item, _CONVERSATION_FIELDS, ""),
    )
    return normalised(record) if faults(record) else record


def _message(item: Json, pointer: str) -> tuple[MessageRecord, bool]:
    """A message, and whether it is shown: it was not in the trash."""
    if not isinstance(item, dict):
        raise _UnusableError("not_an_object", "A message is not a JSON object.", pointer)
    if item.get("role") not in _ROLES:
        raise _UnusableError("role_not_known", "A message has no role that we know.", f"{pointer}/role")
    metadata, facts = own_facts(as_dict(item.get("metadata")))
    message = MessageRecord(
        external_id=_checked_id(item.get("external_id"), f"{pointer}/external_id") or "",
        parent_external_id=_checked_id(item.get("parent_external_id"), f"{pointer}/parent_external_id"),
        metadata=metadata,
        attachments=tuple(
            _attachment(as_dict(attachment), place, f"{pointer}/attachments/{place}")
            for place, attachment in enumerate(as_list(item.get("attachments")))
        ),
        raw=item.get("raw"),
        **{"content": ""} | _fields(item, _MESSAGE_FIELDS, pointer),
    )
    return message, not facts.get("deleted_at")


def _attachment(item: dict[str, Json], place: int, pointer: str) -> AttachmentRecord:
    external_id = _checked_id(item.get("external_id"), f"{pointer}/external_id") or str(place)
    return AttachmentRecord(external_id=external_id, raw=item.get("raw"), **_fields(item, _ATTACHMENT_FIELDS, pointer))


def _without_trash(messages: list[tuple[MessageRecord, bool]]) -> tuple[MessageRecord, ...]:
    """What stays below a message from the trash stands below the nearest one above that stays."""
    if all(is_shown for _, is_shown in messages):
        return tuple(message for message, _ in messages)
    shown = {message.external_id for message, is_shown in messages if is_shown}
    tree = grown({message.external_id: message.parent_external_id for message, _ in messages}, bearing=shown)
    return tuple(
        replace(message, parent_external_id=tree.anchors[message.external_id])
        for message, is_shown in messages
        if is_shown
    )


def _external_id(item: dict[str, Json]) -> str | None:
    value = item.get("external_id")
    return value if isinstance(value, str) and len(value) <= MAX_EXTERNAL_ID else None


def _checked_id(value: Json, pointer: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _UnusableError("field_invalid", "An id is not text.", pointer)
    if len(value) > MAX_EXTERNAL_ID:
        raise _UnusableError("external_id_too_long", f"An id exceeds {MAX_EXTERNAL_ID} characters.", pointer)
    return value


def _fields(item: dict[str, Json], known: Mapping[str, Callable[[Json], Any]], pointer: str) -> dict[str, Any]:
    """The fields that an item has, as a record holds them; those it has not keep their defaults."""
    found: dict[str, Any] = {}
    for name, taken in known.items():
        if (value := item.get(name)) is not None:
            try:
                found[name] = taken(value)
            except (TypeError, ValueError, InvalidOperation):
                raise _UnusableError(
                    "field_invalid", f"{name} has no value of its kind.", f"{pointer}/{name}"
                ) from None
    return found


def _of(kind: type) -> Callable[[Json], Any]:
    def taken(value: Json) -> Any:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise TypeError
        return value

    return taken


def _status(value: Json) -> Any:
    if value not in _STATUSES:
        raise ValueError
    return value


def _tags(value: Json) -> tuple[str, ...]:
    return tuple(map(_of(str), _of(list)(value)))


def _time(value: Json) -> Any:
    if (moment := parse_time(value)) is None:
        raise ValueError
    return moment


def _decimal(value: Json) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or len(str(value)) > _LONGEST_NUMBER:
        raise TypeError
    if not (number := Decimal(str(value))).is_finite():
        raise ValueError
    return number


_CONVERSATION_FIELDS: Mapping[str, Callable[[Json], Any]] = {
    **dict.fromkeys(("title", "model", "current_external_id"), _of(str)),
    **dict.fromkeys(("starred", "archived", "continues"), _of(bool)),
    **dict.fromkeys(("created_at", "updated_at"), _time),
    "tags": _tags,
}
_MESSAGE_FIELDS: Mapping[str, Callable[[Json], Any]] = {
    **dict.fromkeys(("role", "content", "model", "selected_text", "language"), _of(str)),
    **dict.fromkeys(("hidden", "response_cached"), _of(bool)),
    **dict.fromkeys(("tokens_in", "tokens_out", "tokens_used", "response_time_ms"), _of(int)),
    **dict.fromkeys(("tool_calls", "tool_results", "sources"), _of(list)),
    **dict.fromkeys(("created_at", "updated_at"), _time),
    "status": _status,
    "parts": lambda value: tuple(_of(list)(value)),
    "cost_cents": _decimal,
}
_ATTACHMENT_FIELDS: Mapping[str, Callable[[Json], Any]] = {
    **dict.fromkeys(("name", "media_type", "text"), _of(str)),
    "size": _of(int),
}
