"""The writers, one a format; a new one is a module with the names of `Writer`, and a word in `WRITERS`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from conversations.interchange.records import ConversationRecord
from conversations.interchange.writers import html, json_array, jsonl, markdown, openai, pdf, txt


class Writer(Protocol):
    """A module that writes one format. It is pure and lazy: memory is that of the largest conversation."""

    @property
    def NAME(self) -> str:  # noqa: N802 - a constant of a module
        """The `format` of an export."""

    @property
    def EXTENSION(self) -> str:  # noqa: N802
        """Of a file's name, without the dot."""

    @property
    def MEDIA_TYPE(self) -> str:  # noqa: N802
        """For Content-Type."""

    def write(self, records: Iterable[ConversationRecord]) -> Iterator[bytes]:
        """The file's bytes, as they are asked for; a whole file for no records as well. Raises WriterError."""


_WRITERS: tuple[Writer, ...] = (jsonl, json_array, openai, markdown, html, pdf, txt)
WRITERS: Mapping[str, Writer] = {writer.NAME: writer for writer in _WRITERS}
