"""`make run`: the whole product on one port of this machine, with nothing to configure.

This process holds the embedded PostgreSQL, brings it up to date, loads the application, and forks granian's workers,
which thus start at once and share its memory: loading Django twice would take the start past its 5 seconds. The worker
for imports and exports is started once requests are answered.
"""

import errno
import gc
import os
import signal
import socket
import sys
import threading
import time
from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from granian.constants import HTTPModes, Interfaces
from granian.server import Server

from chatstore import development
from chatstore.embedded_postgres import ServerFailedError
from chatstore.env import env_int
from chatstore.jobs_process import JobsProcess

HOST = "127.0.0.1"
KILL_SECONDS = 2  # open streams do not end by themselves: with PostgreSQL's own stop, all is down within 5 s
JOBS_SECONDS = 1  # for the worker for jobs, beyond that
# For this machine only, over plain HTTP. Anything that is set already stays.
LOCAL = {
    "DJANGO_SETTINGS_MODULE": "chatstore.settings",
    "CHATSTORE_HTTPS": "false",
    "CHATSTORE_STATIC_FINDERS": "true",  # static files straight from the packages: `collectstatic` takes minutes
}


def main() -> int:
    """Serve until SIGINT or SIGTERM. Returns the exit code."""
    signal.signal(signal.SIGTERM, _stopped)  # until granian takes over
    signal.signal(signal.SIGINT, _stopped)
    gc.disable()  # loading a thousand modules makes no garbage; looking for it takes a tenth of the time
    try:
        port = env_int("PORT", 8000, minimum=1)
        _refuse_used_port(port)
        development.prepare()
        os.environ.update({name: value for name, value in LOCAL.items() if name not in os.environ})
        from chatstore import first_run  # loads Django, and with it the settings: not before their environment is made

        first_run.main()
        gc.freeze()  # what is loaded stays: the collector need not look at it, nor workers copy its pages
        gc.enable()
        _serve(port)
    except (ImproperlyConfigured, ServerFailedError, PortInUseError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    finally:
        development.release()
    return 0


def worker() -> Any:
    """The application, for a worker process."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    from chatstore.front import application

    return application


class PortInUseError(Exception):
    """Somebody else serves there."""


class _Server(Server):  # type: ignore[misc, valid-type]
    """Tells the worker for jobs to stop at the same moment as its own: one after the other would take too long."""

    def __init__(self, *args: Any, jobs: JobsProcess, **options: Any) -> None:
        super().__init__(*args, **options)
        self._jobs = jobs

    def signal_handler_interrupt(self, *args: Any, **kwargs: Any) -> None:
        self._jobs.stop()
        super().signal_handler_interrupt(*args, **kwargs)


def _serve(port: int) -> None:
    jobs = JobsProcess()
    threading.Thread(target=_announce, args=(port, jobs), daemon=True).start()
    try:
        _server(port, jobs).serve()
    finally:
        jobs.stop()
        jobs.join(JOBS_SECONDS)


def _server(port: int, jobs: JobsProcess) -> _Server:
    return _Server(
        "chatstore.serve:worker",
        factory=True,
        address=HOST,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=env_int("CHATSTORE_WORKERS", 1, minimum=1),
        backpressure=10_000,  # a limit on open streams, in effect: requests have their own (chatstore/bridge.py)
        respawn_failed_workers=True,
        workers_kill_timeout=KILL_SECONDS,
        log_enabled=False,
        jobs=jobs,
    )


def _refuse_used_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "is in use" if error.errno == errno.EADDRINUSE else "needs more rights"
            raise PortInUseError(f"Port {port} {why}. Choose another one: PORT={port % 60_000 + 1} make run") from error


def _announce(port: int, jobs: JobsProcess) -> None:
    """Where and who, as soon as somebody listens there; granian does not tell.

    Nothing is left to load then. Until then workers are forked, so this thread does nothing that takes a lock.
    """
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                break
        time.sleep(0.02)
    url = f"http://{HOST}:{port}"
    print(f"\nchatstore is at {url}\n  API     {url}/api/v1\n  docs    {url}/api/docs\n  admin   {url}/admin/")  # noqa: T201
    print(f"{development.demo_notice()}Ctrl-C stops it, and its database.", flush=True)  # noqa: T201
    jobs.start()


def _end_with(parent: int) -> None:
    """Workers of a main process that was killed would keep the port."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def _stopped(*_: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
