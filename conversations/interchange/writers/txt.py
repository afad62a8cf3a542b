"""Plain text: the active branch. What people wrote is indented, so that nothing in it can begin a line of ours."""

from collections.abc import Iterable, Iterator

from conversations.interchange.records import ConversationRecord
from conversations.interchange.writers.branch import active_branch
from conversations.interchange.writers.plain import lines, remarks, speaker_of, title_of

NAME = "txt"
EXTENSION = "txt"
MEDIA_TYPE = "text/plain; charset=utf-8"

INDENT = "    "


def write(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    for number, record in enumerate(records):
        title = title_of(record)
        yield f"{'' if number == 0 else chr(10) * 2}{title}\n{'=' * min(len(title), 80)}\n".encode()
        branch = active_branch(record)
        for message in branch.messages:
            said = "\n".join(f"{INDENT}{line}".rstrip() for line in lines(message.content))
            told = "".join(f"{INDENT}[{remark}]\n" for remark in remarks(message))
            yield f"\n{speaker_of(message)}\n{said}\n{told}".encode()
        if branch.left_out:
            yield f"\n{branch.left_out}\n".encode()
