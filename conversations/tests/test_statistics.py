"""After a large import the planner knows the tables; nothing fails where it may not be told."""

from uuid import uuid4

import pytest
from django.db import connection

from conversations.actions import ingest
from conversations.actions.ingest import conversations_ingest
from conversations.actions.statistics import TABLES, statistics_refresh
from conversations.interchange.records import ConversationRecord, MessageRecord
from conversations.models import Message

pytestmark = pytest.mark.django_db(transaction=True)


def records(count, messages):
    for number in range(count):
        said = tuple(MessageRecord(external_id=f"m{n}", role="user", content="x") for n in range(messages))
        yield ConversationRecord(source="test", external_id=f"{uuid4()}-{number}", messages=said)


def rows_known(table="conversations_message"):
    """What the planner takes the table to hold; -1 when nobody ever looked."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [table])
        return cursor.fetchone()[0]


@pytest.fixture
def forgotten(transactional_db):
    """Tables as after a migration: emptied by the test before, and never analysed since."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    assert rows_known() <= 0


def test_a_large_import_is_known_to_the_planner_when_it_is_done(user, forgotten, monkeypatch):
    monkeypatch.setattr(ingest, "MANY", 300)
    found = conversations_ingest(user_id=user.pk, found=records(30, 10))
    for _ in range(29):
        next(found)
    assert rows_known() <= 0  # once, at the end
    list(found)
    assert Message.objects.count() == 300
    assert [rows_known(table) for table in TABLES] == [30, 300, 330]


def test_a_file_that_breaks_off_counts_too(user, forgotten, monkeypatch):
    monkeypatch.setattr(ingest, "MANY", 100)

    def broken():
        yield from records(10, 10)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        list(conversations_ingest(user_id=user.pk, found=broken()))
    assert rows_known() == 100


@pytest.mark.parametrize(("many", "dry_run"), [(301, False), (300, True)])
def test_a_small_import_and_a_dry_run_are_not_worth_it(user, forgotten, monkeypatch, many, dry_run):
    monkeypatch.setattr(ingest, "MANY", many)
    list(conversations_ingest(user_id=user.pk, found=records(30, 10), dry_run=dry_run))
    assert rows_known() <= 0


def test_without_the_right_to_it_the_import_is_done_all_the_same(user, forgotten):
    list(conversations_ingest(user_id=user.pk, found=records(2, 2)))
    role = f"writer_{uuid4().hex[:8]}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {role}")
        try:
            cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
            cursor.execute(f"SET ROLE {role}")
            statistics_refresh()
        finally:
            cursor.execute("RESET ROLE")
            cursor.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert rows_known() <= 0
    assert Message.objects.count() == 4


def test_what_is_refused_is_logged_and_no_more(user, forgotten, capfd):
    blocker = connection.copy()
    try:
        blocker.set_autocommit(False)
        with blocker.cursor() as cursor:
            cursor.execute("LOCK TABLE conversations_conversation IN SHARE UPDATE EXCLUSIVE MODE")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
        statistics_refresh()
    finally:
        blocker.rollback()
        blocker.close()
        connection.close()
        connection.close_pool()  # no other test is to meet that timeout
    assert "analyze_failed" in "".join(capfd.readouterr())
