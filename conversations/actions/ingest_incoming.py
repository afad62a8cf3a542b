"""A record on its way in, and what became of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from chatstore.storable import json_to_storable, to_storable
from conversations.interchange.records import ConversationRecord
from conversations.interchange.shapes import as_dict

_TOOLS = ("tools", "functions")  # where formats without ids (OpenAI, ShareGPT) say them


@dataclass(frozen=True, slots=True)
class Received:
    """An attachment whose bytes were read: its row as JSON, and the file that was written for it, if one was."""

    row: str
    file: str
    is_missing: bool


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record on its way in: identity, digest, and the raw JSON of each message, encoded for storage."""

    index: int
    record: ConversationRecord
    external_id: str
    digest: bytes
    raws: Sequence[str | None]
    attachments: Sequence[Received] = ()

    @property
    def identity(self) -> tuple[str, str]:
        return (self.record.source, self.external_id)

    @property
    def messages(self) -> int:
        return len(self.record.messages)

    @property
    def characters(self) -> int:
        said = sum(len(raw or message.content) for raw, message in zip(self.raws, self.record.messages, strict=True))
        return said + sum(len(attachment.row) for attachment in self.attachments)

    @property
    def files(self) -> list[str]:
        """What was written into storage for it."""
        return [attachment.file for attachment in self.attachments if attachment.file]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a record; the counts are messages."""

    kind: Literal["imported", "updated", "unchanged", "skipped"]
    conversation_id: UUID
    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    attachments: int = 0  # stored or changed
    reason: str = ""
    is_older: bool = False  # an older copy of what is here


def conversation_incoming(index: int, record: ConversationRecord) -> Incoming:
    """A record made ready: its raw texts encoded once, and its digest."""
    whole = hashlib.sha256()
    raws = []
    for message in record.messages:
        raw = None if message.raw is None else json_to_storable(message.raw)
        raws.append(raw)
        for part in (message.external_id, message.parent_external_id or "", raw or message.role + message.content):
            whole.update(to_storable(part).encode() + b"\0")
    said_by = whole.copy()  # a format without ids is known again by what was said, and by the tools that were at hand
    for given in filter(None, (as_dict(record.raw).get(key) for key in _TOOLS)):
        said_by.update(json_to_storable(given).encode() + b"\0")
    for part in (record.title or "", record.current_external_id or "", str(record.updated_at), str(record.archived)):
        whole.update(to_storable(part).encode() + b"\0")
    external_id = record.external_id or f"sha256:{said_by.hexdigest()}"
    return Incoming(index, record, external_id, whole.digest(), raws)
