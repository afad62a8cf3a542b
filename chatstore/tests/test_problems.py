"""Whatever is wrong with a request, the answer is a problem document (RFC 9457) and tells nothing of our insides."""

import json
from io import BytesIO

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

pytestmark = pytest.mark.urls("chatstore.tests.urls")

NOTES, JSON = "/api/v1/notes", "application/json"
MEMBERS = {"type", "title", "status", "detail", "instance", "code", "request_id"}


@pytest.fixture
def client(client):
    client.raise_request_exception = False
    return client


def is_problem(answer, status, code):
    problem = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert set(problem) >= MEMBERS
    assert (problem["status"], problem["code"]) == (status, code)
    assert "Traceback" not in answer.text
    return problem


@pytest.fixture(params=[False, True], ids=["production", "debug"])
def debug(request, settings):
    settings.DEBUG = request.param


@pytest.mark.usefixtures("debug")
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("path", ["/", "/nowhere", "/api/", "/api/v1/nowhere", "/api/v2/notes", "/api/v1/notes//"])
def test_an_unknown_path_is_404(client, method, path):
    assert is_problem(getattr(client, method)(path), 404, "not_found")["instance"].startswith("/")


@pytest.mark.parametrize("path", [f"{NOTES}/", "/healthz/", "/api/v1/tagged/"])
def test_a_trailing_slash_makes_no_difference(client, path):
    assert client.get(path).status_code == 200


@pytest.mark.usefixtures("debug")
@pytest.mark.parametrize("path", [NOTES, "/healthz", "/metrics"])
def test_a_wrong_method_is_405_and_says_which_are_right(client, path):
    answer = client.delete(path)
    is_problem(answer, 405, "method_not_allowed")
    assert "GET" in answer["Allow"]


@pytest.mark.parametrize("path", [NOTES, "/healthz"])
def test_options_says_what_is_allowed(client, path):
    answer = client.options(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "GET" in answer["Allow"]
    assert "Content-Length" not in answer.headers


@pytest.mark.parametrize("path", [NOTES, "/healthz"])
def test_head_is_get_without_the_body(client, path):
    get, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Length"] == get["Content-Length"] == str(len(get.content))


@pytest.mark.parametrize("accept", ["text/html", "text/html, ,", "x" * 300])
def test_what_the_client_does_not_accept_is_406(client, accept):
    is_problem(client.get(NOTES, headers={"Accept": accept}), 406, "not_acceptable")


@pytest.mark.parametrize("accept", ["", " ", ",", " , ,\t", "*/*"])
def test_an_accept_header_that_names_nothing_takes_anything(client, accept):
    answer = client.get(NOTES, headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "text/json", "x", ""]
)
def test_another_content_type_is_415(client, kind):
    is_problem(client.post(NOTES, "{}", content_type=kind), 415, "unsupported_media_type")


def test_a_file_upload_where_none_is_taken_is_415(client):
    is_problem(client.post(NOTES, {"file": BytesIO(b"x")}), 415, "unsupported_media_type")


@pytest.mark.parametrize("kind", [JSON, "application/json; charset=utf-8", "APPLICATION/JSON"])
def test_json_is_read_however_its_type_is_written(client, kind):
    assert client.post(NOTES, '{"title": "é"}', content_type=kind).json()["title"] == "é"


@pytest.mark.parametrize("body", ["{", "nonsense", '{"a": 1,}', "{'a': 1}", " "])
def test_malformed_json_is_400(client, body):
    is_problem(client.post(NOTES, body, content_type=JSON), 400, "malformed_json")


def test_a_body_over_the_limit_is_413_by_its_declared_length(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    body = json.dumps({"title": "x" * (1_000 - len('{"title": ""}'))})
    assert client.post(NOTES, body, content_type=JSON).status_code == 201
    is_problem(client.post(NOTES, body + " ", content_type=JSON), 413, "body_too_large")
    is_problem(client.post(NOTES, "x" * 2_000, content_type="text/plain"), 413, "body_too_large")


class Unread(BytesIO):
    """A body that must not be asked for."""

    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError("read")


class Broken(BytesIO):
    """A client that goes away."""

    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError


def asked(body, **environ):
    """The answer of the whole stack to a request with this input stream."""
    request = RequestFactory().post(NOTES, b"", content_type=JSON)
    handler = WSGIHandler()
    return handler.get_response(
        handler.request_class({**request.environ, "CONTENT_TYPE": JSON, "wsgi.input": body, **environ})
    )


def test_a_body_that_is_too_large_is_not_read():
    assert asked(Unread(), CONTENT_LENGTH="10000000000").status_code == 413


@pytest.mark.parametrize("length", ["-5", "1e3", "x", "٣"])
def test_a_length_that_is_none_is_refused_unread(length):
    assert asked(Unread(), CONTENT_LENGTH=length).status_code == 413


@pytest.mark.parametrize(
    ("body", "length"), [(BytesIO(b'{"title": "a"}'), "20"), (Broken(), "20")], ids=["short", "broken"]
)
def test_a_body_that_ends_too_early_is_not_taken_for_whole(body, length):
    answer = asked(body, CONTENT_LENGTH=length)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (400, "incomplete_body")


@pytest.mark.parametrize("how", [{"HTTP_TRANSFER_ENCODING": "chunked"}, {"SERVER_PROTOCOL": "HTTP/2.0"}], ids=str)
def test_a_body_of_undeclared_length_is_read_up_to_the_limit(how, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    how = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True, **how}
    answer = asked(BytesIO(b'{"title": "a"}'), **how)
    assert (answer.status_code, json.loads(answer.content)["title"]) == (201, "a")
    assert asked(BytesIO(b"{" + b" " * 100), **how).status_code == 413


def test_a_chunked_body_may_come_with_a_length_that_the_bridge_made_up():
    answer = asked(BytesIO(b'{"title": "a"}'), CONTENT_LENGTH=str(2**63 - 1), HTTP_TRANSFER_ENCODING="chunked")
    assert (answer.status_code, json.loads(answer.content)["title"]) == (201, "a")


def test_a_server_that_cannot_tell_where_a_body_ends_asks_for_its_length():
    answer = asked(Unread(), CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked")
    assert (answer.status_code, json.loads(answer.content)["code"]) == (411, "length_required")


@pytest.mark.parametrize(
    "host", ["evil.example", "a b", "testserver:x", "", "[::1", "testserver\0", "é", "a" * 10_000], ids=ascii
)
@pytest.mark.usefixtures("debug")
def test_a_host_that_is_not_ours_is_400(client, host):
    client.get(NOTES)  # a good one, which is remembered
    is_problem(client.get(NOTES, headers={"Host": host}), 400, "bad_host")


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_probes_come_by_address(client, path, db):
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


@pytest.mark.parametrize(
    "header", ["Accept", "Authorization", "X-Request-ID", "If-None-Match", "Idempotency-Key", "Cookie"]
)
@pytest.mark.parametrize(
    "value", ["\0", "a\0b", "\udcff", "\x80\xff", "x" * 100_000], ids=["nul", "in", "surrogate", "high", "long"]
)
def test_no_header_makes_a_fault_of_ours(client, header, value):
    assert client.get(NOTES, headers={header: value}).status_code < 500


@pytest.mark.parametrize("query", ["q=%00", "%00=1", "q=%ed%a0%80", "q=%ff", "&&&=", "q=" + "x" * 100_000])
def test_no_query_makes_a_fault_of_ours(client, query):
    assert client.get(f"{NOTES}?{query}").status_code == 200


@pytest.mark.parametrize(
    "path", ["%00", "%ff", "%ed%a0%80", "%EF%B7%90d800", "%22%3Cscript%3E", "../notes", "%0d%0aX:1"]
)
def test_a_strange_path_is_404_and_quoted(client, path):
    instance = is_problem(client.get(f"/api/v1/x{path}"), 404, "not_found")["instance"]
    assert instance.isascii()
    assert not set('\0"<>\r\n ') & set(instance)


@pytest.mark.usefixtures("debug")
@pytest.mark.parametrize(("method", "path"), [("post", "/api/v1/fails"), ("get", "/api/v1/plain-failure?q=secret")])
def test_a_fault_of_ours_is_a_bare_500(client, method, path):
    answer = getattr(client, method)(path, {"secret": 1}, content_type=JSON)
    is_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "status"), [("/admin/login/", 200), ("/admin", 301), ("/admin/login", 302)])
def test_the_admin_keeps_its_pages_and_slashes(client, path, status):
    answer = client.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (status, "text/html; charset=utf-8")


@pytest.mark.django_db
def test_a_missing_page_of_the_admin_is_a_page(client, admin_user):
    client.force_login(admin_user)
    answer = client.get("/admin/nowhere/at/all/")
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


def test_the_admin_forgives_no_missing_csrf_token(db):
    from django.test import Client

    assert Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "x"}).status_code == 403
