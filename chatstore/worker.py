"""The worker: takes jobs from the queue until it is told to stop, and gives back what it has not finished.

A job whose worker died is found by the missing heartbeat, and queued again; so is one that had to be interrupted.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from procrastinate import App, PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.utils import connector_params

from chatstore.jobs import QUEUE
from chatstore.logs import get_logger

STOP_SECONDS = 3.5  # jobs notice at their next batch; what takes longer is left, and found by its missing heartbeat
TIDY_SECONDS = 60.0
ONCE_SECONDS = 86_400.0  # a run that ends by itself waits for its jobs

log = get_logger("chatstore.worker")

Tidy = Callable[[], int]


def run(*, once: bool = False, tidy: Sequence[Tidy] = ()) -> None:
    """Work until SIGTERM or SIGINT, at most STOP_SECONDS longer; with `once`, until the queue is empty.

    `tidy` are deeds that every worker does from time to time: each says how many things it mended. Raises SystemExit
    when it ends by itself.
    """
    if not asyncio.run(_run(once, tidy)) and not once:
        raise SystemExit(1)  # it lost the database: whoever supervises it starts it again


async def _run(once: bool, tidy: Sequence[Tidy]) -> bool:
    """Whether it was told to stop."""
    connector = PsycopgConnector(min_size=1, max_size=4, timeout=10, **_session())
    worker_app = app.with_connector(connector)
    async with worker_app.open_async():
        await _mend(worker_app, tidy)
        working = asyncio.create_task(_work(worker_app, once))
        mending = asyncio.create_task(_keep_mending(worker_app, tidy))
        _on_signals(working)
        log.info("worker_started", concurrency=settings.JOBS_CONCURRENCY)
        try:
            await working
        except asyncio.CancelledError:  # procrastinate has seen to it that the jobs ended
            return True
        finally:
            mending.cancel()
            with suppress(asyncio.CancelledError):
                await mending
            log.info("worker_stopped")
        return False


def _session() -> dict[str, Any]:
    """How to connect: straight to the server, for notifications do not pass a PgBouncer in transaction mode."""
    if settings.DATABASE_DIRECT_URL:
        return {"conninfo": settings.DATABASE_DIRECT_URL}
    return {"kwargs": connector_params(DEFAULT_DB_ALIAS)}


async def _work(worker_app: App, once: bool) -> None:
    await worker_app.run_worker_async(
        queues=[QUEUE],
        wait=not once,
        concurrency=settings.JOBS_CONCURRENCY,
        listen_notify=not once,
        delete_jobs="always",  # how it ended stands in a table of its owner's
        install_signal_handlers=False,
        shutdown_graceful_timeout=ONCE_SECONDS if once else 0.0,  # a job stops at once, and is taken up again
        update_heartbeat_interval=settings.JOBS_STALLED_SECONDS / 3,
        stalled_worker_timeout=settings.JOBS_STALLED_SECONDS,
    )


async def _keep_mending(worker_app: App, tidy: Sequence[Tidy]) -> None:
    last_tidied = time.monotonic()
    while True:
        await asyncio.sleep(settings.JOBS_STALLED_SECONDS / 3)
        is_due = time.monotonic() - last_tidied >= TIDY_SECONDS
        last_tidied = time.monotonic() if is_due else last_tidied
        try:
            await _mend(worker_app, tidy if is_due else ())
        except Exception as error:  # the database may be away for a while; the next round finds what this one missed
            log.warning("mending_failed", error=type(error).__name__)


async def _mend(worker_app: App, tidy: Sequence[Tidy]) -> None:
    """Queue jobs again whose worker died, and do what is to be done from time to time."""
    manager = worker_app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=settings.JOBS_STALLED_SECONDS):
        log.warning("job_stalled", job=job.task_kwargs.get("job_id"), task=job.task_name)
        await manager.retry_job(job)
    for deed in tidy:
        if mended := await sync_to_async(_with_connection, thread_sensitive=False)(deed):
            log.info("tidied", deed=deed.__name__, count=mended)


def _with_connection(deed: Tidy) -> int:
    """The deed, with a connection of this thread's that is given back at its end."""
    try:
        return deed()
    finally:
        connections.close_all()


def _on_signals(working: "asyncio.Task[None]") -> None:
    """SIGTERM and SIGINT end the work; what does not end within STOP_SECONDS is left behind."""

    def stop() -> None:
        working.cancel()
        deadline = threading.Timer(STOP_SECONDS, _leave)
        deadline.daemon = True
        deadline.start()

    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)


def _leave() -> None:
    log.warning("worker_left_its_jobs")
    os._exit(1)


def end_with(parent: int) -> None:
    """End when the process that started this one does: a worker would outlive a killed `make run`."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
