"""The sides: the product in its two forms and the two peers, each a server process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.cpu import largest_resident, tree, tree_seconds
from bench.database import KEY, KEY_ID, product_environment
from bench.http import HOST, Call, Client
from bench.plan import HOME, ROOT

START_SECONDS = 60.0
STOP_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Side:
    """One of those that are compared."""

    name: str
    title: str
    is_peer: bool = False


PRODUCT = Side("product", "chatstore, WSGI as compose.yaml runs it")
ONE_PORT = Side("one-port", "chatstore, one port as `make run` serves it")
IDIOMATIC = Side("idiomatic", "FastAPI + SQLModel + asyncpg, idiomatic", is_peer=True)
TUNED = Side("tuned", "FastAPI tuned by hand, raw asyncpg + orjson", is_peer=True)
SIDES = (PRODUCT, ONE_PORT, IDIOMATIC, TUNED)


def command(side: Side, port: int, workers: int) -> tuple[list[str], dict[str, str]]:
    """How a side is started, and what of its environment is its own. The product's WSGI line is compose.yaml's."""
    if side is ONE_PORT:
        return [sys.executable, "-m", "chatstore.serve"], {"PORT": str(port), "CHATSTORE_WORKERS": str(workers)}
    if side is PRODUCT:
        options = {
            "interface": "wsgi", "http": "1", "host": HOST, "port": port, "workers": workers,
            "blocking-threads": 4, "backpressure": 1000, "workers-kill-timeout": 10,
        }  # fmt: skip
        words = [f"--{name}={value}" for name, value in options.items()]
        return [sys.executable, "-m", "granian", *words, "--respawn-failed-workers", "chatstore.wsgi:application"], {}
    words = [f"--port={port}", f"--host={HOST}", f"--workers={workers}", "--loop=uvloop", "--http=httptools"]
    quiet = ["--no-access-log", "--log-level=warning"]
    environment = {"BENCH_KEY": KEY, "BENCH_KEY_ID": KEY_ID}
    return [sys.executable, "-m", "uvicorn", *words, *quiet, f"bench.peers.{side.name}:app"], environment


class Server:
    """A side that is being started; whoever makes one stops it."""

    def __init__(self, side: Side, url: str, *, workers: int = 1, extra: Mapping[str, str] | None = None) -> None:
        self.side, self.port, self.workers = side, free_port(), workers
        words, own = command(side, self.port, workers)
        environment = product_environment() | own | {"DATABASE_URL": url} | dict(extra or {})
        self._log = HOME / "logs" / f"{side.name}-{workers}.log"
        self._process = launch(words, environment, self._log)

    def wait(self) -> None:
        """Until it answers. Raises RuntimeError with the end of its log."""
        wait_until_it_answers(self.port, self._process, self._log)

    def cpu_seconds(self) -> float:
        """Used so far by all its processes."""
        return tree_seconds(self._process.pid)

    def resident_megabytes(self) -> float:
        """Of its largest process: the worker."""
        return largest_resident(self._process.pid)

    def stop(self) -> None:
        stop(self._process)


@contextmanager
def running(
    sides: Sequence[Side], url: str, *, workers: int = 1, extra: Mapping[str, str] | None = None
) -> Iterator[list[Server]]:
    """The sides, all up at once: those that are not asked use no CPU."""
    servers: list[Server] = []
    try:
        for side in sides:
            servers.append(Server(side, url, workers=workers, extra=extra))  # noqa: PERF401  (stopped if one fails)
        for server in servers:
            server.wait()
        yield servers
    finally:
        for server in servers:
            server.stop()


def launch(words: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A process in a group of its own, its output in a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            words,
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that `launch` began, and what it has begun; only these."""
    below = tree(process.pid)[1:] if process.poll() is None else []
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in below:
        with suppress(OSError):
            if os.getsid(pid) == process.pid:  # still one of ours: its session is the one that `launch` made
                os.kill(pid, signal.SIGKILL)


def wait_until_it_answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until a request without a token is refused. Raises RuntimeError with the end of the log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError, ValueError), Client(port) as client:
            if client.ask(Call("GET", "/api/v1/conversations")).status == 401:
                return
        time.sleep(0.02)
    raise RuntimeError(f"It does not answer; its log ends:\n{log.read_text(errors='replace')[-3_000:]}")


def free_port() -> int:
    """A port of the loopback interface that nobody uses."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
