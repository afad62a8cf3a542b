"""What the readable formats share: names of speakers, times, and text that cannot pass for the page's own."""

import re
from collections.abc import Iterator
from datetime import datetime

from conversations.interchange.records import ConversationRecord, MessageRecord

SPEAKERS = {"user": "User", "assistant": "Assistant", "system": "System", "tool": "Tool"}
UNTITLED = "Untitled conversation"

# Everything that some program takes for the end of a line (Unicode, UAX #14; Python's splitlines).
LINE_END = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
# Controls, among them what a terminal obeys; and what has no form in UTF-8.
_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Direction overrides and isolates, and characters without width: in one line they make it look like another.
_DECEIVING = re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}


def printable(text: str) -> str:
    """The text without controls: the ASCII ones as their pictures (␛), all others and lone surrogates as U+FFFD.

    Line ends become line feeds, tabs stay.
    """
    return _CONTROL.sub(_picture, LINE_END.sub("\n", text))


def one_line(text: str, limit: int = 300) -> str:
    """The text as a name: printable, on one line, without characters that deceive, cut at `limit`."""
    line = " ".join(_DECEIVING.sub("", printable(text[: limit * 4])).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def lines(text: str) -> list[str]:
    return printable(text).split("\n")


def title_of(record: ConversationRecord) -> str:
    return one_line(record.title or "") or UNTITLED


def speaker_of(message: MessageRecord) -> str:
    """`Assistant (gpt-5), 2026-11-22 10:15:30 UTC`: made of our own words but for the model's name."""
    model = f" ({one_line(message.model, 80)})" if message.model and message.role == "assistant" else ""
    moment = f", {moment_of(message.created_at)}" if message.created_at is not None else ""
    return f"{SPEAKERS[message.role]}{model}{moment}"


def moment_of(moment: datetime) -> str:
    """`2026-11-22 10:15:30 UTC`. Not strftime: its years before 1000 are short."""
    return f"{moment.isoformat(' ', 'seconds').removesuffix('+00:00')} UTC"


def remarks(message: MessageRecord) -> Iterator[str]:
    """What there is to say of a message beside its text, a line each."""
    if message.status != "complete":
        yield f"Status: {message.status}"
    for call in message.tool_calls or ():
        match call:
            case {"function": {"name": str(name)}}:
                yield f"Calls a tool: {one_line(name, 80)}"
            case _:
                yield "Calls a tool"
    for attachment in message.attachments:
        yield f"Attachment: {one_line(attachment.name or attachment.external_id, 120)}"
    for source in message.sources or ():
        match source:
            case {"url": str(url), "title": str(title)}:
                yield f"Source: {one_line(title, 120)} {one_line(url, 500)}"
            case {"url": str(url)}:
                yield f"Source: {one_line(url, 500)}"
    if not message.content and message.parts:
        yield f"Content of {len(message.parts)} parts that are not text"


def _picture(found: re.Match[str]) -> str:
    return _PICTURES.get(ord(found[0]), "\ufffd")
