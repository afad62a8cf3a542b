"""A worker that is killed at a chosen instant of a write: before its commit, and after it but before the answer.

hostile.md 34. Whatever was stored by then, the same request with the same key gives exactly one row, and one answer.
"""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from chatstore.tests.served import Answer, Client, Gone, Server, served, until

pytestmark = pytest.mark.slow
SAID = {"role": "user", "content": "killed \0 while it was saved"}
Rows = tuple[int, ...]  # conversations, messages, keys, changes
POSTS: list[tuple[str, Any, Rows]] = [
    ("", {"title": "made", "messages": [SAID]}, (1, 1, 1, 2)),
    ("/{c}/messages", SAID, (0, 1, 1, 2)),
    ("/{c}/messages", {"messages": [SAID, {**SAID, "role": "assistant"}]}, (0, 2, 1, 3)),
    ("/{c}/fork", {}, (1, 1, 1, 2)),
]
CRASH_LOOP = 6  # seconds: a worker that dies again within 5.5 is one to granian, and it stops


@dataclass
class Person:
    """Somebody with a conversation, who sends one POST until it is answered."""

    client: Client
    eye: psycopg.Connection[Any]
    post: tuple[str, Any, Rows]
    key: str = field(default_factory=lambda: str(uuid4()))

    def __post_init__(self) -> None:
        said = {"role": "user", "content": "hello"}
        self.conversation = self.client.ask("POST", "/conversations", {"messages": [said]}).json()["id"]
        self.id = self.client.ask("GET", "/auth/me").json()["id"]
        self.before = self._stored()
        self.client.close()  # the worker at its other end will be killed

    def send(self) -> Answer:
        """One attempt, on a connection of its own. Raises Gone."""
        client = Client(self.client.port, self.client.token)
        path = f"/conversations{self.post[0].replace('{c}', self.conversation)}"
        try:
            return client.ask("POST", path, self.post[1], Idempotency_Key=self.key)
        finally:
            client.close()

    def added(self) -> Rows:
        """How many rows of this person's others see now that were not there."""
        return tuple(now - then for now, then in zip(self._stored(), self.before, strict=True))

    def _stored(self) -> Rows:
        tables = ("conversation", "message", "idempotencykey", "change")
        counts = ", ".join(f"(SELECT count(*) FROM conversations_{t} WHERE user_id = %(user)s)" for t in tables)
        (row,) = self.eye.execute(f"SELECT {counts}", {"user": self.id}).fetchall()
        return tuple(row)


@dataclass
class World:
    """A server, a person for each of POSTS, and an eye on the database."""

    server: Server
    eye: psycopg.Connection[Any]
    pool: ThreadPoolExecutor

    def __post_init__(self) -> None:
        self.people = [Person(self.server.signed_in(), self.eye, post) for post in POSTS]
        self.workers = self.server.workers()

    def sent(self) -> "list[Future[Answer]]":
        """All send; each write has done all but raising the change counter, and waits there: see `counters_held`."""
        waiting = len(self.waiting())
        futures = [self.pool.submit(person.send) for person in self.people]
        until(lambda: len(self.waiting()) == waiting + len(POSTS))
        return futures

    def waiting(self) -> list[int]:
        """The sessions that wait for a lock."""
        return [row[0] for row in self.eye.execute("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")]

    @contextmanager
    def counters_held(self) -> Iterator[None]:
        """Every write raises the change counter of its owner last."""
        with psycopg.connect(self.server.dsn) as holder:
            people = [person.id for person in self.people]
            holder.execute("SELECT 1 FROM conversations_changecounter WHERE user_id = ANY(%s) FOR UPDATE", [people])
            yield
            holder.rollback()

    def kill(self, futures: "list[Future[Answer]]") -> None:
        self.server.kill_worker()
        for future in futures:
            with pytest.raises(Gone):
                future.result(30)

    def is_back(self) -> bool:
        workers = self.server.workers()
        return bool(workers) and not set(workers) & set(self.workers) and self.server.is_ready()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served(CHATSTORE_THREADS="8") as server:
        yield server


@pytest.fixture
def world(server: Server) -> Iterator[World]:
    with psycopg.connect(server.dsn, autocommit=True) as eye, ThreadPoolExecutor(2 * len(POSTS)) as pool:
        world = World(server, eye, pool)
        yield world
        for person in world.people:
            person.client.close()
    time.sleep(CRASH_LOOP)


def test_before_the_commit_nothing_is_stored_and_a_repeat_does_it(world):
    with world.counters_held():
        world.kill(world.sent())
        # As when a failover ends it with its session: it must not go on when the lock is free.
        world.eye.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) AS pid", [world.waiting()])
    assert [person.added() for person in world.people] == [(0, 0, 0, 0)] * len(POSTS)
    until(world.is_back)
    for person in world.people:
        answer = person.send()
        assert (answer.status, "idempotency-replayed" in answer.headers) == (201, False)
        assert person.added() == person.post[2]


def test_a_statement_that_outlives_its_worker_is_the_one_that_counts(world):
    """PostgreSQL goes on with what it was told; the repeat comes while it does, and queues behind it."""
    with world.counters_held():
        world.kill(world.sent())
        until(world.is_back)
        repeated = world.sent()
        assert [person.added() for person in world.people] == [(0, 0, 0, 0)] * len(POSTS)
    for person, future in zip(world.people, repeated, strict=True):
        answer = future.result(30)
        assert (answer.status, answer.headers.get("idempotency-replayed")) == (201, "true"), person.post
        assert person.added() == person.post[2]


def test_after_the_commit_and_before_the_answer_a_repeat_is_told_what_was_done(world):
    with world.counters_held():
        sent = world.sent()
        for pid in world.workers:
            os.kill(pid, signal.SIGSTOP)  # it hears no more of the database, and answers nobody
    until(lambda: all(person.added() == person.post[2] for person in world.people))
    assert not any(future.done() for future in sent)
    world.kill(sent)
    until(world.is_back)
    for person in world.people:
        answer, again = person.send(), person.send()
        assert (answer.status, answer.headers.get("idempotency-replayed")) == (201, "true")
        assert (again.body, again.headers.get("etag")) == (answer.body, answer.headers.get("etag"))
        assert person.added() == person.post[2]
        if "location" in answer.headers:
            found = person.client.ask("GET", answer.headers["location"].removeprefix("/api/v1"))
            assert (found.status, found.json()) == (200, answer.json())
            assert found.headers["etag"].partition("-")[0].strip('"') == answer.headers["etag"].strip('"')
