"""Headers that every answer has, and what the API is spared."""

import asyncio
import threading

import pytest
from django.contrib.admin.checks import check_admin_app
from django.core.checks import run_checks
from django.db import connection
from django.test import AsyncClient, Client

pytestmark = pytest.mark.urls("chatstore.tests.urls")

NOTES = "/api/v1/notes"


@pytest.mark.parametrize(
    ("path", "expected"), [(NOTES, "no-store"), ("/api/v1/tagged", "private, no-cache"), ("/nowhere", "no-store")]
)
def test_no_shared_cache_may_keep_an_answer(client, path, expected):
    answer = client.get(path)
    assert answer["Cache-Control"] == expected
    assert "Authorization" in answer["Vary"]


@pytest.mark.parametrize("path", [NOTES, "/nowhere", "/healthz", "/api/docs", "/admin/login/"])
def test_answers_forbid_sniffing_framing_and_foreign_scripts(client, path, db):
    headers = client.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "http" not in headers["Content-Security-Policy"]


@pytest.mark.parametrize(("secure", "expected"), [(True, "max-age=3600"), (False, None)])
def test_browsers_are_told_of_https_over_https_only(settings, secure, expected):
    settings.SECURE_HSTS_SECONDS = 3600
    assert Client().get(NOTES, secure=secure).headers.get("Strict-Transport-Security") == expected


def test_refusals_have_these_headers_too(client):
    answer = client.get(NOTES, headers={"Host": "evil.example"})
    assert (answer.status_code, answer["X-Frame-Options"], answer["Cache-Control"]) == (400, "DENY", "no-store")


def test_the_api_sets_no_cookie(client):
    assert not client.get(NOTES).cookies


def test_static_files_are_served_without_collectstatic(settings):
    settings.WHITENOISE_USE_FINDERS = True
    client = Client()
    answer = client.get("/static/admin/css/base.css")
    assert (answer.status_code, answer["Content-Type"]) == (200, 'text/css; charset="utf-8"')
    assert b"DJANGO Admin" in answer.getvalue()
    assert client.get("/static/../chatstore/settings.py").status_code == 404


def test_static_files_come_from_where_collectstatic_put_them(settings, tmp_path):
    settings.WHITENOISE_USE_FINDERS, settings.STATIC_ROOT = False, tmp_path
    (tmp_path / "x.css").write_text("body {}")
    assert Client().get("/static/x.css").getvalue() == b"body {}"
    assert Client().get("/static/y.css").status_code == 404


@pytest.mark.django_db
def test_the_admin_s_middleware_passes_django_s_checks():
    assert check_admin_app(None) == []
    assert not [found for found in run_checks() if found.id.startswith(("admin", "security"))]


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_given_back_before_the_answer_is_read(client):
    """The handler returns, nobody has read or closed the answer, and the thread holds no connection any more."""
    held = []

    def serve():
        answer = client.handler.get_response(request)
        held.extend([answer.status_code, connection.connection])

    client.get("/healthz")
    request = client.request(PATH_INFO="/api/v1/asks").wsgi_request
    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert held == [200, None]


@pytest.mark.django_db
def test_a_test_s_transaction_is_left_alone(client):
    assert connection.in_atomic_block
    before = connection.connection
    assert client.get("/api/v1/asks").json() == {"one": 1}
    assert connection.connection is before


def test_asgi_is_served_alike():
    async def ask():
        client = AsyncClient()
        found = await client.get(f"{NOTES}/", headers={"X-Request-ID": "async"})
        missing = await client.get("/nowhere")
        made = await client.post(NOTES, '{"title": "a"}', content_type="application/json")
        return found, missing, made

    found, missing, made = asyncio.run(ask())
    assert (found.status_code, found["X-Request-ID"], found["X-Frame-Options"]) == (200, "async", "DENY")
    assert (missing.status_code, missing["Content-Type"]) == (404, "application/problem+json")
    assert (made.status_code, made.json()["title"]) == (201, "a")
