"""The readers, one a format; a new one is a module with the three names of `Reader`, and a word in `READERS`."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from conversations.interchange.readers import chatgpt
from conversations.interchange.records import ConversationRecord, Json, Trouble


class Reader(Protocol):
    """A module that reads one vendor's format. It is pure, lazy, and never the one who loses data."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of a module
        """The source's name in records, and the `format` of an import."""

    def recognises(self, sample: Json) -> bool:
        """Whether an item is of this format."""

    def read(self, items: Iterable[Json]) -> Iterator[ConversationRecord | Trouble]:
        """One record or one Trouble an item, as it comes; index and pointer of a Trouble count from these items."""


READERS: tuple[Reader, ...] = (chatgpt,)  # the most particular first
