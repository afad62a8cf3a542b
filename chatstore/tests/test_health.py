"""Alive and ready are two questions."""

import threading
import time

import pytest

from chatstore import health
from chatstore.health import DEADLINE, Probe

pytestmark = pytest.mark.urls("chatstore.tests.urls")


@pytest.fixture(autouse=True)
def _new_probe(monkeypatch):
    """What an earlier test found is not remembered."""
    monkeypatch.setattr(health, "_probe", Probe(health._look))
    monkeypatch.setattr(health._Migrations, "applied", False)


def test_alive_needs_no_database(client):
    answer = client.get("/healthz")  # without the `db` fixture, pytest-django would refuse a connection
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready_names_its_checks(client):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"status": "ok", "checks": {"database": "ok", "migrations": "ok"}},
    )


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_is_missing_makes_it_not_ready(client):
    from django.db.migrations.recorder import MigrationRecorder

    applied = MigrationRecorder.Migration.objects.filter(app="accounts").latest("id")
    applied.delete()
    try:
        answer = client.get("/readyz")
    finally:
        applied.save(force_insert=True)
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["checks"] == {"database": "ok", "migrations": "failed"}
    assert answer.json()["code"] == "not_ready"


@pytest.mark.django_db
def test_applied_migrations_are_looked_at_once():
    started = time.perf_counter()
    assert health._look()["migrations"] == "ok"
    first = time.perf_counter() - started
    later = []
    for _ in range(10):  # the best of them: the machine may be busy with others
        started = time.perf_counter()
        assert health._look()["migrations"] == "ok"
        later.append(time.perf_counter() - started)
    assert min(later) < first / 2


def test_a_database_that_hangs_is_waited_for_no_longer_than_the_deadline():
    hanging = threading.Event()
    looks = []

    def look():
        looks.append(1)
        hanging.wait(30)
        return {"database": "ok"}

    probe = Probe(look)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        probe.result()
    assert time.monotonic() - started < DEADLINE + 0.5
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        probe.result()  # the first look hangs on; no second one joins it
    assert time.monotonic() - started < 0.5
    assert len(looks) == 1
    hanging.set()
    time.sleep(0.1)
    assert probe.result() == {"database": "ok"}


def test_many_probes_are_one_look():
    looks = []

    def look():
        looks.append(1)
        time.sleep(0.05)
        return {"database": "ok"}

    probe = Probe(look)
    threads = [threading.Thread(target=probe.result) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(looks) == 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_probes_may_use_head_and_nothing_that_writes(client, path):
    assert client.head(path).status_code == 200
    assert client.post(path).status_code == 405
