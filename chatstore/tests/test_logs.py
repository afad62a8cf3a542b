"""What is logged of requests, and that what people say is never in it."""

import asyncio
import json
import logging
import subprocess
import sys
import threading
import uuid

import pytest
import structlog
from django.conf import settings as django_settings
from django.db import IntegrityError
from django.test import AsyncClient

from chatstore.logs import bind_user, describe_exception, get_logger, standard_library_config

pytestmark = pytest.mark.urls("chatstore.tests.urls")

MARK = "Zx9marker"  # stands for anything private
NOTES = "/api/v1/notes"


@pytest.fixture
def client(client):
    client.raise_request_exception = False
    return client


@pytest.fixture
def logged(capfd):
    """Reads what was written since the last call: each line a JSON object, none with the marker in it."""
    capfd.readouterr()

    def lines():
        out, text = capfd.readouterr()
        assert MARK.lower() not in (out + text).lower()
        return [json.loads(line) for line in text.splitlines()]

    return lines


def only(lines, event):
    found = [line for line in lines if line["event"] == event]
    assert len(found) == 1, lines
    return found[0]


def test_a_request_is_one_line(client, logged):
    client.get(f"{NOTES}?q={MARK}", headers={"X-Request-ID": "trace"})
    lines = logged()
    line = only(lines, "request")
    assert (line["method"], line["route"], line["status"], line["request_id"]) == ("GET", NOTES, 200, "trace")
    assert line["duration_ms"] > 0
    assert (line["level"], line["logger"]) == ("info", "chatstore.requests")
    assert line["timestamp"].endswith("Z")
    assert (only(lines, "note_read")["figure"], only(lines, "note_read")["request_id"]) == (7, "trace")


def test_a_refusal_says_which_problem(client, logged):
    client.post(NOTES, f'{{"{MARK}"', content_type="application/json")
    assert only(logged(), "request")["problem"] == "malformed_json"


def test_the_user_is_on_the_lines_once_known(client, logged):
    user = str(uuid.uuid4())
    client.get(NOTES, headers={"X-User": user})
    assert only(logged(), "request")["user_id"] == user
    client.post("/api/v1/fails", "{}", content_type="application/json", headers={"X-User": user})
    assert {line["user_id"] for line in logged()} == {user}
    client.get(NOTES)
    assert "user_id" not in only(logged(), "request")


def test_a_session_s_user_is_not_looked_up_for_the_log(client, logged, admin_user, django_assert_num_queries):
    client.get("/admin/login/")
    assert "user_id" not in only(logged(), "request")
    client.force_login(admin_user)
    client.get("/admin/")
    assert only(logged(), "request")["user_id"] == str(admin_user.pk)


def test_probes_are_not_worth_a_line(client, logged):
    client.get("/healthz")
    assert logged() == []


def everywhere(client, path, method="post", **headers):
    """The marker in the body, the query, the headers, a cookie, and as the name of each."""
    return client.generic(
        method.upper(),
        f"{path}?q={MARK}&{MARK}=1",
        json.dumps({"title": MARK, MARK: MARK, "number": MARK if "notes" in path else 1}),
        content_type="application/json",
        headers={
            "Authorization": f"Bearer {MARK}",
            "Cookie": f"a={MARK}",
            "User-Agent": MARK,
            "X-Request-ID": f"{MARK} ",
            "X-Forwarded-For": MARK,
            "Idempotency-Key": MARK,
            f"X-{MARK}": MARK,
            **headers,
        },
        REMOTE_ADDR="198.51.100.77",
    )


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("path", "method", "status", "headers"),
    [
        (NOTES, "post", 422, {}),
        (NOTES, "get", 406, {"Accept": f"text/{MARK}"}),
        (NOTES, "get", 400, {"Host": f"{MARK}.example"}),
        (NOTES, MARK, 405, {}),
        (f"/api/v1/{MARK}", "post", 404, {}),
        (f"/{MARK}/{MARK}", "get", 404, {}),
        (f"/static/{MARK}", "get", 404, {}),
        (f"/admin/{MARK}/", "get", 302, {}),
        ("/admin/", "get", 400, {"Host": f"{MARK}.example"}),
        ("/api/v1/fails", "post", 500, {}),
        ("/api/v1/plain-failure", "get", 500, {}),
    ],
)
@pytest.mark.django_db
def test_nothing_of_a_request_is_logged(client, logged, settings, debug, path, method, status, headers):
    settings.DEBUG = debug
    assert everywhere(client, path, method, **headers).status_code == status
    lines = logged()
    assert lines
    assert "198.51.100.77" not in json.dumps(lines)


def test_a_fault_is_logged_with_its_frames_and_without_its_words(client, logged):
    everywhere(client, "/api/v1/fails")
    fault = only(logged(), "request_failed")
    assert fault["exception"]["type"] == "ValueError"
    assert fault["exception"]["frames"][-1].startswith("chatstore/tests/urls.py:")
    assert fault["exception"]["frames"][-1].endswith(":post")
    assert fault["level"] == "error"


@pytest.mark.django_db(transaction=True)
def test_a_violated_constraint_is_named_and_its_row_is_not(client, logged):
    assert client.post("/api/v1/violates", json.dumps(MARK), content_type="application/json").status_code == 500
    fault = only(logged(), "request_failed")["exception"]
    assert fault["type"] == "django.db.utils.IntegrityError"
    assert fault["cause"]["type"] == "psycopg.errors.UniqueViolation"
    assert (fault["cause"]["sqlstate"], fault["cause"]["constraint"]) == ("23505", "only_once")


def test_a_stream_that_fails_is_logged_and_cut(client, logged):
    answer = client.get(f"/api/v1/stream?q={MARK}", headers={"X-Request-ID": "trace"})
    with pytest.raises(Exception, match=r"^$") as raised:
        list(answer.streaming_content)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert only(logged(), "stream_failed")["request_id"] == "trace"


def test_asynchronous_requests_are_logged_alike(logged):
    async def ask():
        client = AsyncClient(raise_request_exception=False)
        await client.get(f"{NOTES}?q={MARK}", headers={"X-Request-ID": "one"})
        await client.post(f"/api/v1/fails?q={MARK}", MARK, content_type="application/json")

    asyncio.run(ask())
    lines = logged()
    assert [line["status"] for line in lines if line["event"] == "request"] == [200, 500]
    assert only(lines, "note_read")["request_id"] == "one"
    assert only(lines, "request_failed")["exception"]["type"] == "ValueError"


def test_a_library_s_arguments_stay_out(logged):
    logging.getLogger("httpx").warning("HTTP Request: %s %s", "GET", f"https://example.org/?q={MARK}")
    logging.getLogger("django.request").error("%s: %s", "Not Found", MARK)
    logging.getLogger("django.security.DisallowedHost").error(f"Invalid HTTP_HOST header: {MARK}")
    logging.getLogger("django.server").warning('"GET /?q=%s"', MARK)
    logging.getLogger("granian.access").warning(MARK)
    logging.getLogger("psycopg.pool").warning("error connecting in %r", "pool-1")
    logging.getLogger("_granian.utils").error(
        f"Application callable raised an exception\nTraceback …\nValueError: {MARK}"
    )
    events = [(line["logger"], line["event"]) for line in logged()]
    assert events == [
        ("httpx", "HTTP Request: %s %s"),
        ("django.request", "request_failed"),
        ("django.security.DisallowedHost", "request_suspicious"),
        ("psycopg.pool", "error connecting in 'pool-1'"),
        ("_granian.utils", "Application callable raised an exception"),
    ]


def test_an_exception_in_a_library_s_record_has_no_words_either(logged):
    try:
        raise ValueError(MARK) from KeyError(MARK)
    except ValueError:
        logging.getLogger("library").exception("failed")
    fault = only(logged(), "failed")["exception"]
    assert (fault["type"], fault["cause"]["type"]) == ("ValueError", "KeyError")


def test_objects_are_named_and_not_shown(logged):
    class Holder:
        def __repr__(self):
            return MARK

    get_logger("chatstore.tests").warning("held", value=Holder(), exc_info=False)
    assert only(logged(), "held")["value"] == "<Holder>"


def test_a_job_says_whose_it_is(logged):
    with structlog.contextvars.bound_contextvars(job="erase"):
        bind_user(7)
        get_logger("chatstore.tests").info("done")
    structlog.contextvars.clear_contextvars()
    line = only(logged(), "done")
    assert (line["job"], line["user_id"]) == ("erase", "7")


def test_a_recursion_leaves_the_innermost_frames():
    def fall():
        fall()

    try:
        fall()
    except RecursionError as error:
        frames = describe_exception(error)["frames"]
    assert len(frames) == 40
    assert frames[-1].endswith(":fall")


def test_a_chain_of_causes_ends():
    error = None
    for _ in range(50):
        try:
            raise IntegrityError(MARK) from error
        except IntegrityError as raised:
            error = raised
    told = json.dumps(describe_exception(error))
    assert told.count("IntegrityError") == 6
    assert MARK not in told


PROGRAM = """
import logging, sys, threading
import django
from django.conf import settings
settings.configure(LOGGING_CONFIG="chatstore.logs.configure", LOGGING={"level": "INFO", "console": False})
django.setup()
from psycopg import errors
def fail(kind):
    raise ValueError("Zx9marker" if kind is errors.DataError else "said") from kind("Zx9marker")
if sys.argv[1] == "thread":
    thread = threading.Thread(target=fail, args=(errors.DataError,))
    thread.start()
    thread.join()
else:
    fail(errors.DataError if sys.argv[1] == "database" else KeyError)
"""


def ran(how):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, cwd=django_settings.BASE_DIR, timeout=60
    )


@pytest.mark.parametrize(
    ("where", "event", "code"), [("thread", "thread_failed", 0), ("database", "process_failed", 1)]
)
def test_what_nobody_catches_is_logged_without_a_database_s_words(where, event, code):
    run = ran(where)
    assert run.returncode == code
    assert MARK not in run.stderr + run.stdout
    line = json.loads(run.stderr)
    assert (line["event"], line["exception"]["type"]) == (event, "ValueError")


def test_a_command_that_fails_otherwise_says_why():
    assert "ValueError: said" in ran("process").stderr


def test_granian_takes_the_same_configuration():
    """`log_dictconfig` is merged over granian's own, which writes to stdout."""
    from granian.log import LOGGING_CONFIG

    ours = standard_library_config("INFO")
    assert set(LOGGING_CONFIG["loggers"]) <= set(ours["loggers"])
    assert ours["loggers"]["granian.access"] == {"handlers": [], "propagate": False, "level": "CRITICAL"}


def test_threads_do_not_share_ids(client, logged):
    def ask(number):
        client.__class__().get(NOTES, headers={"X-Request-ID": f"trace-{number}"})

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = logged()
    for event in ("note_read", "request"):
        assert sorted(line["request_id"] for line in lines if line["event"] == event) == [
            f"trace-{n}" for n in range(8)
        ]
