"""The database stops and comes back: problems with Retry-After meanwhile, and nothing to restart afterwards."""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings

from chatstore import embedded_postgres
from chatstore.development import NOT_DURABLE

SERVER = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "chatstore.settings"
from django.conf import settings
settings.ROOT_URLCONF = "chatstore.tests.urls"
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, WSGIRequestHandler, make_server
from django.core.wsgi import get_wsgi_application

class Threaded(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

class Quiet(WSGIRequestHandler):
    def log_message(self, *words): pass

make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application(), Threaded, Quiet).serve_forever()
"""


@pytest.fixture
def home():
    """A server of this test's own, in a place that its user can reach."""
    place = Path(tempfile.mkdtemp(prefix="chatstore-away-", dir="/tmp"))
    place.chmod(0o755)
    yield place
    embedded_postgres.detach(place)
    subprocess.run(["rm", "-rf", place], check=True)


@pytest.fixture
def port(home):
    """The service in a process of its own, on this port, its database up."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DATABASE_URL": embedded_postgres.start(home, NOT_DURABLE),
        "CHATSTORE_POOL_TIMEOUT": "1",
    }
    command = [sys.executable, "-c", SERVER, str(number)]
    service = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stderr=subprocess.PIPE)
    log = threading.Thread(target=lambda: lines.extend(service.stderr))  # or it would block on a full pipe
    lines = []
    log.start()
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", number)) == 0:
                break
        time.sleep(0.1)
    yield number
    service.terminate()
    service.wait()
    log.join()
    service.stderr.close()
    faults = [line for line in lines if b"request_failed" in line or b"Traceback" in line]
    assert not faults


def ask(port, path):
    """Status, headers and document of an answer, and how long it took."""
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    return answer.status, answer.headers, body, time.monotonic() - started


def test_an_outage_is_a_503_and_ends_by_itself(home, port):
    with ThreadPoolExecutor(8) as crowd:  # a full pool, whose connections will all be dead
        assert {found[0] for found in crowd.map(lambda _: ask(port, "/api/v1/asks"), range(40))} == {200}

    embedded_postgres.detach(home)
    for path in ("/api/v1/asks", "/api/v1/plain"):  # through DRF, and not
        for _ in range(2):
            status, headers, body, seconds = ask(port, path)
            problem = json.loads(body)
            assert (status, problem["code"], headers["Retry-After"]) == (503, "database_unavailable", "5"), body
            assert headers["Content-Type"] == "application/problem+json"
            assert "postgres" not in body.decode().lower()
            assert seconds < 5
    assert ask(port, "/healthz")[0] == 200
    waited = [ask(port, "/api/v1/plain")[3] for _ in range(20)]
    assert sum(waited) < 10, "each waits for the whole timeout of the pool (1 s), and threads would run out"
    status, headers, body, seconds = ask(port, "/readyz")
    assert (status, json.loads(body)["checks"], headers["Retry-After"]) == (503, {"database": "failed"}, "5")
    assert seconds < 2.5
    assert ask(port, "/metrics")[0] == 200

    embedded_postgres.start(home, NOT_DURABLE)
    deadline = time.monotonic() + 10
    while ask(port, "/api/v1/asks")[0] != 200:
        assert time.monotonic() < deadline, "it did not recover"
        time.sleep(0.1)
    assert [ask(port, path)[0] for path in ("/api/v1/asks", "/api/v1/plain") for _ in range(10)] == [200] * 20
    assert b"chatstore_db_pool_connections" in ask(port, "/metrics")[2]


def test_a_restart_between_two_requests_is_hardly_noticed(home, port):
    with ThreadPoolExecutor(8) as crowd:
        assert {found[0] for found in crowd.map(lambda _: ask(port, "/api/v1/asks"), range(40))} == {200}
    embedded_postgres.detach(home)
    embedded_postgres.start(home, NOT_DURABLE)
    statuses = [ask(port, "/api/v1/asks")[0] for _ in range(30)]
    assert statuses.count(503) <= 2
    assert statuses[-10:] == [200] * 10
    assert set(statuses) <= {200, 503}
