"""The readers, one a format; a new one is a module with the three names of `Reader`, and a word in `READERS`."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from conversations.interchange.bundle import Bundle
from conversations.interchange.databases import Database
from conversations.interchange.readers import (
    aisdk,
    aistudio,
    chainlit,
    characterai,
    chatbotui,
    chatgpt,
    chatgpt_export,
    chatstore,
    claude,
    deepseek,
    exchanges,
    gemini_takeout,
    gemini_workspace,
    grok,
    langchain,
    lechat,
    lechat_export,
    librechat,
    llm,
    lmstudio,
    lobechat,
    oasst,
    openai,
    openwebui,
    openwebui_database,
    perplexity,
    sharegpt,
    sillytavern,
    threads,
)
from conversations.interchange.records import ConversationRecord, DocumentRecord, Json, Trouble
from conversations.interchange.sources import Member

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


class Export(Protocol):
    """What a vendor's whole export holds beside the texts that are read for conversations."""

    def is_attachment(self, member: Member, bundle: Bundle) -> bool:
        """Whether a file came with a message, so that even one that looks like an export is not read as such."""

    def holds(self, member: Member, bundle: Bundle) -> bool:
        """Whether the export accounts for a file: then an archive of nothing else is a part, and no mistake."""

    def rest(self, unread: Sequence[Member], bundle: Bundle) -> Iterator[DocumentRecord | Trouble]:
        """What is in the files that no reader knows, and what is missing; asked once, after all else."""


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


# The most particular first: what has a mapping may be DeepSeek's, and only then ChatGPT's; what has messages with roles
# may be many things, and only at last a bare list of messages.
READERS: tuple[Reader, ...] = (
    chatstore,
    *(deepseek, grok, gemini_takeout, aistudio, gemini_workspace, lechat, perplexity, characterai),
    *(chatgpt, claude, librechat, chatbotui, openwebui),
    *(sillytavern, oasst, lmstudio, chainlit, lobechat, langchain, aisdk, sharegpt, exchanges, threads, openai),
)
DATABASE_READERS: tuple[DatabaseReader, ...] = (llm, openwebui_database)
EXPORTS: Mapping[str, Export] = {chatgpt.NAME: chatgpt_export, lechat.NAME: lechat_export}
