"""The readers, one a format; a new one is a module with the three names of `Reader`, and a word in `READERS`."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from conversations.interchange.bundle import Bundle
from conversations.interchange.readers import chatgpt, chatstore
from conversations.interchange.records import ConversationRecord, DocumentRecord, Json, Trouble

Found = ConversationRecord | DocumentRecord | Trouble


class Reader(Protocol):
    """A module that reads one vendor's format. It is pure, lazy, and never the one who loses data."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of a module
        """The source's name in records, and the `format` of an import."""

    def recognises(self, sample: Json) -> bool:
        """Whether an item is of this format."""

    def read(self, items: Iterable[Json], *, name: str = ..., bundle: Bundle = ...) -> Iterator[Found]:
        """What the items hold, as it comes; every item that gives no record gives a Trouble.

        Where each item is a conversation, so is each record; where all items are one conversation (a message a line),
        they give one record. Index and pointer of a Trouble count from these items. `name` is that of the file they
        stand in, `bundle` the whole export: side-cars and the bytes of attachments.
        """


READERS: tuple[Reader, ...] = (chatstore, chatgpt)  # the most particular first
