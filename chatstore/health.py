"""Is the process alive (`/healthz`), and can it serve (`/readyz`)?

An orchestrator restarts what is not alive and sends no traffic to what is not ready: an outage of the database must
fail the second only, or every worker would be restarted for it.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection
from django.db.migrations.exceptions import BadMigrationError, InconsistentMigrationHistory, NodeNotFoundError
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from chatstore.problems import RETRY_SECONDS, problem_document

DEADLINE = 2.0  # seconds: what a probe waits for the database
FRESH = 1.0  # seconds that one look serves all probes: nobody can load the database through them
OK, FAILED = "ok", "failed"
BROKEN_HISTORY = (BadMigrationError, InconsistentMigrationHistory, NodeNotFoundError, ImproperlyConfigured)


class Probe:
    """Looks at the database from a thread of its own, one at a time: a frozen server freezes that, and no worker."""

    def __init__(self, look: Callable[[], dict[str, str]]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._future: Future[dict[str, str]] | None = None
        self._started = 0.0

    def result(self) -> dict[str, str]:
        """What the latest look found. Raises TimeoutError when it has not come back within the deadline."""
        with self._lock:
            stale = time.monotonic() - self._started > FRESH
            if self._future is None or (self._future.done() and stale):
                self._future, self._started = Future(), time.monotonic()
                threading.Thread(target=self._run, args=(self._future,), name="readyz", daemon=True).start()
            future, left = self._future, self._started + DEADLINE - time.monotonic()
        return future.result(timeout=max(0.0, left))

    def _run(self, future: "Future[dict[str, str]]") -> None:
        try:
            future.set_result(self._look())
        except BaseException as error:
            future.set_exception(error)
        finally:
            connection.close()


class _Migrations:
    """Remembered once they are all applied: reading the history costs a hundred times as much as `SELECT 1`."""

    applied = False


def _look() -> dict[str, str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error:
        return {"database": FAILED}
    if not _Migrations.applied:
        try:
            executor = MigrationExecutor(connection)
            _Migrations.applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
        except (Error, *BROKEN_HISTORY):
            _Migrations.applied = False
    return {"database": OK, "migrations": OK if _Migrations.applied else FAILED}


_probe = Probe(_look)


def checks() -> dict[str, str]:
    """Each check and whether it holds, "ok" or "failed", within two seconds."""
    try:
        return _probe.result()
    except TimeoutError:
        return {"database": FAILED}


def database_answers() -> bool:
    return checks()["database"] == OK


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """This process answers; it asks nobody."""
    return JsonResponse({"status": OK})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """This process can serve: the database answers and has every migration of this release."""
    found = checks()
    failed = [name for name, state in found.items() if state != OK]
    if not failed:
        return JsonResponse({"status": OK, "checks": found})
    return problem_document(
        503,
        request=request,
        code="not_ready",
        title="Not ready to serve",
        detail=f"Failed: {', '.join(failed)}.",
        headers={"Retry-After": str(RETRY_SECONDS)},
        members={"checks": found},
    )
