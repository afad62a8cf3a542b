"""`make run`: starts everything, says where, and stops everything it started."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from chatstore import development
from chatstore.embedded_postgres import CHECKOUT
from chatstore.tests.served import children, is_jobs_worker
from chatstore.tests.test_bridge import free_port, wait_until

pytestmark = pytest.mark.slow
Serve = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def data() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="chatstore-"))
    path.chmod(0o711)
    yield path
    assert wait_until(lambda: not list(path.glob("postgres-*/data/postmaster.pid")))
    shutil.rmtree(path)


@pytest.fixture
def serve(data: Path) -> Iterator[Serve]:
    """Starts `python -m chatstore.serve` as on a fresh machine."""
    started: list[subprocess.Popen[str]] = []

    def one(port: int, **env: str) -> "subprocess.Popen[str]":
        own = {name: value for name, value in os.environ.items() if not name.startswith(("CHATSTORE_", "DATABASE_"))}
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "chatstore.serve"],
                cwd=CHECKOUT,
                env={**own, "CHATSTORE_DATA_DIR": str(data), "PORT": str(port), **env},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.communicate()


def told(process: "subprocess.Popen[str]") -> str:
    """What it says until it serves; all, if it does not."""
    lines = []
    assert process.stdout
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    return "".join(lines)


def status(port: int, path: str = "/healthz") -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_says_where_and_stops_all_it_started(serve: Serve, data: Path, how: signal.Signals) -> None:
    port = free_port()
    process = serve(port)
    assert f"http://127.0.0.1:{port}" in told(process)
    assert [status(port, path) for path in ("/healthz", "/readyz", "/api/docs", "/admin/login/")] == [200] * 4
    with socket.create_connection(("127.0.0.1", port)):  # a client that stays
        began = time.monotonic()
        process.send_signal(how)
        assert process.wait(20) == 0
        assert time.monotonic() - began < 5
    assert not list(data.glob("postgres-*/data/postmaster.pid"))
    with pytest.raises(ConnectionRefusedError):
        status(port)


def test_the_second_start_keeps_the_data_and_the_secret(serve: Serve, data: Path) -> None:
    port = free_port()
    for expected in (True, False):
        process = serve(port)
        assert ("Applying" in told(process)) is expected
        secret = (data / "secret_key").read_text()
        process.terminate()
        process.wait(20)
        assert (data / "secret_key").read_text() == secret
    assert (data / "secret_key").stat().st_mode & 0o777 == 0o600


def test_a_port_in_use_is_said_and_nothing_is_started(serve: Serve, data: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = serve(port)
        assert re.search(rf"Port {port} is in use.*PORT=", told(process))
        assert process.wait(20) == 1
    assert list(data.iterdir()) == []


def test_a_port_that_is_no_number_is_said(serve: Serve) -> None:
    process = serve(0, PORT="eighty")
    assert "PORT='eighty'" in told(process)
    assert process.wait(20) == 1


def test_a_killed_worker_is_replaced(serve: Serve) -> None:
    port = free_port()
    process = serve(port)
    told(process)

    def workers() -> list[int]:
        return [pid for pid in children(process.pid) if not is_jobs_worker(pid)]

    assert wait_until(lambda: len(workers()) == 1, 10)  # the one for jobs is a copy of the server before it is itself
    os.kill(workers()[0], signal.SIGKILL)

    def answers() -> bool:
        try:
            return status(port) == 200
        except OSError:
            return False

    assert wait_until(answers, 20)


def jobs_workers(process: "subprocess.Popen[str]") -> list[int]:
    return [pid for pid in children(process.pid) if is_jobs_worker(pid)]


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/exe").exists()


def test_the_worker_for_jobs_is_replaced_when_killed_and_ends_with_the_server(serve: Serve) -> None:
    process = serve(free_port())
    told(process)
    assert wait_until(lambda: len(jobs_workers(process)) == 1, 20)
    (first,) = jobs_workers(process)
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: jobs_workers(process) not in ([], [first]), 20)
    (second,) = jobs_workers(process)
    began = time.monotonic()
    process.terminate()
    assert process.wait(20) == 0
    assert time.monotonic() - began < 5
    assert not is_alive(second)


def test_the_worker_for_jobs_does_not_outlive_a_killed_main_process(serve: Serve) -> None:
    process = serve(free_port())
    told(process)
    assert wait_until(lambda: len(jobs_workers(process)) == 1, 20)
    (worker,) = jobs_workers(process)
    process.kill()
    assert wait_until(lambda: not is_alive(worker), 20)


def test_a_killed_main_process_leaves_nothing_behind(serve: Serve, data: Path) -> None:
    port = free_port()
    process = serve(port)
    told(process)
    process.kill()
    assert wait_until(lambda: not list(data.glob("postgres-*/data/postmaster.pid")), 20)
    with pytest.raises(ConnectionRefusedError):
        status(port)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("migrate", True),
        ("check", False),
        ("check --database default", True),
        ("migrate --help", False),
        ("spectacular --file x", False),
        ("makemigrations --check", True),
        ("--version", False),
        ("", False),
    ],
)
def test_commands_that_need_no_database_start_none(command: str, expected: bool) -> None:
    assert development.needs_database(["manage.py", *command.split()]) is expected
