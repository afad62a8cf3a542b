"""The canonical records: what every reader yields, every writer takes, and ingest stores.

Text is the true text: NUL and lone surrogates stand in it as in the source; `chatstore.storable` escapes them on the
way to the database. Times are aware, in UTC, to the microsecond; None means that the source does not say.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

Role = Literal["user", "assistant", "system", "tool"]
Status = Literal["complete", "streaming", "interrupted", "failed"]

RECORDS_VERSION = 1  # of the fields below; goes up when one changes its meaning, not when one is added

# PostgreSQL's index rows end at 2,704 bytes, and an identity must fit into one, even when every character is escaped.
MAX_EXTERNAL_ID = 255


class Readable(Protocol):
    """All that is asked of a stream of bytes; it may raise MalformedSource itself."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRecord:
    """A file that came with a message.

    `opened` gives its bytes from the beginning, None where the export does not hold them (they are then missing, and
    the rest is kept). `text` is what the vendor read out of the file. `external_id` is unique within the message.
    """

    external_id: str
    name: str = ""
    media_type: str = ""
    size: int | None = None  # in bytes, as the source says
    text: str = ""
    opened: Callable[[], Readable] | None = None
    raw: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """One utterance, at its place in the tree.

    `parent_external_id` names an earlier message of the same record, or nothing. `parts` holds structured content
    verbatim, () where `content` says it all. `raw` is the untouched source object.
    """

    external_id: str
    parent_external_id: str | None = None
    role: Role
    content: str
    parts: tuple[Json, ...] = ()
    status: Status = "complete"
    model: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    hidden: bool = False
    tool_calls: list[Json] | None = None  # OpenAI's form: {id, type, function: {name, arguments: text}}
    tool_results: list[Json] | None = None  # {tool_call_id, name}; the result's text is the message's content
    sources: list[Json] | None = None  # {type, title, url, start, end, …}; offsets count characters of `content`
    selected_text: str = ""
    metadata: dict[str, Json] = field(default_factory=dict)
    language: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_used: int | None = None
    cost_cents: Decimal | None = None
    response_cached: bool | None = None
    response_time_ms: int | None = None
    attachments: tuple[AttachmentRecord, ...] = ()
    raw: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationRecord:
    """A conversation with all its branches.

    `messages` stand parent before child, siblings in source order, under unique ids; `current_external_id` is one of
    them, the end of the branch the reader sees (`tree.faults` checks all this). `raw` is the source object without its
    messages. `external_id` is None where the format has no ids: ingest then knows a conversation by its content.
    `continues`: the source sends a conversation in batches, each only what came since, on one branch.
    """

    source: str
    external_id: str | None
    title: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    model: str = ""
    metadata: dict[str, Json] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    starred: bool = False
    archived: bool = False
    current_external_id: str | None = None
    continues: bool = False
    messages: tuple[MessageRecord, ...] = ()
    raw: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRecord:
    """What an export holds beside conversations and a person would miss: a memory, a project, a prompt, a folder.

    Kept whole as `raw` and given back by exports, under (source, kind, external_id); it is no conversation and counts
    as none. `kind` is snake_case.
    """

    source: str
    kind: str
    external_id: str
    title: str = ""
    raw: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An item that gave no conversation, and why; the file goes on. Never holds text of a chat.

    `index` counts all that is read, conversations included, from 0. `reason` is stable snake_case, `detail` a sentence.
    `pointer` is an RFC 6901 JSON Pointer into the JSON text the item stands in.
    """

    index: int
    external_id: str | None = None
    outcome: Literal["failed", "skipped"]
    reason: str
    detail: str
    pointer: str | None = None
