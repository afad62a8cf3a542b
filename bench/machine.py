"""Where and with what a run was made."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.database import Database
from bench.plan import ROOT

PACKAGES = (
    "django", "djangorestframework", "psycopg", "granian", "orjson", "msgspec", "pyjwt", "fastapi", "pydantic",
    "sqlmodel", "sqlalchemy", "asyncpg", "uvicorn", "uvloop", "httptools",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """The machine, and how busy it was when the run began."""
    memory = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal"))
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory.split()[1]) / 1024**2, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": os.getloadavg()[0],
    }


def versions(database: Database) -> dict[str, str]:
    """Python, PostgreSQL, the packages of both sides, and the commit."""
    with database.connect() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    found = {"python": platform.python_version(), "postgresql": row[0] if row else "", "chatstore": _commit()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def today() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
