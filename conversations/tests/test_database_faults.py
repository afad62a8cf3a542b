"""Processes that die in mid-traffic: what was acknowledged is there, once, and the service comes back by itself.

hostile.md 34 and 35, against the real server with real clients; 1 (a header) and 10 on the wire.
"""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import uuid4

import psycopg
import pytest

from chatstore.tests.served import Answer, Client, Gone, Server, served, until

pytestmark = pytest.mark.slow
CLIENTS = 6


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served() as server:
        yield server


@dataclass
class Traffic:
    """Clients that each post messages to a conversation of their own, each with one key until it is acknowledged."""

    server: Server
    statuses: Counter[int | str] = field(default_factory=Counter)
    acknowledged: dict[str, list[str]] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def count(self) -> int:
        return sum(map(len, self.acknowledged.values()))

    def run(self, client: Client) -> str:
        made = client.ask("POST", "/conversations", {})
        conversation = made.json()["id"]
        own = self.acknowledged[conversation] = []
        number = 0
        while not self.stopped.is_set():
            number += 1
            self._post(client, conversation, str(number))
            own.append(str(number))
        return str(conversation)

    def _post(self, client: Client, conversation: str, text: str) -> None:
        key, deadline = str(uuid4()), time.monotonic() + 30
        while True:
            assert time.monotonic() < deadline, "it does not come back"
            try:
                answer = client.ask(
                    "POST",
                    f"/conversations/{conversation}/messages",
                    {"role": "user", "content": text},
                    Idempotency_Key=key,
                )
            except Gone:
                self.statuses["gone"] += 1
                time.sleep(0.05)
                continue
            self.statuses[answer.status] += 1
            if answer.status == 201:
                return
            assert_unavailable(answer)
            time.sleep(0.05)


def assert_unavailable(answer: Answer) -> None:
    assert answer.status == 503, (answer.status, answer.body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    body = answer.json()
    assert body["code"] in ("database_unavailable", "busy", "overloaded"), body
    for word in (b"psycopg", b"Traceback", b"SELECT", b"INSERT", b"/run", b"server closed"):
        assert word not in answer.body


def with_traffic(server: Server, disturb: Callable[[Traffic], None]) -> Traffic:
    """Traffic before, while and after `disturb`; then whatever was acknowledged is compared with what is there."""
    traffic = Traffic(server)
    clients = [server.signed_in() for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(traffic.run, client) for client in clients]
        try:
            until(lambda: traffic.count >= 10 * CLIENTS or any(future.done() for future in running))
            disturb(traffic)
            after = traffic.count
            until(lambda: traffic.count >= after + 10 * CLIENTS or any(future.done() for future in running))
        finally:
            traffic.stopped.set()
        conversations = [future.result(60) for future in running]
    for client, conversation in zip(clients, conversations, strict=True):
        assert_all_there(client, conversation, traffic.acknowledged[conversation])
        client.close()
    return traffic


def assert_all_there(client: Client, conversation: str, acknowledged: list[str]) -> None:
    """Each once, in order, and nothing else: one that was not acknowledged was sent until it was."""
    found: list[str] = []
    path = f"/conversations/{conversation}/messages?limit=500"
    while path:
        page = client.ask("GET", path).json()
        found += [message["content"] for message in page["results"]]
        path = page["next"] and page["next"].partition("/api/v1")[2]
    assert found == acknowledged
    header = client.ask("GET", f"/conversations/{conversation}").json()
    assert header["message_count"] == len(found)


def test_postgresql_stopped_and_started_again_in_mid_traffic(server):
    def disturb(traffic: Traffic) -> None:
        server.stop_postgres()
        until(lambda: traffic.statuses[503] >= CLIENTS)
        assert not server.is_ready()
        client = Client(server.port)
        assert_unavailable(client.ask("POST", "/auth/token", {"email": "a@example.com", "password": "x"}))
        client.close()
        server.start_postgres()

    worker = server.workers()
    traffic = with_traffic(server, disturb)
    assert set(traffic.statuses) == {201, 503}
    assert server.workers() == worker  # the same process recovered
    until(server.is_ready)


def test_postgresql_killed_in_mid_traffic(server):
    worker = server.workers()
    traffic = with_traffic(server, lambda traffic: server.kill_postgres())
    assert set(traffic.statuses) <= {201, 503}
    assert server.workers() == worker


def test_every_connection_cut_again_and_again(server):
    """As a failover does it: the sessions end, whatever they are doing."""

    def disturb(traffic: Traffic) -> None:
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            for _ in range(15):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
                time.sleep(0.05)

    traffic = with_traffic(server, disturb)
    assert set(traffic.statuses) <= {201, 503}


def test_the_worker_killed_in_mid_traffic(server):
    def disturb(traffic: Traffic) -> None:
        before = server.workers()
        server.kill_worker()
        until(lambda: bool(server.workers()) and not set(server.workers()) & set(before))

    traffic = with_traffic(server, disturb)
    assert set(traffic.statuses) <= {201, 503, "gone"}
    assert traffic.statuses["gone"]


def test_two_hundred_clients_at_once_are_all_served(server):
    owner = server.signed_in()
    conversation = owner.ask("POST", "/conversations", {}).json()["id"]
    barrier = threading.Barrier(200)

    def work(number: int) -> list[int]:
        client = Client(server.port, owner.token)
        barrier.wait(30)
        url = f"/conversations/{conversation}"
        statuses = [
            client.ask("POST", f"{url}/messages", {"role": "user", "content": str(number)}).status,
            client.ask("GET", f"{url}/messages?limit=50").status,
            client.ask("GET", "/conversations").status,
        ]
        client.close()
        return statuses

    with ThreadPoolExecutor(200) as pool:
        statuses = Counter(status for each in pool.map(work, range(200)) for status in each)
    assert statuses == {201: 200, 200: 400}
    assert owner.ask("GET", f"/conversations/{conversation}").json()["message_count"] == 200
    owner.close()


def raw(server: Server, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        received = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                received += part
        except OSError:  # closed by the server, in whichever of these
            pass
    return received


HEAD = b"POST /api/v1/conversations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /api/v1/conversations HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: a\0b\r\n\r\n",
        b"GET /api/v1/conversations\0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /api/v1/conversations HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: \xff\xfe\r\n\r\n",
        b"GET /api/v1/conversations HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \x80\r\n\r\n",
        b"GET /api/v1/conversations HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET /api/v1/conversations HTTP/1.1\r\n\r\n",
        b"GET /%ff%fe/\xc3 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}   ",
        HEAD + b"Content-Length: -1\r\n\r\n{}",
        HEAD + b"Content-Length: 99999999999999999999\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\0" * 1_000,
    ],
    ids=lambda value: repr(value)[:60],
)
def test_bytes_on_the_wire_that_are_no_request_are_refused(server, request_bytes):
    """A status from 400 to 499, or a closed connection: and the next request is served."""
    received = raw(server, request_bytes)
    if received:
        status = int(received.split(b" ", 2)[1])
        assert 400 <= status < 500, received[:500]
        assert b"Traceback" not in received
    client = server.signed_in()
    assert client.ask("GET", "/conversations").status == 200
    client.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        HEAD + b"Content-Length: 50000000\r\n\r\n" + b"a" * 1_000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Content-Length: 100\r\n\r\n{",
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_client_who_goes_away_in_the_middle_of_a_body_leaves_nothing(server, request_bytes):
    client = server.signed_in()
    head, body = request_bytes.split(b"\r\n\r\n", 1)
    received = raw(server, head + f"\r\nAuthorization: Bearer {client.token}\r\n\r\n".encode() + body)
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"incomplete_body"' in received.replace(b'": "', b'":"')
    assert client.ask("GET", "/conversations").json()["total"] == 0
    client.close()


def test_an_upload_of_50_mb_is_refused_without_being_kept(server):
    client = server.signed_in()
    before = memory(server)
    for _ in range(3):
        try:
            answer = client.ask("POST", "/conversations", {"title": "a" * 50_000_000})
        except Gone:
            continue  # refused before it was sent
        assert answer.status == 413
        assert answer.json()["code"] == "body_too_large"
    assert memory(server) - before < 60_000_000
    assert client.ask("GET", "/conversations").json()["total"] == 0
    client.close()


def memory(server: Server) -> int:
    pages = 0
    for pid in server.workers():
        with open(f"/proc/{pid}/statm") as file:
            pages += int(file.read().split()[1])
    return pages * 4_096
