"""Le Chat's zip beside its conversations: the files that came with messages."""

import re
from collections.abc import Iterator, Sequence

from conversations.interchange.bundle import Bundle
from conversations.interchange.records import DocumentRecord, Trouble
from conversations.interchange.sources import Member

_IN_FILES = re.compile(r"(?:^|[/\\])chat-[0-9A-Za-z-]+-files[/\\]")


def is_attachment(member: Member, bundle: Bundle) -> bool:
    return _IN_FILES.search(member.name) is not None


def holds(member: Member, bundle: Bundle) -> bool:
    return is_attachment(member, bundle)


def rest(unread: Sequence[Member], bundle: Bundle) -> Iterator[DocumentRecord | Trouble]:
    """Nothing: each file of the export is a conversation or came with one."""
    yield from ()
