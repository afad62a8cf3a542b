"""One port: streams go to Django's ASGI handler, everything else to its WSGI handler."""

import asyncio
import json
import threading
from typing import Any

import pytest
from django.core.signals import request_finished, request_started

from chatstore import front
from chatstore.bridge import MAX_WAITING, Scope, WsgiBridge
from chatstore.embedded_postgres import CHECKOUT

ID = "01890a5d-ac96-774b-bcce-b302099a8057"


def scope_of(path: str, method: str = "GET", kind: str = "http", **headers: str) -> Scope:
    return {
        "type": kind,
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50_000),
        "headers": [(b"host", b"localhost"), *((name.encode(), value.encode()) for name, value in headers.items())],
    }


async def call(application: Any, scope: Scope, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """What the application sends, when the client sends `messages` and then waits."""
    coming, sent = list(messages), []

    async def receive() -> dict[str, Any]:
        if coming:
            return coming.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await application(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/v1/events", True),
        ("/api/v1/events/", True),
        (f"/api/v1/conversations/{ID}/chat", True),
        (f"/api/v1/conversations/{ID}/messages/{ID}/stream", True),
        ("/api/v1/events/x", False),
        ("/api/v1/conversations", False),
        (f"/api/v1/conversations/{ID}/messages", False),
        (f"/api/v1/conversations/{ID}/x/chat", False),
        (f"/api/v1/conversations/{ID}/messages/{ID}/chunks", False),
        (f"/x/api/v1/conversations/{ID}/chat", False),
        ("/api/v1/events\n", False),
        ("/healthz", False),
    ],
)
def test_the_streams_are_known_by_their_paths(path: str, expected: bool) -> None:
    assert front.is_stream(path) is expected


def test_the_reverse_proxy_knows_the_same_paths() -> None:
    configuration = (CHECKOUT / "deploy" / "nginx.conf").read_text()
    assert f"location ~ ^{front.STREAMS.pattern}$ {{" in configuration


def test_a_stream_is_djangos_asgi_handlers_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def taker(name: str) -> Any:
        async def take(scope: Scope, receive: Any, send: Any) -> None:
            taken.append(f"{name} {scope['path']}")

        return take

    monkeypatch.setattr(front, "asgi_application", taker("asgi"))
    monkeypatch.setattr(front, "_bridge", taker("wsgi"))
    for path in ("/api/v1/events", "/api/v1/conversations"):
        asyncio.run(call(front.application, scope_of(path)))
    assert taken == ["asgi /api/v1/events", "wsgi /api/v1/conversations"]


@pytest.mark.parametrize("path", ["/nothing/here", "/api/v1/events"])
def test_django_answers_on_both_ways(path: str) -> None:
    start, *parts = asyncio.run(call(front.application, scope_of(path), {"type": "http.request", "body": b""}))
    headers = {name.lower(): value for name, value in start["headers"]}
    assert start["status"] in (401, 404)
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"x-request-id"]
    assert json.loads(b"".join(part["body"] for part in parts))["status"] == start["status"]


def test_request_finished_is_sent_in_the_requests_own_thread() -> None:
    threads: dict[str, int] = {}

    def started(**_: object) -> None:
        threads["started"] = threading.get_ident()

    def finished(**_: object) -> None:
        threads["finished"] = threading.get_ident()

    request_started.connect(started)
    request_finished.connect(finished)
    try:
        asyncio.run(call(front.application, scope_of("/nothing/here")))
    finally:
        request_started.disconnect(started)
        request_finished.disconnect(finished)
    assert threads["started"] == threads["finished"] != threading.get_ident()


def test_lifespan_is_answered() -> None:
    startup, shutdown = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
    sent = asyncio.run(call(front.application, scope_of("", kind="lifespan"), startup, shutdown))
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_a_websocket_is_turned_away() -> None:
    sent = asyncio.run(call(front.application, scope_of("/api/v1/events", kind="websocket")))
    assert sent == [{"type": "websocket.close"}]


def test_past_the_limit_of_waiting_requests_the_answer_is_503_at_once() -> None:
    def never_called(environ: Any, start: Any) -> Any:
        raise AssertionError

    bridge = WsgiBridge(never_called, threads=1)
    bridge.threads.pending = MAX_WAITING
    start, body = asyncio.run(call(bridge, scope_of("/")))
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"1")
    assert json.loads(body["body"])["code"] == "overloaded"


GONE = {"type": "http.disconnect"}


def is_told_of_its_incomplete_body(sent: list[dict[str, Any]]) -> bool:
    start, body = sent
    return (start["status"], json.loads(body["body"])["code"]) == (400, "incomplete_body")


def test_a_client_that_left_before_its_body_was_complete_is_not_served() -> None:
    def never_called(environ: Any, start: Any) -> Any:
        raise AssertionError

    part = {"type": "http.request", "body": b"half", "more_body": True}
    scope = scope_of("/", "POST", **{"content-length": "8"})
    sent = asyncio.run(call(WsgiBridge(never_called, threads=1), scope, part, {"type": "http.disconnect"}))
    assert is_told_of_its_incomplete_body(sent)


def test_nor_is_it_where_django_reads_the_body_itself() -> None:
    part = {"type": "http.request", "body": b"half", "more_body": True}
    scope = scope_of("/api/v1/conversations/x/chat", "POST", **{"content-length": "8"})
    assert is_told_of_its_incomplete_body(asyncio.run(call(front.application, scope, part, GONE)))


def test_a_request_that_the_server_gave_up_does_not_disturb_the_next() -> None:
    release = threading.Event()

    def waits(environ: Any, start: Any) -> list[bytes]:
        release.wait(10)
        start("200 OK", [])
        return [b"done"]

    async def give_up_and_ask_again() -> list[dict[str, Any]]:
        bridge = WsgiBridge(waits, threads=1)
        first = asyncio.create_task(call(bridge, scope_of("/")))
        await asyncio.sleep(0.05)
        first.cancel()
        release.set()
        return await call(bridge, scope_of("/"))

    assert asyncio.run(give_up_and_ask_again())[1]["body"] == b"done"
