"""Streams that fail when their answer has begun: it is too late for a problem, and the server logs what it catches."""

from collections.abc import AsyncIterator, Iterator
from typing import cast

from django.http import FileResponse, StreamingHttpResponse

from chatstore.logs import get_logger

log = get_logger("chatstore.streams")


class StreamFailedError(Exception):
    """Ends a stream that failed, so that the client sees it was cut. It has no words: granian would print them."""


def guard(answer: StreamingHttpResponse, request_id: str) -> None:
    """Log what a stream raises, without its message, and cut the stream. Files are left to the server to send."""
    if isinstance(answer, FileResponse):
        return
    if answer.is_async:
        answer.streaming_content = _guarded_async(cast(AsyncIterator[bytes], answer.streaming_content), request_id)
    else:
        answer.streaming_content = _guarded(cast(Iterator[bytes], answer.streaming_content), request_id)


def _guarded(stream: Iterator[bytes], request_id: str) -> Iterator[bytes]:
    try:
        yield from stream
    except Exception as error:
        log.error("stream_failed", request_id=request_id, exc_info=error)
        raise StreamFailedError from None


async def _guarded_async(stream: AsyncIterator[bytes], request_id: str) -> AsyncIterator[bytes]:
    try:
        async for chunk in stream:
            yield chunk
    except Exception as error:
        log.error("stream_failed", request_id=request_id, exc_info=error)
        raise StreamFailedError from None
