"""Parts of a file: `Range` and `If-Range` (RFC 9110, sections 13.1.5 and 14)."""

import re
from collections.abc import Iterator
from typing import IO, Any

from django.db import connection
from django.http import StreamingHttpResponse
from rest_framework.request import Request

from conversations.api.downloads import POLICY, content_disposition
from conversations.problems import RangeNotSatisfiable

BLOCK = 1 << 18
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def range_wanted(request: Request, *, size: int, tag: str) -> tuple[int, int] | None:
    """The first byte and the one after the last, or None for the whole file. Raises RangeNotSatisfiable.

    Several ranges, and what is no range, may be answered with the whole. So is one whose `If-Range` is another file's.
    """
    found = _RANGE.fullmatch(request.META.get("HTTP_RANGE", "").replace(" ", ""))
    if found is None or not (found[1] or found[2]) or request.META.get("HTTP_IF_RANGE", tag).strip() != tag:
        return None
    if found[1]:
        first, end = int(found[1]), min(int(found[2]) + 1, size) if found[2] else size
        if found[2] and int(found[2]) < first:
            return None
    else:
        first, end = max(0, size - int(found[2])), size
    if first >= size or first >= end:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"})
    return first, end


def file_answer(
    file: IO[bytes], *, part: tuple[int, int] | None, size: int, name: str, media_type: str, tag: str
) -> StreamingHttpResponse:
    """A stored file, or a part of it, as a download; it is closed with the answer."""
    first, end = part or (0, size)
    file.seek(first)
    if not connection.in_atomic_block:  # a slow reader must not keep a connection; a test's transaction goes on
        connection.close()
    headers: dict[str, Any] = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": content_disposition(name),
        "Content-Length": str(end - first),
        "Content-Security-Policy": POLICY,
        "ETag": tag,
        "X-Content-Type-Options": "nosniff",
    }
    if part:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
    blocks = _Blocks(file, end - first)
    return StreamingHttpResponse(blocks, status=206 if part else 200, content_type=media_type, headers=headers)


class _Blocks:
    """What is left of a file, block by block. No generator: one that never began would not close the file."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file, self._left = file, left

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block = self._file.read(min(BLOCK, self._left))
        self._left -= len(block)
        if not block:
            self.close()
            raise StopIteration
        return block

    def close(self) -> None:
        """Called with the answer's end, however it came."""
        self._file.close()
