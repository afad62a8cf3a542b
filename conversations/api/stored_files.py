"""Sending bytes that somebody else made: as a download, under a harmless name, whole or a range of them."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple
from urllib.parse import quote

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from conversations.api.etags import is_unchanged, not_modified
from conversations.problems import RangeNotSatisfiable

CHUNK_BYTES = 1 << 18
MAX_NAME = 150
# A browser that opens it in spite of all runs no script of it, as no origin.
POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_FORBIDDEN = re.compile(r'[\\/:*?"<>|%]')  # on some system, or in the header


class Download(NamedTuple):
    """What is sent: `name` as its maker gave it, `size` in bytes, a strong ETag, and how to open it."""

    name: str
    size: int
    tag: str
    opened: Callable[[], IO[bytes]]


def download(request: Request, wanted: Download) -> HttpResponseBase:
    """200, 206 for one range, or 304. Raises RangeNotSatisfiable.

    Always `application/octet-stream`: a media type that came with the file is not to be believed.
    """
    if is_unchanged(request, wanted.tag):
        return not_modified(wanted.tag)
    span = _range_of(request, wanted)
    start, end = span or (0, wanted.size)
    headers = {
        "Content-Disposition": disposition(wanted.name),
        "Content-Length": str(end - start),
        "Content-Security-Policy": POLICY,
        "Content-Type": "application/octet-stream",
        "X-Content-Type-Options": "nosniff",
        "Accept-Ranges": "bytes",
        "ETag": wanted.tag,
    }
    if span:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{wanted.size}"
    status = 206 if span else 200
    if request.method == "HEAD":
        return HttpResponse(status=status, headers=headers)
    file = wanted.opened()
    if end - start > CHUNK_BYTES:
        return StreamingHttpResponse(_chunks(file, start, end), status=status, headers=headers)
    return HttpResponse(b"".join(_chunks(file, start, end)), status=status, headers=headers)


def _range_of(request: Request, wanted: Download) -> tuple[int, int] | None:
    """Where the one range that is asked for begins and ends (RFC 9110, section 14); None for the whole.

    Several ranges, other units and what is no range are overlooked, as is a range of another version (If-Range).
    """
    found = _RANGE.fullmatch(request.META.get("HTTP_RANGE", "").replace(" ", ""))
    if found is None or found[0] == "bytes=-" or request.META.get("HTTP_IF_RANGE", wanted.tag) != wanted.tag:
        return None
    if not found[1]:  # the last so many
        start, end = max(0, wanted.size - int(found[2])), wanted.size
    else:
        start, end = int(found[1]), min(int(found[2]) + 1, wanted.size) if found[2] else wanted.size
        if found[2] and int(found[2]) < start:
            return None
    if start >= wanted.size or start >= end:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{wanted.size}"})
    return start, end


def _chunks(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    with file:
        if start:
            file.seek(start)
        left = end - start
        while left and (chunk := file.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            yield chunk


def disposition(name: str) -> str:
    """Content-Disposition (RFC 6266): a name in ASCII for old clients, and in UTF-8 (RFC 8187) where that says more."""
    safe = safe_name(name)
    plain = unicodedata.normalize("NFKD", safe).encode("ascii", "ignore").decode().strip(" .")
    header = f'attachment; filename="{plain or "attachment"}"'
    return header if plain == safe else f"{header}; filename*=UTF-8''{quote(safe, safe='')}"


def safe_name(name: str) -> str:
    """The last part of a name, without what hides, steers or leads elsewhere; its suffix survives shortening."""
    last = re.split(r"[\\/]", name)[-1]
    shown = "".join(" " if _FORBIDDEN.match(c) else c for c in last if unicodedata.category(c)[0] != "C" or c == "\t")
    words = " ".join(shown.split()).strip(" .")
    stem, dot, suffix = words.rpartition(".")
    if len(words) > MAX_NAME and dot and len(suffix) <= 20:
        words = f"{stem[: MAX_NAME - len(suffix) - 1].rstrip(' .')}.{suffix}"
    return words[:MAX_NAME] or "attachment"
