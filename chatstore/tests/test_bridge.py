"""The WSGI bridge, behind a real server: what PEP 3333 and HTTP promise, and how it fails."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from chatstore import bridge
from chatstore.bridge import WsgiBridge

THREADS = 3
seen: dict[str, int] = {"closed": 0, "now": 0, "most": 0, "parts": 0}
lock = threading.Lock()


class Answer:
    """An iterable with a close(), as Django's responses are."""

    def __init__(self, parts: Iterable[bytes], *, streaming: bool) -> None:
        self.parts, self.streaming = parts, streaming

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.parts)

    def close(self) -> None:
        seen["closed"] += 1


def wsgi_application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    headers = [("Content-Type", "text/plain"), ("X-Twice", "one"), ("X-Twice", "two")]
    match environ["PATH_INFO"]:
        case "/echo":
            body = environ["wsgi.input"].read()
            start("200 OK", headers)
            return [f"{len(body)} {hashlib.sha256(body).hexdigest()} {environ.get('CONTENT_LENGTH')}".encode()]
        case "/lines":
            lines = list(environ["wsgi.input"])
            start("200 OK", headers)
            return [b"%d" % len(lines)]
        case "/too-large":
            start("413 Content Too Large", headers)
            return [b"no"]
        case "/status":
            start(f"{query['code']} Words", [*headers, ("Content-Length", "5"), ("ETag", '"x"')])
            return Answer([b"12345"], streaming=False)
        case "/raise":
            raise RuntimeError("before the answer")
        case "/raise-late":
            start("200 OK", headers)
            return Answer(raising(), streaming=True)
        case "/endless":
            start("200 OK", headers)
            return Answer(endless(), streaming=True)
        case "/late-start":
            return late(start, headers)
        case "/file":
            start("200 OK", headers)
            return environ["wsgi.file_wrapper"](open(query["path"], "rb"), 4096)
        case "/write":
            start("200 OK", headers)(b"written, ")
            return [b"returned"]
        case "/sleep":
            with lock:
                seen["now"] += 1
                seen["most"] = max(seen["most"], seen["now"])
            time.sleep(float(query["seconds"]))
            with lock:
                seen["now"] -= 1
            start("200 OK", headers)
            return [b"slept"]
        case "/seen":
            start("200 OK", headers)
            return [json.dumps(seen).encode()]
    start("200 OK", headers)
    return [json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()]


def raising() -> Iterator[bytes]:
    yield b"part"
    raise RuntimeError("in mid-answer")


def endless() -> Iterator[bytes]:
    while True:
        seen["parts"] += 1
        yield b"x" * 10_000


def late(start: StartResponse, headers: list[tuple[str, str]]) -> Iterator[bytes]:
    start("201 Created", headers)
    yield b"late"


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await the_bridge(scope, receive, send)


the_bridge = WsgiBridge(wsgi_application, threads=THREADS)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--port", str(port), "--interface", "asginl", "--log-level", "critical"]
    with subprocess.Popen(
        [*command, "--workers-kill-timeout", "1", f"{__name__}:application"],
        cwd=Path(bridge.__file__).parents[1],
        env={**os.environ, "PYTHONWARNINGS": ""},
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield port
        finally:
            server.terminate()


@pytest.fixture
def client(port: int) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    yield connection
    connection.close()


def ask(client: HTTPConnection, path: str, method: str = "GET", **rest: Any) -> tuple[HTTPResponse, bytes]:
    client.request(method, path, **rest)
    answer = client.getresponse()
    return answer, answer.read()


def environ(client: HTTPConnection, path: str = "/", **headers: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(ask(client, path, headers=headers)[1])
    return found


def exchange(port: int, request: bytes) -> bytes:
    """Bytes out, bytes in, until the server closes."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def counted(client: HTTPConnection) -> dict[str, int]:
    found: dict[str, int] = json.loads(ask(client, "/seen")[1])
    return found


def test_the_environ_is_that_of_pep_3333(client: HTTPConnection, port: int) -> None:
    found = environ(client, "/a/b?x=1&y=%2F+%C3%A9", **{"X-One": "1"})
    expected = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a/b",
        "QUERY_STRING": "x=1&y=%2F+%C3%A9",  # as it was sent
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_X_ONE": "1",
        "wsgi.url_scheme": "http",
    }
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("sent", "seen_as"),
    [("/a%2Fb", b"/a/b"), ("/caf%C3%A9", b"/caf\xc3\xa9"), ("/%ff%00", b"/\xff\x00"), ("/100%25", b"/100%")],
)
def test_a_path_is_its_bytes_decoded_once(client: HTTPConnection, sent: str, seen_as: bytes) -> None:
    assert environ(client, sent)["PATH_INFO"].encode("latin-1") == seen_as


def test_repeated_headers_are_joined_and_cookies_are_joined_as_cookies(port: int) -> None:
    answer = exchange(
        port,
        b"GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\nCookie: a=1\r\nCookie: b=2\r\nConnection: close\r\n\r\n",
    )
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (found["HTTP_X_A"], found["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")


def test_a_header_with_an_underscore_does_not_pass_for_the_one_with_a_hyphen(client: HTTPConnection) -> None:
    found = environ(client, "/", X_Forwarded_For="6.6.6.6")
    assert "HTTP_X_FORWARDED_FOR" not in found


def test_repeated_headers_of_an_answer_stay_apart(client: HTTPConnection) -> None:
    assert ask(client, "/")[0].headers.get_all("x-twice") == ["one", "two"]


@pytest.mark.parametrize("size", [0, 1, 1_000, bridge.WHOLE_BODY, bridge.WHOLE_BODY + 1, 7_000_000])
def test_bodies_of_any_length_arrive(client: HTTPConnection, size: int) -> None:
    body = os.urandom(size)
    answer = ask(client, "/echo", "POST", body=body)[1].decode()
    assert answer == f"{size} {hashlib.sha256(body).hexdigest()} {size}"


@pytest.mark.parametrize("size", [1_000, 5_000_000])
def test_chunked_bodies_arrive_and_are_given_a_length(client: HTTPConnection, size: int) -> None:
    body = os.urandom(size)
    parts = (body[start : start + 50_000] for start in range(0, size, 50_000))
    answer = ask(client, "/echo", "POST", body=parts, encode_chunked=True, headers={"Transfer-Encoding": "chunked"})[1]
    length = size if size <= bridge.WHOLE_BODY else bridge.UNKNOWN_LENGTH
    assert answer.decode() == f"{size} {hashlib.sha256(body).hexdigest()} {length}"


def test_a_long_body_can_be_read_by_lines(client: HTTPConnection) -> None:
    assert ask(client, "/lines", "POST", body=b"a line\n" * 500_000)[1] == b"500000"


def test_a_refusal_needs_no_reading_of_the_body(port: int) -> None:
    head = b"POST /too-large HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(head + bytes(bridge.WHOLE_BODY + 1))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_head_has_the_headers_and_no_body(client: HTTPConnection) -> None:
    answer, body = ask(client, "/status?code=200", "HEAD")
    assert (answer.status, answer.headers["content-length"], body) == (200, "5", b"")
    assert ask(client, "/status?code=200")[1] == b"12345"  # the connection is in order


@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_without_content_has_no_body(client: HTTPConnection, code: int) -> None:
    answer, body = ask(client, f"/status?code={code}")
    assert (answer.status, answer.headers["etag"], body) == (code, '"x"', b"")
    assert "content-length" not in answer.headers
    assert ask(client, "/status?code=200")[1] == b"12345"


def test_a_client_that_waits_for_100_continue_is_told_so(port: int) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(head)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"abc")
        assert connection.recv(1_000).startswith(b"HTTP/1.1 200 ")


def test_an_exception_before_the_answer_is_a_500_that_tells_nothing(client: HTTPConnection) -> None:
    answer, body = ask(client, "/raise")
    problem = json.loads(body)
    assert (answer.status, problem["code"]) == (500, "internal_error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"before the answer" not in body
    assert ask(client, "/")[0].status == 200


def test_an_exception_in_mid_answer_cuts_it_visibly(client: HTTPConnection) -> None:
    before = counted(client)["closed"]
    with pytest.raises((IncompleteRead, ConnectionError)):
        ask(client, "/raise-late")
    client.close()
    assert counted(client)["closed"] == before + 1


def test_close_is_called_on_every_answer(client: HTTPConnection) -> None:
    before = counted(client)["closed"]
    for _ in range(3):
        ask(client, "/status?code=200")
    assert counted(client)["closed"] == before + 3


def test_an_answer_is_streamed_no_faster_than_it_is_taken_and_ends_with_its_client(
    client: HTTPConnection, port: int
) -> None:
    before = counted(client)
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")
        connection.recv(65_536)
        time.sleep(0.5)
        produced = counted(client)["parts"] - before["parts"]
        assert produced * 10_000 < 50_000_000
    assert wait_until(lambda: counted(client)["closed"] == before["closed"] + 1)


def test_start_response_may_be_called_with_the_first_part(client: HTTPConnection) -> None:
    answer, body = ask(client, "/late-start")
    assert (answer.status, body) == (201, b"late")


def test_what_was_written_comes_before_what_is_returned(client: HTTPConnection) -> None:
    assert ask(client, "/write")[1] == b"written, returned"


def test_a_file_is_sent_whole(client: HTTPConnection, tmp_path: Path) -> None:
    content = os.urandom(3_000_001)
    path = tmp_path / "download"
    path.write_bytes(content)
    assert ask(client, f"/file?path={path}")[1] == content


def test_no_more_requests_run_at_once_than_there_are_threads(client: HTTPConnection, port: int) -> None:
    answers: list[int] = []

    def one() -> None:
        other = HTTPConnection("127.0.0.1", port, timeout=20)
        answers.append(ask(other, "/sleep?seconds=0.2")[0].status)
        other.close()

    threads = [threading.Thread(target=one) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 12
    assert counted(client)["most"] == THREADS


def test_slow_clients_do_not_hold_up_the_others(client: HTTPConnection, port: int) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(THREADS + 1)]
    try:
        for connection in slow[1:]:
            connection.sendall(head + bytes(bridge.WHOLE_BODY + 1))  # and no more
        slow[0].sendall(b"GET /endless HTTP/1.1\r\nHost: h\r\n\r\n")  # never reads
        time.sleep(0.3)
        started = time.monotonic()
        assert ask(client, "/")[0].status == 200
        assert time.monotonic() - started < 2
    finally:
        for connection in slow:
            connection.close()


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"Content-Length: 100", b"half"),
        (b"Content-Length: 100", b""),
        (b"Content-Length: 5000000", b"x" * 2_000_000),  # past what is taken as a whole: the application reads it
        (b"Transfer-Encoding: chunked", b"5\r\nhalf"),
        (b"Transfer-Encoding: chunked", b"4\r\nhalf\r\n"),
        (b"Transfer-Encoding: chunked", b"zz\r\n"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_client_that_stops_in_mid_body_and_still_reads_is_told(port: int, head: bytes, part: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n" + part)
        connection.shutdown(socket.SHUT_WR)
        answer = HTTPResponse(connection, method="POST")
        answer.begin()
        body = answer.read()
    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
    told = json.loads(body)
    assert (told["status"], told["code"]) == (400, "incomplete_body")


def test_a_client_that_goes_away_in_mid_body_leaves_no_trace(client: HTTPConnection, port: int) -> None:
    for size in (10, bridge.WHOLE_BODY + 1):
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n" + bytes(size))
    assert ask(client, "/")[0].status == 200


def wait_until(condition: Any, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
