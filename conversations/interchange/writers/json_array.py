"""Our own format as one JSON array, a conversation a line all the same."""

from collections.abc import Iterable, Iterator

from conversations.interchange.records import ConversationRecord
from conversations.interchange.wire import conversation_bytes

NAME = "json"
EXTENSION = "json"
MEDIA_TYPE = "application/json"


def write(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    before = b"[\n"
    for record in records:
        yield before
        yield from conversation_bytes(record)
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"
