"""Answers that a browser saves as files: names that are safe on every system, and headers that keep them inert."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import chain
from urllib.parse import quote

from django.db import connection
from django.http import StreamingHttpResponse

# Of a file that is opened in the browser all the same: no scripts, no forms, no origin (HTML, "sandbox").
POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
MAX_NAME_BYTES = 150  # file systems take 255, and people put things before and after it

# What a file system or a shell takes for something else, and what makes a name look like another one.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f"*/:<>?\\|%;`$\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # of Windows


def file_name(title: str, extension: str) -> str:
    """A name for a file, made of its title; `conversation.…` where nothing of that is left."""
    words = " ".join(_UNSAFE.sub(" ", unicodedata.normalize("NFC", title[:1_000])).split())
    stem = words.encode()[:MAX_NAME_BYTES].decode(errors="ignore").strip(" .~-")
    if not stem or _DEVICES.fullmatch(stem):
        stem = "conversation"
    return f"{stem}.{extension}"


def content_disposition(name: str, *, fallback: str = "conversation") -> str:
    """`attachment` with the name, and in plain ASCII for those who know no better (RFC 6266, RFC 8187)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9 ._()-]", "_", plain).strip()
    stem, dot, extension = plain.rpartition(".")
    if not (stem if dot else plain).strip(" ._"):
        plain = f"{fallback}{dot}{extension}" if dot else fallback
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{extended}'


def download(chunks: Iterator[bytes], *, name: str, media_type: str, etag: str) -> StreamingHttpResponse:
    """A stream as a file. What goes wrong before the first of it is raised here, while a problem can be answered.

    A slow reader must not keep a database connection: nothing is read any more while it is sent.
    """
    first = next(chunks, b"")
    release_connection()
    return StreamingHttpResponse(chain([first], chunks), content_type=media_type, headers=file_headers(name, etag))


def file_headers(name: str, etag: str, *, fallback: str = "conversation") -> dict[str, str]:
    """What every file is sent with."""
    return {
        "Content-Disposition": content_disposition(name, fallback=fallback),
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "ETag": etag,
    }


def release_connection() -> None:
    """A slow reader must not keep a database connection; a test's transaction goes on."""
    if not connection.in_atomic_block:
        connection.close()
