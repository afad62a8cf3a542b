"""PDF: the active branch as real text, set by Typst, which needs no library of the system's and no network.

A PDF has its table of contents at its end and is made as a whole: so it is bounded, unlike the other formats.
"""

import functools
import re
import subprocess
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from conversations.interchange.errors import WriterError
from conversations.interchange.records import ConversationRecord, MessageRecord
from conversations.interchange.wire import encode
from conversations.interchange.writers.branch import active_branch
from conversations.interchange.writers.plain import moment_of, one_line, printable, remarks, speaker_of, title_of

NAME = "pdf"
EXTENSION = "pdf"
MEDIA_TYPE = "application/pdf"

MAX_CHARACTERS = 2_000_000  # about 1,000 pages
SECONDS = 120.0
_MESSAGE_COST = 200  # what a message takes beside its text, in characters
_PRESS = Path(__file__).with_name("pdf_press.py")

_FENCE = re.compile(r"^(`{3,}|~{3,})[^`\n]*\n(.*?)(?:^\1[ \t]*$\n?|\Z)", re.MULTILINE | re.DOTALL)
_UNBROKEN = re.compile(r"\S{60}(?=\S)")
_MARKS_SHOWN = 16


def write(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    """Raises WriterError: too_large before anything is set, failed when it cannot be."""
    shown: list[dict[str, Any]] = []
    left = MAX_CHARACTERS
    for record in records:
        shown.append(_conversation(record))
        left -= sum(
            _MESSAGE_COST + sum(len(part["text"]) for part in message["parts"]) for message in shown[-1]["messages"]
        )
        if left < 0:
            raise WriterError(
                "too_large", f"A PDF holds at most {MAX_CHARACTERS:,} characters; HTML has no such limit."
            )
    title = shown[0]["title"] if len(shown) == 1 else "Conversations"
    yield _pressed(encode({"title": title, "conversations": shown}))


def _pressed(data: bytes) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603  our own script; what people wrote goes to its standard input
            [sys.executable, "-I", str(_PRESS)], input=data, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise WriterError("failed", "The PDF took too long to set.") from None
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF-"):
        raise WriterError("failed", "The PDF could not be set.")
    return done.stdout


def _conversation(record: ConversationRecord) -> dict[str, Any]:
    branch = active_branch(record)
    about = [
        *([f"Created {moment_of(record.created_at)}"] if record.created_at else []),
        *([one_line(record.model, 80)] if record.model else []),
        *(one_line(tag, 80) for tag in record.tags),
    ]
    return {
        "title": _settable(title_of(record)),
        "about": _settable(" · ".join(about)),
        "messages": [_message(message) for message in branch.messages],
        "left_out": branch.left_out,
    }


def _message(message: MessageRecord) -> dict[str, Any]:
    return {
        "role": message.role,
        "who": _settable(speaker_of(message)),
        "parts": list(_parts(printable(message.content))),
        "notes": [_settable(remark) for remark in remarks(message)],
    }


def _parts(text: str) -> Iterator[dict[str, Any]]:
    """Prose and blocks of code in turn."""
    at = 0
    for found in _FENCE.finditer(text):
        if prose := text[at : found.start()].strip("\n"):
            yield {"code": False, "text": _settable(prose)}
        yield {"code": True, "text": _settable(found[2].rstrip("\n"))}
        at = found.end()
    if prose := text[at:].strip("\n"):
        yield {"code": False, "text": _settable(prose)}


def _settable(text: str) -> str:
    """Long words made breakable, and heaps of combining marks levelled: shaping one takes the square of its height."""
    return _UNBROKEN.sub("\\g<0>\u200b", text if text.isascii() else _heaps().sub(r"\1", text))


@functools.cache
def _heaps() -> re.Pattern[str]:
    marks = [chr(code) for code in range(0x300, 0x20000) if unicodedata.category(chr(code)) in ("Mn", "Me")]
    return re.compile(f"([{''.join(marks)}]{{{_MARKS_SHOWN}}})[{''.join(marks)}]+")
