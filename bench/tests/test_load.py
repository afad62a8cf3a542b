"""The load generator, against a server of the test's own."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench.http import Call, Client, length_of
from bench.load import Job, run


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    paths: list[str] = []

    def do_GET(self) -> None:
        self.paths.append(self.path)
        if self.path == "/gone":
            self.close_connection = True
            return
        status = int(self.path.strip("/")) if self.path != "/large" else 200
        body = b"" if status == 304 else b"x" * (700_000 if self.path == "/large" else 5)
        self.send_response(status)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    Handler.paths = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def job(port: int, paths: list[str], clients: int = 3, seconds: float = 10.0) -> Job:
    return Job(port, clients, [Call("GET", path).to(port) for path in paths], seconds, (200, 304), silence=5.0)


def test_each_request_is_sent_once_and_its_latency_kept(port):
    outcome = run(job(port, ["/200"] * 20 + ["/304", "/large"]))
    assert (len(outcome.latencies), outcome.failures) == (22, {})
    assert len(Handler.paths) == 22
    assert outcome.received > 700_000
    assert 0 < outcome.half_seconds <= outcome.seconds


def test_what_is_answered_otherwise_is_a_failure_and_no_latency(port):
    outcome = run(job(port, ["/200", "/503", "/404", "/503"], clients=1))
    assert (len(outcome.latencies), outcome.failures) == (1, {"503": 2, "404": 1})


def test_a_connection_that_breaks_is_a_failure_and_the_client_goes_on(port):
    outcome = run(job(port, ["/200", "/gone", "/200"], clients=1))
    assert (len(outcome.latencies), outcome.failures, outcome.reconnects) == (2, {"connection lost": 1}, 1)


def test_time_ends_a_job_that_has_more_to_send(port):
    outcome = run(job(port, ["/200"] * 100_000, seconds=0.2))
    assert 0 < len(outcome.latencies) < 100_000
    assert outcome.seconds < 5


def test_a_client_reads_what_it_asked_for(port):
    with Client(port) as client:
        assert client.ask(Call("GET", "/200")).body == b"xxxxx"
        assert client.ask(Call("GET", "/304")).status == 304


def test_the_length_of_a_body_is_read_from_its_head():
    assert length_of(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\nx: y") == 12
    assert length_of(b"HTTP/1.1 304 Not Modified\r\nx: y") == 0
    assert length_of(b"HTTP/1.1 200 OK\r\nx: y") is None
    with pytest.raises(ValueError, match="chunked"):
        length_of(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked")
