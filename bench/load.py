"""The load: clients that each send the next request as soon as they have their answer. In a process of its own.

An epoll loop over plain sockets costs a tenth of the CPU of what it measures; on a machine of two cores a client
written more comfortably would compete with the servers.
"""

import multiprocessing
import select
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from bench.http import connect, length_of


@dataclass(frozen=True, slots=True)
class Job:
    """What to send: each request once, in this order, by so many clients, for no longer than `seconds`.

    After so much `silence` of all clients together, what is outstanding has failed.
    """

    port: int
    clients: int
    requests: Sequence[bytes]
    seconds: float
    statuses: tuple[int, ...]
    silence: float = 30.0


@dataclass(slots=True)
class Outcome:
    """What came of it. Latencies in seconds, of good answers; failures by what they were."""

    seconds: float = 0.0
    half_seconds: float = 0.0  # until the first half of the requests was answered
    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    received: int = 0
    reconnects: int = 0


class _Client:
    __slots__ = ("connection", "data", "missing", "sent_at")

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.sent_at, self.missing = 0.0, -1
        self.data: list[bytes] = []


class _Run:
    def __init__(self, job: Job) -> None:
        self.job, self.outcome = job, Outcome()
        self.poll = select.epoll()
        self.clients: dict[int, _Client] = {}
        self.following = iter(job.requests)
        self.busy = 0
        self.started = self.deadline = 0.0
        self.good = {b"%d" % status for status in job.statuses}

    def go(self) -> Outcome:
        for _ in range(min(self.job.clients, len(self.job.requests))):
            self._add(_Client(connect(self.job.port)))
        self.started = time.perf_counter()
        self.deadline = self.started + self.job.seconds
        for client in list(self.clients.values()):
            self._send(client)
        while self.busy:
            events = self.poll.poll(self.job.silence)
            if not events:
                self.outcome.failures["no answer"] += self.busy
                break
            for number, _ in events:
                self._receive(self.clients[number])
        self.outcome.seconds = time.perf_counter() - self.started
        for client in self.clients.values():
            client.connection.close()
        self.poll.close()
        return self.outcome

    def _add(self, client: _Client) -> None:
        client.connection.setblocking(True)
        self.clients[client.connection.fileno()] = client
        self.poll.register(client.connection.fileno(), select.EPOLLIN)

    def _send(self, client: _Client) -> None:
        now = time.perf_counter()
        request = next(self.following, None) if now < self.deadline else None
        if request is None:
            return
        self.busy += 1
        client.missing, client.sent_at = -1, now
        client.data.clear()
        try:
            client.connection.sendall(request)
        except OSError:
            self._failed(client, "connection lost")

    def _receive(self, client: _Client) -> None:
        try:
            part = client.connection.recv(1 << 18)
        except OSError:
            part = b""
        if not part:
            if client.sent_at:
                self._failed(client, "connection lost")
            else:  # between two requests: a server may do so
                self.poll.unregister(client.connection.fileno())
            return
        client.data.append(part)
        if client.missing >= 0:
            client.missing -= len(part)
        elif not self._measure(client):
            return
        if client.missing <= 0:
            self._answered(client)

    def _measure(self, client: _Client) -> bool:
        """Whether the head is here; `missing` is then what of the body is not, without this part."""
        data = b"".join(client.data)
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return False
        size = length_of(data[:end])
        if size is None:
            raise ValueError(f"An answer without a length: {data[:end]!r}")
        client.data = [data]
        client.missing = end + 4 + size - len(data)
        return True

    def _answered(self, client: _Client) -> None:
        now = time.perf_counter()
        status = client.data[0][9:12]
        if status in self.good:
            self.outcome.latencies.append(now - client.sent_at)
            if len(self.outcome.latencies) * 2 <= len(self.job.requests):
                self.outcome.half_seconds = now - self.started
        else:
            self.outcome.failures[status.decode("latin-1")] += 1
        self.outcome.received += sum(map(len, client.data))
        self.busy -= 1
        client.sent_at = 0.0
        self._send(client)

    def _failed(self, client: _Client, why: str) -> None:
        self.outcome.failures[why] += 1
        self.busy -= 1
        number = client.connection.fileno()
        del self.clients[number]
        self.poll.unregister(number)
        client.connection.close()
        self.outcome.reconnects += 1
        try:
            fresh = _Client(connect(self.job.port))
        except OSError:
            return
        self._add(fresh)
        self._send(fresh)


def run(job: Job) -> Outcome:
    """Carry out a job in this process."""
    return _Run(job).go()


def _serve(pipe: Connection) -> None:
    while (job := pipe.recv()) is not None:
        try:
            pipe.send(run(job))
        except Exception as error:
            pipe.send(error)


class Generator:
    """The process that makes the load."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def run(self, job: Job) -> Outcome:
        """What came of a job. Raises what it raised."""
        self._pipe.send(job)
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Outcome)
        return answer

    def close(self) -> None:
        self._pipe.send(None)
        self._process.join(5)
