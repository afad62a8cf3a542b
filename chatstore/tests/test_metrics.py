"""What Prometheus is told, and who may ask."""

import os
import subprocess
import sys
import textwrap

import pytest
from django.conf import settings as django_settings
from django.db import connection
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from chatstore import metrics
from chatstore.metrics import StateCollector

pytestmark = pytest.mark.urls("chatstore.tests.urls")

NOTES = "/api/v1/notes"


def counted(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0


@pytest.fixture
def fresh_tables(monkeypatch):
    """Figures of the tables that are read now, and not remembered from an earlier test."""
    collector = StateCollector()
    monkeypatch.setattr(collector, "_read_at", float("-inf"))
    return collector


@pytest.mark.django_db
def test_the_answer_is_prometheus_text(client):
    answer = client.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert families["chatstore_build_info"].samples[0].labels["version"] == django_settings.VERSION
    assert {"chatstore_http_requests", "chatstore_http_request_seconds", "chatstore_failed_cascades"} <= set(families)
    assert families["chatstore_db_pool_connections"].samples


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", NOTES, NOTES, "200"),
        ("GET", f"{NOTES}/", NOTES, "200"),
        ("DELETE", NOTES, NOTES, "405"),
        ("GET", "/api/v1/no/such/01a20114-7f26-774a-bd31-43321a7f87bc", "unmatched", "404"),
        ("GET", "/static/nowhere.css", "/static/", "404"),
    ],
)
def test_requests_are_counted_by_route(client, method, path, route, status):
    labels = {"method": method, "route": route, "status": status}
    before, timed = (
        counted("chatstore_http_requests_total", **labels),
        counted("chatstore_http_request_seconds_count", route=route),
    )
    client.generic(method, path)
    assert counted("chatstore_http_requests_total", **labels) == before + 1
    assert counted("chatstore_http_request_seconds_count", route=route) == timed + 1


def test_clients_cannot_make_labels_up(client):
    client.generic("VERB", "/made/up")
    children = len(metrics._children)
    for number in range(50):
        client.generic(f"VERB{number}", f"/made/up/{number}")
    assert len(metrics._children) == children
    text = metrics.generate_latest(REGISTRY).decode()
    assert "VERB" not in text
    assert "/made/up" not in text
    assert counted("chatstore_http_requests_total", method="other", route="unmatched", status="404") >= 50


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("extra", "status"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, 200),
        ({"REMOTE_ADDR": "127.8.9.10"}, 200),
        ({"REMOTE_ADDR": "::1"}, 200),
        ({"REMOTE_ADDR": "::ffff:127.0.0.1"}, 200),
        ({"REMOTE_ADDR": "192.0.2.1"}, 403),
        ({"REMOTE_ADDR": ""}, 403),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, 403),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=192.0.2.1"}, 403),
    ],
)
def test_without_a_token_only_this_machine_may_ask(client, extra, status):
    assert client.get("/metrics", **extra).status_code == status


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "status"), [("Bearer s3cret", 200), ("Bearer other", 401), ("s3cret", 401), ("", 401), ("Bearer é", 401)]
)
def test_with_a_token_whoever_has_it_may_ask(client, settings, given, status):
    settings.METRICS_TOKEN = "s3cret"
    answer = client.get("/metrics", headers={"Authorization": given}, REMOTE_ADDR="192.0.2.1")
    assert answer.status_code == status
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


@pytest.mark.django_db
def test_the_growth_of_our_tables_is_told(fresh_tables):
    found = {metric.name: metric for metric in fresh_tables.collect()}
    sizes = {sample.labels["table"]: sample.value for sample in found["chatstore_table_bytes"].samples}
    rows = {sample.labels["table"]: sample.value for sample in found["chatstore_table_rows_estimate"].samples}
    assert {"accounts_user", "conversations_message"} <= set(sizes)
    assert all(name.startswith(("accounts_", "conversations_")) for name in sizes)
    assert all(size > 0 for size in sizes.values())
    assert all(estimate >= 0 for estimate in rows.values())


@pytest.mark.django_db
def test_the_tables_are_one_statement_however_many_scrape(fresh_tables, django_assert_num_queries):
    with django_assert_num_queries(1):
        list(fresh_tables.collect())
        list(fresh_tables.collect())


@pytest.mark.django_db
def test_a_statement_that_fails_leaves_the_rest(fresh_tables, monkeypatch):
    monkeypatch.setattr(metrics, "TABLES", "SELECT 1 FROM nowhere WHERE %s IS NULL")
    found = {metric.name: metric for metric in fresh_tables.collect()}
    assert not found["chatstore_table_bytes"].samples
    assert found["chatstore_build"].samples
    connection.rollback() if not connection.in_atomic_block else connection.set_rollback(True)


PROGRAM = """
    import os, sys
    import django
    django.setup()
    from chatstore.metrics import SAVES, request_answered
    request_answered("GET", "/api/v1/notes", 200, 0.01)
    SAVES.labels("message").inc(3)
    if sys.argv[1] == "scrape":
        from django.test import RequestFactory
        from chatstore.metrics import metrics_view
        print(metrics_view(RequestFactory().get("/metrics")).text)
"""


def test_several_processes_are_added_up(tmp_path):
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "chatstore.settings",
    }
    for deed in ("count", "scrape"):
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(PROGRAM), deed],
            env=environment,
            cwd=django_settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert 'chatstore_saves_total{kind="message"} 6.0' in run.stdout
    assert 'chatstore_http_requests_total{method="GET",route="/api/v1/notes",status="200"} 2.0' in run.stdout
    assert "chatstore_db_pool" not in run.stdout
    assert "chatstore_build_info" in run.stdout
