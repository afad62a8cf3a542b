"""Rows as records: nothing is lost between a file, the database and the next file, and nobody else's is among it."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from psycopg.conninfo import make_conninfo

from accounts.tests.factories import UserFactory
from conversations.actions.ingest import conversations_ingest
from conversations.interchange.files import read_files
from conversations.interchange.readers import chatstore
from conversations.interchange.tree import faults
from conversations.interchange.wire import own_facts
from conversations.interchange.writers import WRITERS
from conversations.models import Conversation, Message
from conversations.queries import archive
from conversations.tests.interchange import exports
from conversations.tests.interchange.test_chatgpt_truth import SHARDED, sample
from conversations.tests.interchange.trees import deep_tree, records
from conversations.tests.ownership import watch

LIST = "/api/v1/conversations"


def archived(user, **options):
    with connection.execute_wrapper(watch):
        return list(archive.conversations(user_id=user.pk, **options))


def ingested(user, *found):
    reports = list(conversations_ingest(user_id=user.pk, found=found))
    assert {report.outcome for report in reports} <= {"imported"}, reports


def exported(user, name="jsonl"):
    return b"".join(WRITERS[name].write(archived(user)))


def read_again(data):
    return list(chatstore.read(json.loads(line) for line in data.split(b"\n") if line))


def _digits(value):
    """Numbers by their digits, as jsonb keeps them."""
    match value:
        case bool() | None | str():
            return value
        case int() | float():
            return Decimal(repr(value))
        case list() | tuple():
            return [_digits(item) for item in value]
        case dict():
            return {key: _digits(item) for key, item in value.items()}
    return value


def _as_stored(record):
    """What the database makes of a record: a message's change is never before it was written as unknown."""
    return {
        "record": _digits(
            {name: getattr(record, name) for name in record.__slots__ if name not in ("messages", "continues")}
        ),
        "messages": {
            said.external_id: _digits(
                {name: getattr(said, name) for name in said.__slots__ if name not in ("updated_at", "attachments")}
                | {"updated_at": said.updated_at or said.created_at}
            )
            for said in record.messages
        },
        "siblings": _siblings(record),
    }


def _siblings(record):
    below = {}
    for said in record.messages:
        below.setdefault(said.parent_external_id, []).append(said.external_id)
    return below


@settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(record=records().map(lambda record: replace(record, continues=False)))  # it says how to store, and moves roots
def test_a_record_goes_through_the_database_and_our_format_without_loss(user, record):
    Conversation.objects.filter(user=user).delete()
    ingested(user, record)
    data = exported(user)
    (found,) = read_again(data)
    assert faults(found) == []
    assert _as_stored(found) == _as_stored(record)
    Conversation.objects.filter(user=user).delete()
    ingested(user, found)  # into another store
    assert [own_facts(r.metadata)[0] for r in archived(user)] == [record.metadata]
    assert read_again(exported(user)) == [found]


def test_a_deep_branch_comes_back_whole_and_in_linear_time(user):
    record = deep_tree(5_000)
    ingested(user, record)
    began = time.process_time()
    (found,) = read_again(exported(user))
    assert time.process_time() - began < 10
    assert [said.external_id for said in found.messages] == [said.external_id for said in record.messages]


def test_our_own_file_of_a_vendors_export_gives_the_same_conversations_and_raw_records(user, tmp_path):
    paths, _ = sample(SHARDED)
    ingested_from = list(conversations_ingest(user_id=user.pk, found=read_files(paths)))
    assert ingested_from
    other, path = UserFactory(), tmp_path / "own.json"
    path.write_bytes(exported(user, "json"))
    list(conversations_ingest(user_id=other.pk, found=read_files([path])))
    fields = ("external_id", "raw", "metadata", "created_at", "updated_at")
    for model, order in ((Conversation, ["external_id"]), (Message, ["conversation__external_id", "external_id"])):
        theirs, ours = (list(model.objects.filter(user=one).order_by(*order).values(*fields)) for one in (user, other))
        assert theirs
        assert theirs == ours


def test_two_exports_are_equal_byte_by_byte_and_by_creation(user):
    for number in (3, 1, 2):
        at = datetime(2026, 1, number, tzinfo=UTC)
        ingested(user, replace(deep_tree(3), external_id=f"c{number}", created_at=at))
    assert [record.external_id for record in archived(user)] == ["c1", "c2", "c3"]
    assert exported(user) == exported(user)


def test_what_was_made_here_goes_by_our_own_ids(owner, user, conversation):
    (record,) = archived(user)
    assert (record.source, record.external_id) == ("chatstore", conversation["id"])
    assert record.current_external_id == conversation["current_message_id"]
    assert [said.content for said in record.messages] == ["How high is the Matterhorn?", "4,478 metres."]
    assert record.metadata["chatstore"] == {"title_is_generated": True}


def test_what_was_imported_goes_by_its_sources_ids_and_says_ours(user):
    ingested(user, deep_tree(2))
    (record,) = archived(user)
    row = Conversation.objects.get(user=user)
    assert (record.external_id, record.metadata) == ("deep", {"chatstore": {"id": str(row.pk)}})
    ids = {said.external_id: said.metadata["chatstore"]["id"] for said in record.messages}
    assert ids == {m.external_id: str(m.pk) for m in Message.objects.filter(user=user)}


def test_all_branches_hidden_messages_and_edits_are_in_it(owner, user, url, messages_url):
    first = owner.get(messages_url).json()["results"][0]
    owner.post(messages_url, {"role": "user", "content": "aside", "parent_id": None}, format="json")
    owner.post(messages_url, {"role": "system", "content": "unseen", "hidden": True}, format="json")
    owner.patch(f"{messages_url}/{first['id']}", {"content": "How high is it?"}, format="json")
    (record,) = archived(user)
    assert [said.content for said in record.messages] == ["How high is it?", "4,478 metres.", "aside", "unseen"]
    assert [said.hidden for said in record.messages] == [False, False, False, True]
    assert record.messages[2].parent_external_id is None
    assert record.messages[0].updated_at > record.messages[0].created_at


def test_the_trash_is_left_out_and_what_follows_stays_in_place(owner, user, url, messages_url):
    answer = owner.get(messages_url).json()["results"][1]
    owner.post(messages_url, {"role": "user", "content": "and then?"}, format="json")
    owner.delete(f"{messages_url}/{answer['id']}")
    gone = owner.post(LIST, {"title": "gone"}, format="json").json()
    owner.delete(f"{LIST}/{gone['id']}")
    (record,) = archived(user)
    assert [said.content for said in record.messages] == ["How high is the Matterhorn?", "and then?"]
    assert record.messages[1].parent_external_id == record.messages[0].external_id
    assert faults(record) == []
    everything = archived(user, include_trash=True)
    assert [len(record.messages) for record in everything] == [3, 0]
    assert everything[1].metadata["chatstore"]["deleted_at"]
    assert archive.archive_size(user_id=user.pk) == 1


def test_a_conversation_whose_messages_are_all_in_the_trash_is_empty(owner, user, messages_url):
    for said in owner.get(messages_url).json()["results"]:
        owner.delete(f"{messages_url}/{said['id']}")
    (record,) = archived(user)
    assert (record.messages, record.current_external_id) == ((), None)


def test_only_ones_own_and_only_the_chosen(owner, user, stranger):
    ids = [owner.post(LIST, {"title": str(number)}, format="json").json()["id"] for number in range(3)]
    theirs = Conversation.objects.exclude(user=user).get()
    assert [record.title for record in archived(user)] == ["0", "1", "2"]
    chosen = [ids[2], ids[0], str(theirs.pk), str(uuid4())]
    assert [record.title for record in archived(user, ids=chosen)] == ["0", "2"]
    assert archived(user, ids=[theirs.pk]) == archived(user, ids=[]) == []
    assert archive.archive_size(user_id=user.pk, ids=chosen) == 2


def test_pages_and_batches_leave_nothing_out(user, monkeypatch):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    found = [
        replace(deep_tree(1 + number % 7), external_id=f"c{number:02}", created_at=at + timedelta(hours=number // 4))
        for number in range(30)
    ]
    ingested(user, *found)
    whole = archived(user)
    monkeypatch.setattr(archive, "BATCH_CONVERSATIONS", 4)
    monkeypatch.setattr(archive, "BATCH_MESSAGES", 5)
    assert archived(user) == whole
    ids = list(Conversation.objects.filter(user=user).values_list("id", flat=True))
    assert archived(user, ids=ids) == whole
    assert len(whole) == 30
    assert sum(len(record.messages) for record in whole) == sum(len(record.messages) for record in found)


def test_the_statements_are_few_however_many_conversations_there_are(user, django_assert_max_num_queries):
    ingested(user, *(replace(deep_tree(3), external_id=f"c{number}") for number in range(300)))
    with django_assert_max_num_queries(6):  # two, each in a savepoint of the test's transaction
        assert len(archived(user)) == 300


def test_values_that_are_nested_deeply_and_hold_a_nul_come_back(user):
    value = "\0"
    for _ in range(300):
        value = [value]
    item = exports.branch(1)
    item["mapping"]["m0"]["message"]["metadata"]["deep"] = value
    record = exports.read_one(item)
    ingested(user, record)
    (found,) = archived(user)
    assert found.messages[0].raw == record.messages[0].raw


MEASURE = """
import json, resource, sys, time
import django
django.setup()
from uuid import UUID
from conversations.interchange.writers import WRITERS
from conversations.queries import archive

def exported():
    return WRITERS["jsonl"].write(archive.conversations(user_id=UUID(sys.argv[1])))

next(exported())  # everything imported, connected, prepared
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
cpu, size, lines = time.process_time(), 0, 0
for chunk in exported():
    size, lines = size + len(chunk), lines + chunk.count(b"\\n")
print(json.dumps({
    "seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu, "bytes": size, "lines": lines,
    "growth_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
}))
"""


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_hundred_thousand_messages_leave_fast_and_in_little_memory(user, record_property):
    """The goal is 20,000 a second, and 100 MB. Of the time our own alone is bounded: others may be busy on the machine,
    which makes it up to twice as long.
    """
    text = "The Matterhorn is 4,478 metres high; it was first climbed in 1865. " * 8
    for start in range(0, 5_000, 500):
        found = []
        for number in range(start, start + 500):
            item = exports.branch(20, id=f"c{number}")
            for node in item["mapping"].values():
                if node["message"]:
                    node["message"]["content"]["parts"] = [text]
            found.append(exports.read_one(item))
        ingested(user, *found)
    database = make_conninfo(os.environ["DATABASE_URL"], dbname=connection.settings_dict["NAME"])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(user.pk)],
        env={**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "chatstore.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    record_property("figures", figures)
    assert figures["lines"] == 5_000
    assert figures["bytes"] > 100_000 * len(text)
    assert figures["growth_mb"] < 100
    assert 100_000 / figures["cpu"] > 10_000, figures
