"""Requests as bytes, ready to send; answers as far as the bench needs them. Loopback only, HTTP/1.1."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

HOST = "127.0.0.1"
SECONDS = 30.0


class Answer(NamedTuple):
    """One answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """A request, whoever is to answer it."""

    method: str
    path: str
    token: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def to(self, port: int) -> bytes:
        """Its bytes for the server at this port."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {HOST}:{port}", "Accept: */*"]
        if self.token:
            lines.append(f"Authorization: Bearer {self.token}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def connect(port: int, receive_buffer: int | None = None) -> socket.socket:
    """A connection without delays of its own."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(SECONDS)
    connection.connect((HOST, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def length_of(head: bytes) -> int | None:
    """The size of the body that this head announces. Raises ValueError for a chunked one; None: it does not say."""
    if head[9:12] in (b"304", b"204"):
        return 0
    low = head.lower()
    if b"\ntransfer-encoding:" in low:
        raise ValueError("A chunked answer: the bench measures answers of known length")
    at = low.find(b"\ncontent-length:")
    if at < 0:
        return None
    end = low.find(b"\r", at)
    return int(low[at + 16 : end if end >= 0 else len(low)])


class Client:
    """One connection kept open: for what is compared and prepared, not for what is timed."""

    def __init__(self, port: int) -> None:
        self._port, self._connection = port, connect(port)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, call: Call) -> Answer:
        self._connection.sendall(call.to(self._port))
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head, body = data[:end], data[end + 4 :]
        size = length_of(head)
        if size is None:
            raise ValueError(f"An answer without a length: {head!r}")
        while len(body) < size:
            body += self._more()
        lines = head.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines[1:])
        return Answer(int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in fields}, body)

    def _more(self) -> bytes:
        part = self._connection.recv(1 << 18)
        if not part:
            raise ConnectionError(f"The server at port {self._port} closed the connection")
        return part
