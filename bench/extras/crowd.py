"""Two hundred clients at once, on one worker with the default pool; and clients that are slow to send and to read."""

import contextlib
import socket
import threading
import time
from typing import Any

from bench.http import Call, connect
from bench.load import Job
from bench.people import message_body
from bench.rounds import quantile
from bench.servers import ONE_PORT, PRODUCT, Server, Side, running
from bench.stage import Stage, turn
from bench.work import history_of, mixed

CLIENTS = 200
READERS, SENDERS = 8, 3  # under WSGI a slow sender keeps a thread, of which there are four; nginx keeps them away
OTHERS = 100
PATIENCE = 10.0  # seconds without any answer: those who wait then have failed
GOOD = (200, 201)
POOL = {"CHATSTORE_POOL_MAX": "1", "CHATSTORE_POOL_TIMEOUT": "2"}


def measure(stage: Stage, server: Server) -> dict[str, Any]:
    """Failures; and p99 as a multiple of what the queue alone explains, clients / throughput (Little's law)."""
    warm = [call.to(server.port) for call in mixed(stage, -1, 200)]
    stage.generator.run(Job(server.port, 8, warm, 30.0, GOOD))
    requests = [call.to(server.port) for call in mixed(stage, 0, stage.plan.crowd_requests)]
    outcome = stage.generator.run(Job(server.port, CLIENTS, requests, 60.0, GOOD, silence=PATIENCE))
    latencies = sorted(outcome.latencies)
    per_second = len(requests) / 2 / outcome.half_seconds
    p99 = quantile(latencies, 0.99)
    return {
        "failures": sum(outcome.failures.values()), "kinds": dict(outcome.failures), "requests": len(latencies),
        "per_second": per_second, "p50_ms": 1000 * quantile(latencies, 0.5), "p99_ms": 1000 * p99,
        "p99": p99 / (CLIENTS / per_second),
    }  # fmt: skip


def measure_slow(stage: Stage) -> dict[str, Any]:
    """How many requests of others are lost while slow clients are there and the pool has a single connection."""
    return {side.name: _slow(stage, side) for side in (PRODUCT, ONE_PORT)}


def _slow(stage: Stage, side: Side) -> int:
    with running([side], stage.url, extra=POOL) as (server,), contextlib.ExitStack() as stack:
        for _ in range(READERS):
            stack.callback(_slow_reader(stage, server).close)
        ending = threading.Event()
        for number in range(SENDERS):
            sender = threading.Thread(target=_slow_sender, args=(stage, server, number, ending), daemon=True)
            sender.start()
            stack.callback(sender.join, 5)
        stack.callback(ending.set)
        time.sleep(0.5)
        requests = [history_of(target).to(server.port) for target in turn(stage.people.long, 0, OTHERS)]
        outcome = stage.generator.run(Job(server.port, 1, requests, 60.0, (200,)))
        return OTHERS - len(outcome.latencies)


def _slow_reader(stage: Stage, server: Server) -> socket.socket:
    """Asks for the longest page there is, and takes nothing of it."""
    target = stage.people.deep or stage.people.long[0]
    connection = connect(server.port, receive_buffer=2_048)
    connection.sendall(Call("GET", f"{target.messages}?limit=500", target.token).to(server.port))
    return connection


def _slow_sender(stage: Stage, server: Server, number: int, ending: threading.Event) -> None:
    """Sends a message, a byte each quarter of a second."""
    target = stage.people.short[number]
    data = Call("POST", target.messages, target.token, body=message_body("x" * 2_000)).to(server.port)
    with contextlib.suppress(OSError), connect(server.port) as connection:
        connection.sendall(data[:-1_500])
        for place in range(len(data) - 1_500, len(data)):
            connection.sendall(data[place : place + 1])
            if ending.wait(0.25):
                return
