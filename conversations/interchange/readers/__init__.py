"""The readers, one a format; a new one is a module with the three names of `Reader`, and a word in `READERS`."""

from collections.abc import Collection, Iterable, Iterator
from typing import Protocol

from conversations.interchange.bundle import Bundle
from conversations.interchange.databases import Database
from conversations.interchange.readers import (
    aisdk,
    chainlit,
    chatgpt,
    chatstore,
    exchanges,
    langchain,
    llm,
    lmstudio,
    lobechat,
    oasst,
    openai,
    sharegpt,
    sillytavern,
    threads,
)
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


class DatabaseReader(Protocol):
    """A module that reads the SQLite database of one application, as a `Reader` does a JSON text.

    An application that keeps its export's JSON in a table is read by the export's reader: `read` gives it the items.
    """

    @property
    def NAME(self) -> str: ...  # noqa: N802 - a constant of a module

    def recognises(self, tables: Collection[str]) -> bool:
        """Whether a database with these tables is of this application."""

    def read(self, database: Database) -> Iterator[Found]:
        """What the tables hold, as it comes. A column may be missing, and hold anything."""


# The most particular first: what has messages with roles may be many things, and only at last a bare list of messages.
READERS: tuple[Reader, ...] = (
    chatstore,
    chatgpt,
    *(sillytavern, oasst, lmstudio, chainlit, lobechat, langchain, aisdk, sharegpt, exchanges, threads, openai),
)
DATABASE_READERS: tuple[DatabaseReader, ...] = (llm,)
