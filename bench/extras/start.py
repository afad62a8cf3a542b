"""How long `make run` takes the second time, until it answers."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.http import Call, Client
from bench.plan import HOME, ROOT
from bench.servers import free_port, launch

LIMIT_SECONDS = 120.0
DATA = HOME / "start"


def measure(rounds: int) -> dict[str, Any]:
    """Seconds until `/readyz` answers 200: the first time, with a new database, and the median of later ones."""
    for moved in DATA.glob("*/moved-to"):  # chatstore/postgres_home.py: a checkout that the server's user cannot reach
        shutil.rmtree(moved.resolve(), ignore_errors=True)
    shutil.rmtree(DATA, ignore_errors=True)
    times = [_run() for _ in range(1 + rounds)]
    later = sorted(times[1:])
    return {"first": times[0], "second": later[len(later) // 2], "samples": times, "command": " ".join(_command())}


def _command() -> list[str]:
    """`make run` itself, when the environment that it would build is the one we run in."""
    is_built = (ROOT / ".venv" / ".installed-requirements").exists()
    if is_built and Path(sys.prefix).resolve() == (ROOT / ".venv").resolve() and shutil.which("make"):
        return ["make", "--silent", "run"]
    return [sys.executable, "-m", "chatstore.serve"]


def _run() -> float:
    port = free_port()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("CHATSTORE_", "DATABASE_", "MAKE"))
    }
    environment = {**kept, "PORT": str(port), "CHATSTORE_DATA_DIR": str(DATA), "PYTHONPATH": str(ROOT)}
    log = HOME / "logs" / "start.log"
    started = time.monotonic()
    process = launch(_command(), environment, log)
    try:
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() - started > LIMIT_SECONDS:
                raise RuntimeError(f"It did not start:\n{log.read_text(errors='replace')[-3_000:]}")
            time.sleep(0.01)
        return time.monotonic() - started
    finally:
        _stop(process)


def _is_ready(port: int) -> bool:
    with contextlib.suppress(OSError, ValueError), Client(port) as client:
        return client.ask(Call("GET", "/readyz")).status == 200
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)  # the group that `launch` made: make and what it runs
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
