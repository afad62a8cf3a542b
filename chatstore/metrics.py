"""What Prometheus scrapes: requests, saves, failures, imports, the growth of the tables, the connection pool.

`GET /metrics` answers peers on the loopback interface only, and none that a proxy speaks for (a forwarded header): on
one port with the API, the figures would otherwise be public. With CHATSTORE_METRICS_TOKEN set it answers whoever sends
`Authorization: Bearer <token>`, from anywhere, and nobody else.

With several worker processes, set PROMETHEUS_MULTIPROC_DIR to an empty directory before they start: the answering
worker then adds up all workers' counters. Without it each scrape sees one worker's own. No label holds an id: routes
are the patterns of the URLs, unknown paths are one.
"""

import hmac
import ipaddress
import os
import platform
import threading
import time
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from chatstore.health import database_answers
from chatstore.problems import problem_document

REQUESTS = Counter("chatstore_http_requests_total", "Requests answered", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "chatstore_http_request_seconds",
    "Time until the answer began",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
SAVES = Counter("chatstore_saves_total", "Rows and batches saved", ["kind"])
SAVE_FAILURES = Counter("chatstore_save_failures_total", "Saves that were refused or failed", ["kind", "reason"])
IMPORTS = Counter("chatstore_imports_total", "Imports that ended", ["status"])
IMPORT_MESSAGES = Counter("chatstore_import_messages_total", "Messages that imports met", ["outcome"])
EXPORTS = Counter("chatstore_exports_total", "Exports that ended", ["status"])
FAILED_CASCADES = Counter("chatstore_failed_cascades_total", "Deletions that left rows behind")

OWN_APPS = ("accounts", "conversations")
TABLES_SECONDS = 15.0  # between two looks at the tables, however often one scrapes
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")

# A table that was never analysed says -1. The size includes indexes and long values stored apart.
TABLES = """
    SELECT relname, greatest(reltuples, 0)::float8, pg_total_relation_size(oid)
      FROM pg_class
     WHERE oid = ANY (SELECT to_regclass(quote_ident(name)) FROM unnest(%s::text[]) AS name)
"""

_children: dict[tuple[str, str, int], tuple[Any, Any]] = {}  # labels() costs more than counting does


def request_answered(method: str, route: str, status: int, seconds: float) -> None:
    """Count one request. `method` is one that is known, `route` a pattern: both are few, whatever clients make up."""
    key = method, route, status
    if (found := _children.get(key)) is None:
        found = _children[key] = REQUESTS.labels(method, route, str(status)), REQUEST_SECONDS.labels(route)
    found[0].inc()
    found[1].observe(seconds)


class StateCollector(Collector):
    """What is true at the time of the scrape: read then, and not kept by each process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: list[tuple[str, float, int]] = []
        self._read_at = -TABLES_SECONDS

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily(
            "chatstore_build", "The release", value={"version": settings.VERSION, "python": platform.python_version()}
        )
        rows = GaugeMetricFamily("chatstore_table_rows_estimate", "Rows, as ANALYZE left it", labels=["table"])
        size = GaugeMetricFamily("chatstore_table_bytes", "Bytes with indexes and TOAST", labels=["table"])
        for table, estimate, total in self._read_tables():
            rows.add_metric([table], estimate)
            size.add_metric([table], total)
        yield from (rows, size)
        yield from _pool_gauges()

    def _read_tables(self) -> list[tuple[str, float, int]]:
        """The last figures; they are left out while the database is away: a scrape must not fail, nor wait for it."""
        with self._lock:
            if time.monotonic() - self._read_at >= TABLES_SECONDS:
                self._tables = _tables_now() if database_answers() else []
                self._read_at = time.monotonic()
            return self._tables


def _tables_now() -> list[tuple[str, float, int]]:
    names = [model._meta.db_table for app in OWN_APPS for model in apps.get_app_config(app).get_models(True)]
    try:
        with connection.cursor() as cursor:
            cursor.execute(TABLES, [names])
            return list(cursor.fetchall())
    except Error:  # it went away between the two
        return []


def _pool_gauges() -> Iterable[Metric]:
    """This process's pool. With several workers a scrape meets one of them by chance: then there is nothing to say."""
    pool = connection.pool  # type: ignore[attr-defined]
    if _several_processes() or pool is None:
        return
    state = GaugeMetricFamily("chatstore_db_pool_connections", "Connections of the pool", labels=["state"])
    stats = pool.get_stats()
    for name in ("pool_size", "pool_available", "pool_max"):
        state.add_metric([name.removeprefix("pool_")], stats.get(name, 0))
    yield state
    waiting = stats.get("requests_waiting", 0)
    yield GaugeMetricFamily("chatstore_db_pool_waiting", "Requests waiting for a connection", value=waiting)


def _several_processes() -> bool:
    return bool(os.environ.get("PROMETHEUS_MULTIPROC_DIR"))


STATE = CollectorRegistry()
STATE.register(StateCollector())


@require_safe
def metrics_view(request: HttpRequest) -> HttpResponse:
    """The figures in Prometheus' text format."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode()):
            return problem_document(401, request=request, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
    elif not _is_loopback(request):
        return problem_document(403, request=request, detail="Set CHATSTORE_METRICS_TOKEN to scrape from elsewhere.")
    counted = REGISTRY
    if _several_processes():
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(counted) + generate_latest(STATE), content_type=CONTENT_TYPE_LATEST)


def _is_loopback(request: HttpRequest) -> bool:
    if any(header in request.META for header in FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
