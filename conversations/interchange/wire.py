"""Our own format: a conversation as one JSON object, without loss.

`{"chatstore": 1, "source": …, "external_id": …, …, "messages": [{…}, …]}`: the fields of `records`, those left out that
have their default. `chatstore` is RECORDS_VERSION. Times are ISO 8601 in UTC, decimals are strings. What only the store
knows stands in `metadata` under `chatstore`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec

from conversations.interchange.records import (
    RECORDS_VERSION,
    AttachmentRecord,
    ConversationRecord,
    Json,
    MessageRecord,
)

VERSION_KEY = OWN = "chatstore"
MESSAGES_AT_ONCE = 500

# The bytes of an attachment are not JSON: they travel beside the text.
_WITHOUT = {"messages", "attachments", "opened"}
_ALWAYS = object()


def conversation_bytes(record: ConversationRecord) -> Iterator[bytes]:
    """A record as one JSON object on one line, in parts: however many messages, a few hundred are encoded at once."""
    head = encode({VERSION_KEY: RECORDS_VERSION, **_told(record, _CONVERSATION)})
    yield head[:-1] + b',"messages":['
    for start in range(0, len(record.messages), MESSAGES_AT_ONCE):
        part = encode([message_json(message) for message in record.messages[start : start + MESSAGES_AT_ONCE]])
        yield (b"," if start else b"") + part[1:-1]
    yield b"]}"


def message_json(message: MessageRecord) -> dict[str, Any]:
    """A message, those fields left out that have their default."""
    told = _told(message, _MESSAGE)
    if message.attachments:
        told["attachments"] = [_told(attachment, _ATTACHMENT) for attachment in message.attachments]
    return told


def encode(value: Any) -> bytes:
    """JSON in UTF-8; lone surrogates, which UTF-8 does not have, as JSON's escapes."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, default=_plain, separators=(",", ":"), allow_nan=False).encode()


def own_facts(metadata: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """Metadata as they were, and what the store said of itself in them (`queries/archive.py`)."""
    theirs = dict(metadata)
    facts = theirs.pop(OWN, None)
    if not isinstance(facts, dict):
        return dict(metadata), {}
    if "metadata" in facts:
        theirs[OWN] = facts["metadata"]
    return theirs, facts


class _Fields:
    """The fields of a record, those with a default value apart."""

    def __init__(self, record: type) -> None:
        kept = [field for field in fields(record) if field.name not in _WITHOUT]
        self.names = [field.name for field in kept]
        self.defaults = [_default(field) for field in kept]
        self.values = attrgetter(*self.names)


def _default(field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    return _ALWAYS if field.default is MISSING else field.default


_CONVERSATION, _MESSAGE, _ATTACHMENT = map(_Fields, (ConversationRecord, MessageRecord, AttachmentRecord))


def _told(record: object, kept: _Fields) -> dict[str, Any]:
    values = zip(kept.names, kept.values(record), kept.defaults, strict=True)
    return {name: value for name, value, default in values if value is not default and value != default}


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case Decimal():
            return str(value)
    raise TypeError(type(value).__name__)
