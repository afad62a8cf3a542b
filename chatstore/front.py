"""Everything behind one port: streams to Django's ASGI handler, everything else to its WSGI handler.

A synchronous view under Django's ASGI handler costs a multiple of the CPU that it costs under WSGI, and a stream under
WSGI a thread of its own: docs/decisions/0002-one-port.md has the figures. In production a reverse proxy may do the same
in front of two kinds of server processes (deploy/nginx.conf).
"""

import re

from chatstore.asgi import application as asgi_application
from chatstore.bridge import Message, Receive, Scope, Send, WsgiBridge, send_incomplete_body
from chatstore.env import env_int
from chatstore.wsgi import application as wsgi_application

STREAMS = re.compile(r"/api/v1/(events|conversations/[^/]+/(chat|messages/[^/]+/stream))/?")

_bridge = WsgiBridge(wsgi_application, threads=env_int("CHATSTORE_THREADS", 4, minimum=1))


def is_stream(path: str) -> bool:
    """Whether the view at `path` is asynchronous: server-sent events and live chat."""
    return STREAMS.fullmatch(path) is not None


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    match scope["type"]:
        case "http" if is_stream(scope["path"]):
            await _stream(scope, receive, send)
        case "http":
            await _bridge(scope, receive, send)
        case "lifespan":
            await _live(receive, send)
        case "websocket":
            await send({"type": "websocket.close"})


async def _stream(scope: Scope, receive: Receive, send: Send) -> None:
    started = False

    async def sending(message: Message) -> None:
        nonlocal started
        started = True
        await send(message)

    await asgi_application(scope, receive, sending)
    if not started:  # Django says nothing to a client that closed its half in mid-body
        await send_incomplete_body(send)


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    _bridge.threads.close()
    await send({"type": "lifespan.shutdown.complete"})
