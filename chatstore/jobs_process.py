"""The worker beside the server of `make run`: a process of its own, for an import must not slow requests down."""

import os
import subprocess
import sys
import threading
from contextlib import suppress

from chatstore.development import BASE_DIR

COMMAND = [sys.executable, str(BASE_DIR / "manage.py"), "run_jobs", "--end-with"]
PAUSE_SECONDS = 1.0  # before it is started again


class JobsProcess:
    """`manage.py run_jobs`, started again whenever it ends, until `stop` is called."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """Returns at once."""
        threading.Thread(target=self._keep_running, daemon=True).start()

    def stop(self) -> None:
        """Tell it to stop. Returns at once; may be called by a signal handler, and more than once."""
        self._stopped.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def join(self, seconds: float) -> None:
        """Wait for its end; after so many seconds it is killed."""
        if self._process is None:
            return
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _keep_running(self) -> None:
        while not self._stopped.is_set():
            self._process = subprocess.Popen([*COMMAND, str(os.getpid())], stdin=subprocess.DEVNULL)  # noqa: S603
            if self._stopped.is_set():  # told meanwhile
                self._process.terminate()
            self._process.wait()
            self._stopped.wait(PAUSE_SECONDS)
