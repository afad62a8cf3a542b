"""Sending bytes that somebody else made: as a download, under a harmless name, whole or a range of them."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from conversations.api.downloads import content_disposition, file_headers, release_connection
from conversations.api.etags import is_unchanged, not_modified
from conversations.problems import RangeNotSatisfiable

CHUNK_BYTES = 1 << 18
MAX_NAME = 150
UNNAMED = "attachment"
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_FORBIDDEN = re.compile(r'[\\/:*?"<>|%]')  # on some system, or in the header


class Download(NamedTuple):
    """What is sent: its name, `size` in bytes, a strong ETag, and how to open it.

    The media type is our own to say: one that came with a file is not to be believed.
    """

    name: str
    size: int
    tag: str
    opened: Callable[[], IO[bytes]]
    media_type: str = "application/octet-stream"


def download(request: Request, wanted: Download) -> HttpResponseBase:
    """200, 206 for one range, or 304. Raises RangeNotSatisfiable, and what `opened` raises."""
    if is_unchanged(request, wanted.tag):
        return not_modified(wanted.tag)
    span = _range_of(request, wanted)
    start, end = span or (0, wanted.size)
    headers = {
        **file_headers(safe_name(wanted.name), wanted.tag, fallback=UNNAMED),
        "Content-Length": str(end - start),
        "Content-Type": wanted.media_type,
        "Accept-Ranges": "bytes",
    }
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{wanted.size}"
    status = 206 if span else 200
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    blocks = _Blocks(wanted.opened(), start, end)
    if end - start > CHUNK_BYTES:
        release_connection()
        return StreamingHttpResponse(blocks, status=status, headers=headers)
    return HttpResponse(b"".join(blocks), status=status, headers=headers)


def _range_of(request: Request, wanted: Download) -> tuple[int, int] | None:
    """Where the one range that is asked for begins and ends (RFC 9110, section 14); None for the whole.

    Several ranges, other units and what is no range are overlooked, as is a range of another version (If-Range).
    """
    found = _RANGE.fullmatch(request.META.get("HTTP_RANGE", "").replace(" ", ""))
    if found is None or found[0] == "bytes=-" or request.META.get("HTTP_IF_RANGE", wanted.tag).strip() != wanted.tag:
        return None
    if not found[1]:  # the last so many
        start, end = max(0, wanted.size - int(found[2])), wanted.size
    else:
        start, end = int(found[1]), min(int(found[2]) + 1, wanted.size) if found[2] else wanted.size
        if found[2] and int(found[2]) < start:
            return None
    if start >= wanted.size or start >= end:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{wanted.size}", "Accept-Ranges": "bytes"})
    return start, end


class _Blocks:
    """A part of a file, block by block. No generator: one that never began would not close the file."""

    def __init__(self, file: IO[bytes], start: int, end: int) -> None:
        self._file, self._left = file, end - start
        if start:
            file.seek(start)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = self._file.read(min(CHUNK_BYTES, self._left)) if self._left else b""
        self._left -= len(block)
        if not block:
            self.close()
            raise StopIteration
        return block

    def close(self) -> None:
        """Called with the answer's end, however it came."""
        self._file.close()


def disposition(name: str) -> str:
    """Content-Disposition for a file whose name somebody else gave."""
    return content_disposition(safe_name(name), fallback=UNNAMED)


def safe_name(name: str) -> str:
    """The last part of a name, without what hides, steers or leads elsewhere; its suffix survives shortening."""
    last = re.split(r"[\\/]", name)[-1]
    shown = "".join(" " if _FORBIDDEN.match(c) else c for c in last if unicodedata.category(c)[0] != "C" or c == "\t")
    words = " ".join(shown.split()).strip(" .")
    stem, dot, suffix = words.rpartition(".")
    if len(words) > MAX_NAME and dot and len(suffix) <= 20:
        words = f"{stem[: MAX_NAME - len(suffix) - 1].rstrip(' .')}.{suffix}"
    return words[:MAX_NAME] or UNNAMED
