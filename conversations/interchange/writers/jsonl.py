"""Our own format, without loss: a conversation a line. `readers/chatstore.py` reads it."""

from collections.abc import Iterable, Iterator

from conversations.interchange.records import ConversationRecord
from conversations.interchange.wire import conversation_bytes

NAME = "jsonl"
EXTENSION = "jsonl"
MEDIA_TYPE = "application/jsonl"


def write(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    for record in records:
        yield from conversation_bytes(record)
        yield b"\n"
