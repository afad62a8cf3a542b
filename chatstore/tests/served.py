"""The product in processes of its own, as `make run` has it, on a database of its own: for tests of faults."""

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatstore import embedded_postgres
from chatstore.embedded_postgres import CHECKOUT
from chatstore.postgres_home import find_binaries, find_place

PASSWORD = "correct horse battery staple"


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for found in tasks for child in found.read_text().split()]


def is_jobs_worker(pid: int) -> bool:
    try:
        return b"run_jobs" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


class Gone(ConnectionError):
    """The server closed the connection without an answer, or did not take one."""


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """One connection, opened again when it was closed; every request carries the token."""

    port: int
    token: str = ""
    _connection: http.client.HTTPConnection | None = field(default=None, repr=False)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Raises Gone."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            self._connection.request(method, f"/api/v1{path}", data, headers)
            with self._connection.getresponse() as answer:
                return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Gone(str(error)) from None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Server:
    """PostgreSQL below `home`, and the application with its main process and its workers."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home, self.port = home, free_port()
        self.dsn = embedded_postgres.start(home)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CHATSTORE_")},
            "PYTHONPATH": str(CHECKOUT),
            "DATABASE_URL": self.dsn,
            "PORT": str(self.port),
            "CHATSTORE_DATA_DIR": str(home),
            "CHATSTORE_SECRET_KEY": secrets.token_urlsafe(48),
            "CHATSTORE_THROTTLE_RATES": "off",
            **environment,
        }
        self.log = home / "application.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "chatstore.serve"],
                cwd=CHECKOUT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        until(self.is_ready, 90)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3_000:]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            with connection.getresponse() as answer:
                return answer.status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def signed_in(self, email: str = "") -> Client:
        """A client of a new person."""
        client = Client(self.port)
        email = email or f"{secrets.token_hex(6)}@example.com"
        answer = client.ask("POST", "/auth/register", {"email": email, "password": PASSWORD})
        assert answer.status == 201, answer.body
        client.token = answer.json()["access"]
        return client

    def workers(self) -> list[int]:
        """The processes that answer requests."""
        return [pid for pid in children(self.process.pid) if not is_jobs_worker(pid)]

    def jobs_workers(self) -> list[int]:
        """The process that carries out imports and exports."""
        return [pid for pid in children(self.process.pid) if is_jobs_worker(pid)]

    def kill_worker(self) -> None:
        for pid in self.workers():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_postgres(self) -> None:
        """As the kernel does when memory runs out; the supervisor starts it again."""
        (file,) = [*self.home.glob("postgres-*/data/postmaster.pid")] or [
            *self.home.glob("postgres-*/moved-to/data/postmaster.pid")
        ]
        os.kill(int(file.read_text().split()[0]), signal.SIGKILL)

    def stop_postgres(self) -> None:
        """At once, and it stays down; `start_postgres` brings it back."""
        place = find_place(self.home, find_binaries())
        assert place.command("pg_ctl", "-D", place.data, "-m", "immediate", "-w", "stop").wait() == 0

    def start_postgres(self) -> None:
        embedded_postgres.start(self.home)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        finally:
            self.process.kill()
            self.process.wait()
            embedded_postgres.detach(self.home)


@contextmanager
def served(**environment: str) -> Iterator[Server]:
    """A server of its own, below /tmp: PostgreSQL's user must reach it."""
    home = Path(tempfile.mkdtemp(prefix="chatstore-"))
    home.chmod(0o711)
    server = None
    try:
        server = Server(home, **environment)
        yield server
    finally:
        if server:
            server.stop()
        else:
            embedded_postgres.detach(home)
        shutil.rmtree(home, ignore_errors=True)
