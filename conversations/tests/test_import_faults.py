"""Imports while processes die: a real server, a real worker, SIGKILL and SIGTERM (hostile.md 17, 34)."""

import json
import os
import signal
import time
from http.client import HTTPConnection
from typing import Any

import pytest

from chatstore.tests.served import Client, Server, served, until
from conversations.tests.interchange import exports

pytestmark = pytest.mark.slow
CONVERSATIONS, MESSAGES = 400, 50


def uploaded(client: Client, *, length: int = CONVERSATIONS) -> str:
    """Queue an import of `length` conversations; its id."""
    items = [exports.branch(MESSAGES, id=f"c{n}") for n in range(length)]
    boundary = "----chatstore"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="x.json"\r\n\r\n'
    body = head.encode() + json.dumps(items).encode() + f"\r\n--{boundary}--\r\n".encode()
    connection = HTTPConnection("127.0.0.1", client.port, timeout=60)
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": f"multipart/form-data; boundary={boundary}"}
    connection.request("POST", "/api/v1/imports?async=true", body, headers)
    with connection.getresponse() as answer:
        told = json.loads(answer.read())
    connection.close()
    assert answer.status == 202, told
    return str(told["id"])


def read(client: Client, job: str) -> dict[str, Any]:
    return client.ask("GET", f"/imports/{job}").json()


def begun(server: Server, client: Client) -> str:
    """An import that has stored something, and is not done."""
    until(lambda: len(server.jobs_workers()) == 1, 60)
    job = uploaded(client)
    until(lambda: 0 < read(client, job)["progress"]["done"] < CONVERSATIONS, 60)
    return job


def is_over(client: Client, job: str) -> bool:
    return read(client, job)["status"] not in ("queued", "running")


@pytest.fixture
def server():
    with served(CHATSTORE_JOBS_STALLED_SECONDS="3", CHATSTORE_WORKERS="1") as running:
        yield running


@pytest.fixture
def client(server):
    signed_in = server.signed_in()
    yield signed_in
    signed_in.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_dies_is_replaced_and_the_import_goes_on(server: Server, client: Client, how: int) -> None:
    job = begun(server, client)
    (worker,) = server.jobs_workers()
    before = read(client, job)
    began = time.monotonic()
    os.kill(worker, how)
    until(lambda: worker not in server.jobs_workers(), 10)
    assert time.monotonic() - began < 5
    until(lambda: is_over(client, job), 90)
    told = read(client, job)
    assert (told["status"], told["resumed"]) == ("success", True)
    assert before["imported_count"] < told["imported_count"] == CONVERSATIONS * MESSAGES
    assert (told["unchanged_count"], told["conversations_imported"]) == (0, CONVERSATIONS)
    assert client.ask("GET", f"/imports/{job}/items?limit=1").json()["total"] == CONVERSATIONS
    assert client.ask("GET", "/conversations?limit=1").json()["total"] == CONVERSATIONS


def test_two_imports_of_one_file_at_once_give_one_result(client: Client) -> None:
    jobs = [uploaded(client, length=40) for _ in range(2)]
    until(lambda: all(is_over(client, job) for job in jobs), 90)
    told = [read(client, job) for job in jobs]
    assert {one["status"] for one in told} == {"success"}
    assert sum(one["imported_count"] for one in told) == 40 * MESSAGES
    assert sum(one["unchanged_count"] for one in told) == 40 * MESSAGES
    assert client.ask("GET", "/conversations?limit=1").json()["total"] == 40
