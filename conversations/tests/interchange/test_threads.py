"""Threads of a web front end (requirement D1)."""

import json
from datetime import UTC, datetime

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import threads

from .exports import one_record, records_of, said, troubles_of

pytestmark = pytest.mark.interchange

MESSAGES = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello", "model": "m"}]
THREAD = {"title": "A thread", "messages": MESSAGES, "created_at": "2026-01-01T00:00:00Z"}


def test_a_thread_has_its_title_times_marks_and_messages():
    record = one_record(
        threads, THREAD | {"id": 7, "updatedAt": 1767225700, "tags": ["a", "a", 7], "starred": True, "mood": 1}
    )
    assert (record.external_id, record.title, record.model) == ("7", "A thread", "m")
    assert (record.created_at, record.updated_at.minute) == (datetime(2026, 1, 1, tzinfo=UTC), 1)
    assert (record.tags, record.starred, record.archived, record.metadata) == (("a",), True, False, {"mood": 1})
    assert said(record) == [("user", "hi"), ("assistant", "hello")]
    assert record.raw | {"messages": MESSAGES} == THREAD | {
        "id": 7,
        "updatedAt": 1767225700,
        "tags": ["a", "a", 7],
        "starred": True,
        "mood": 1,
    }


def test_ids_and_times_of_messages_are_taken():
    (message,) = one_record(
        threads, {"title": None, "messages": [MESSAGES[0] | {"id": "m1", "timestamp": 1767225600}]}
    ).messages
    assert (message.external_id, message.created_at) == ("m1", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("wrap", [lambda listed: listed, lambda listed: {"threads": listed}], ids=["array", "envelope"])
def test_several_threads_come_as_an_array_or_under_threads(tmp_path, wrap):
    (tmp_path / "a").write_text(json.dumps(wrap([THREAD, THREAD | {"id": "b"}])))
    assert [(record.source, record.external_id) for record in read_files([tmp_path / "a"])] == [
        ("threads", None),
        ("threads", "b"),
    ]


def test_bad_threads_are_told_and_the_others_read():
    bad = [THREAD, THREAD | {"messages": []}, 7, THREAD | {"id": "c", "messages": [7]}]
    assert troubles_of(threads, [{"threads": bad}]) == [
        (0, "skipped", "no_messages", "/threads/1"),
        (0, "failed", "not_an_object", "/threads/2"),
        (0, "failed", "message_not_an_object", "/threads/3/messages/0"),
    ]
    assert len(records_of(threads, [THREAD, THREAD])) == 2
