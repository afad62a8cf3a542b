"""Files that stand inside the JSON itself, as `data:` URLs (RFC 2397)."""

import base64
import binascii
import io
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from conversations.interchange.records import Json, Readable

_HEAD = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class InlineFile:
    """An attachment's `opened`: it holds the URL, which the message's `raw` holds anyway, and not the bytes."""

    url: str
    media_type: str

    def __call__(self) -> Readable:
        return io.BytesIO(_decoded(self.url))


def inline_file(url: Json) -> InlineFile | None:
    """The file in a data URL; None for any other URL, and where the data is damaged."""
    if not isinstance(url, str) or (head := _HEAD.match(url)) is None:
        return None
    try:
        _decoded(url)
    except (binascii.Error, ValueError):
        return None
    return InlineFile(url, head[1].lower())


def _decoded(url: str) -> bytes:
    head = _HEAD.match(url)
    assert head is not None  # it was when the file was made, and a string does not change
    data = url[head.end() :]
    encoded = "base64" in head[2].lower().split(";")
    return base64.b64decode(data) if encoded else unquote_to_bytes(data.encode("utf-8", "surrogatepass"))
