"""A WSGI application as an ASGI application: what PEP 3333 promises, at a fraction of a2wsgi's cost.

docs/decisions/0002-one-port.md has the figures. The ways in which it differs from the general solutions: a body that
has come as a whole is handed over as a whole, an answer that is no stream costs one hop between threads, and a slow
client never keeps one of the threads from the others.
"""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication, WSGIEnvironment
from wsgiref.util import FileWrapper

from chatstore.threads import Threads

Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApplication: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers: TypeAlias = list[tuple[str, str]]

WHOLE_BODY = 1 << 20  # bytes; a longer body is read by the application as it comes, and never kept in memory here
FILE_BLOCK = 1 << 18
CLIENT_SECONDS = 60.0  # for one part of a body to come, or one part of an answer to be taken
MAX_WAITING = 500  # requests that wait for a thread: past that, a 503 now is better than an answer too late
NO_CONTENT = (204, 304)
UNKNOWN_LENGTH = str(sys.maxsize)
_BODY_HEADERS = frozenset((b"content-length", b"transfer-encoding"))

logger = logging.getLogger(__name__)


class ClientGoneError(ConnectionError):
    """The client closed the connection, or takes too long. An OSError: Django turns it into UnreadablePostError."""


class WsgiBridge:
    """`application` behind ASGI, in at most `threads` threads (and `spare` that wait for slow clients)."""

    def __init__(self, application: WSGIApplication, *, threads: int, spare: int = 16) -> None:
        self._application = application
        self.threads = Threads(threads, spare=spare, name="wsgi")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            first, more = await _first_part(receive) if _announces_body(scope) else (b"", False)
        except ClientGoneError:
            await send_incomplete_body(send)
            return
        if self.threads.pending >= MAX_WAITING:
            await _send_problem(send, 503, "overloaded", "Too many requests wait here; try again")
            return
        exchange = _Exchange(self.threads, scope, receive, send)
        environ = _environ(scope, first, exchange.upload(first) if more else io.BytesIO(first))
        try:
            body = await self.threads.run(lambda: exchange.run(self._application, environ))
        except ClientGoneError:
            if not exchange.sent:
                await send_incomplete_body(send)
            return
        except Exception:
            if exchange.sent:
                raise  # the server cuts the connection, and the client sees that the answer is not whole
            logger.exception("The WSGI application raised")
            await _send_problem(send, 500, "internal_error", "Something went wrong here")
            return
        if body is not None:
            await send(exchange.head())
            await send({"type": "http.response.body", "body": body})


class _Exchange:
    """One request and its answer, seen from the thread that works on it."""

    def __init__(self, threads: Threads, scope: Scope, receive: Receive, send: Send) -> None:
        self._threads, self._receive, self._send = threads, receive, send
        self._loop = asyncio.get_running_loop()
        self._method: str = scope["method"]
        self._status, self._headers = 0, Headers()
        self._written: list[bytes] = []
        self.sent = False

    def run(self, application: WSGIApplication, environ: WSGIEnvironment) -> bytes | None:
        """The body of the answer; None for one that was streamed."""
        result = application(environ, self._start_response)
        try:
            if not getattr(result, "streaming", not isinstance(result, list | tuple)):  # the former is Django's word
                body = b"".join([*self._written, *result])
                return b"" if self._is_bare() else body
            self._threads.lend()
            self._stream(result)
            return None
        finally:
            # Django's request_finished, which gives the database connection back: in this thread, which holds it.
            if close := getattr(result, "close", None):
                close()

    def head(self) -> Message:
        """The beginning of the answer, as ASGI has it."""
        dropped = "content-length" if self._status in NO_CONTENT else ""  # RFC 9110, section 8.6
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in self._headers
            if name.lower() != dropped
        ]
        return {"type": "http.response.start", "status": self._status, "headers": headers}

    def upload(self, first: bytes) -> io.BufferedReader:
        """The body for `wsgi.input` when it has not come as a whole."""
        return io.BufferedReader(_Upload(first, self._next_part), 1 << 16)

    def _start_response(
        self,
        status: str,
        headers: Headers,
        exc_info: tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None = None,
        /,
    ) -> Callable[[bytes], object]:
        if exc_info and exc_info[1] and self.sent:
            raise exc_info[1]
        self._status, self._headers = int(status[:3]), headers
        return self._written.append

    def _is_bare(self) -> bool:
        return self._method == "HEAD" or self._status in NO_CONTENT

    def _stream(self, parts: Iterable[bytes]) -> None:
        """Part by part, no faster than the client takes them. Raises ClientGoneError."""
        gone = asyncio.run_coroutine_threadsafe(self._disconnect(), self._loop)
        try:
            for part in parts:  # start_response may be called as late as this
                if gone.done():
                    raise ClientGoneError
                self._send_part(b"".join([*self._written, part]), more=True)
                self._written.clear()
                if self._is_bare():
                    break
            self._send_part(b"", more=False)
        finally:
            gone.cancel()

    async def _disconnect(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass  # what the application left of the body

    def _send_part(self, part: bytes, *, more: bool) -> None:
        if not self.sent:
            self.sent = True
            self._in_loop(self._send(self.head()))
        if not more or (part and not self._is_bare()):
            self._in_loop(self._send({"type": "http.response.body", "body": part, "more_body": more}))

    def _next_part(self) -> tuple[bytes, bool]:
        self._threads.lend()
        return _part(self._in_loop(self._receive()))

    def _in_loop(self, deed: Awaitable[Any]) -> Any:
        async def do() -> Any:
            return await deed

        future = asyncio.run_coroutine_threadsafe(do(), self._loop)
        try:
            return future.result(CLIENT_SECONDS)
        except TimeoutError:
            future.cancel()
            raise ClientGoneError from None


class _Upload(io.RawIOBase):
    """A body that is still coming."""

    def __init__(self, first: bytes, next_part: Callable[[], tuple[bytes, bool]]) -> None:
        self._rest, self._more = memoryview(first), True
        self._next_part = next_part

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._rest and self._more:
            part, self._more = self._next_part()
            self._rest = memoryview(part)
        size = min(len(target), len(self._rest))
        target[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _announces_body(scope: Scope) -> bool:
    """RFC 9112, section 6.3. Not to ask for a body that cannot be there saves a tenth of a small request's cost."""
    return not _BODY_HEADERS.isdisjoint([name for name, _ in scope["headers"]])


async def _first_part(receive: Receive) -> tuple[bytes, bool]:
    """The body and whether more is to come, which is so for a long one only. Raises ClientGoneError."""
    part, more = _part(await receive())
    if not more:
        return part, False
    parts, size = [part], len(part)
    while more and size < WHOLE_BODY:
        part, more = _part(await receive())
        parts.append(part)
        size += len(part)
    return b"".join(parts), more


def _part(message: Message) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message.get("body", b""), message.get("more_body", False)


def _environ(scope: Scope, first: bytes, body: io.BufferedIOBase) -> WSGIEnvironment:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    host, port = scope.get("server") or ("localhost", 80)
    client, client_port = scope.get("client") or ("", 0)
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client,
        "REMOTE_PORT": str(client_port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": _file_wrapper,
    }
    for name, value in scope["headers"]:
        if (key := _HEADER_KEYS.get(name)) is None:
            key = _header_key(name)
        if key in environ:
            environ[key] += ("; " if key == "HTTP_COOKIE" else ",") + value.decode("latin-1")
        elif key:
            environ[key] = value.decode("latin-1")
    if "CONTENT_LENGTH" not in environ and (first or "HTTP_TRANSFER_ENCODING" in environ):
        # Chunked. Django reads no further than this says; of a long one, those who set limits assume the worst.
        environ["CONTENT_LENGTH"] = str(len(first)) if isinstance(body, io.BytesIO) else UNKNOWN_LENGTH
    return environ


def _header_key(name: bytes) -> str:
    """A header's name in the environ; "" for one with an underscore, which would pass for the one with a hyphen."""
    key = name.decode("latin-1").upper().replace("-", "_")
    if b"_" in name:
        key = ""
    elif key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    if len(_HEADER_KEYS) < 1_000:  # clients make names up
        _HEADER_KEYS[name] = key
    return key


_HEADER_KEYS: dict[bytes, str] = {}


def _file_wrapper(file: Any, block_size: int = FILE_BLOCK) -> FileWrapper:
    return FileWrapper(file, max(block_size, FILE_BLOCK))  # Django asks for 4 kB, and each block is a trip to the loop


async def send_incomplete_body(send: Send) -> None:
    """To a client that closed its half of the connection in mid-body: it may still read. Else this goes nowhere."""
    await _send_problem(send, 400, "incomplete_body", "The request body ended too early")


async def _send_problem(send: Send, status: int, code: str, title: str) -> None:
    # Django has not seen this request: it has neither an id nor a path here, and the form is the same all the same.
    document = {"type": f"urn:chatstore:problem:{code}", "title": title, "status": status, "detail": title}
    body = json.dumps(document | {"instance": "", "code": code, "request_id": ""}).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
