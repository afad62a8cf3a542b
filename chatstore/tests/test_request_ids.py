"""Every answer names its request, whatever happened to it."""

import uuid

import pytest

pytestmark = pytest.mark.urls("chatstore.tests.urls")

PATHS = ["/healthz", "/api/v1/notes", "/api/v1/nowhere", "/nowhere", "/static/nowhere", "/admin/login", "/metrics"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_an_id_that_is_well_formed_comes_back(client, path):
    assert client.get(path, headers={"X-Request-ID": "Trace-1.a_B"})["X-Request-ID"] == "Trace-1.a_B"


@pytest.mark.parametrize(
    "given", ["", " ", "a b", "a\tb", "x" * 129, "é", "<script>", "a\0b", "a,b", "٣", "a\n"], ids=ascii
)
def test_any_other_is_replaced_by_a_new_one(client, given):
    made = client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"]
    assert uuid.UUID(made).version == 7


def test_each_request_has_its_own(client):
    assert len({client.get("/healthz")["X-Request-ID"] for _ in range(50)}) == 50


def test_the_longest_id_allowed_comes_back(client):
    assert client.get("/healthz", headers={"X-Request-ID": "x" * 128})["X-Request-ID"] == "x" * 128


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("post", "/healthz", 405), ("put", "/api/v1/nowhere", 404), ("post", "/api/v1/fails", 500)],
)
def test_a_problem_names_its_request(client, method, path, status):
    client.raise_request_exception = False
    answer = getattr(client, method)(path, "{}", content_type="application/json")
    assert (answer.status_code, answer.json()["request_id"]) == (status, answer["X-Request-ID"])


def test_a_stream_has_one_too(client):
    assert uuid.UUID(client.get("/api/v1/stream")["X-Request-ID"])
