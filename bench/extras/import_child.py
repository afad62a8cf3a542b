"""One import in a process of its own: how long the command took, and how much the process grew."""

import io
import json
import os
import sys
import time
from pathlib import Path

import django
from django.core.management import call_command
from django.db import connection

from bench.cpu import resident_megabytes


def main(file: str, email: str) -> None:
    """Prints `{"seconds", "before_mb", "peak_mb"}`."""
    django.setup()
    connection.ensure_connection()
    before = resident_megabytes(os.getpid())
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew (proc(5))
    started = time.perf_counter()
    call_command("import_chats", file, user=email, stdout=io.StringIO())
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "before_mb": before, "peak_mb": resident_megabytes(os.getpid(), "VmHWM")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
