"""Our own format: what is written is read again, all of it; what is not ours is said to be so."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings

from conversations.interchange.files import read_files
from conversations.interchange.readers import READERS, chatstore
from conversations.interchange.records import AttachmentRecord, ConversationRecord, Trouble
from conversations.interchange.wire import MESSAGES_AT_ONCE
from conversations.interchange.writers import WRITERS

from .trees import deep_tree, records

pytestmark = pytest.mark.interchange


def written(name, *found):
    return b"".join(WRITERS[name].write(found))


def items(data):
    return [json.loads(line) for line in data.split(b"\n") if line]


def read(data):
    return list(chatstore.read(items(data)))


def without_key(record):
    """The store alone writes a `chatstore` into metadata, and wraps one that is there (test_archive)."""
    plain = {key: value for key, value in record.metadata.items() if key != "chatstore"}
    return replace(
        record,
        metadata=plain,
        messages=tuple(
            replace(said, metadata={key: value for key, value in said.metadata.items() if key != "chatstore"})
            for said in record.messages
        ),
    )


@settings(deadline=None, max_examples=40)
@given(records())
def test_json_lines_lose_nothing(record):
    found = [without_key(record), deep_tree(2)]
    data = written("jsonl", *found)
    assert read(data) == found
    assert data.count(b"\n") == 2
    assert written("jsonl", *read(data)) == data


@settings(deadline=None, max_examples=5)
@given(records())
def test_the_array_holds_the_same_objects(record):
    assert json.loads(written("json", record, record)) == items(written("jsonl", record, record))


def test_the_array_is_recognised_and_read_as_a_file(tmp_path):
    path = tmp_path / "export.json"
    path.write_bytes(written("json", deep_tree(3), replace(deep_tree(2), external_id="other")))
    assert [len(found.messages) for found in read_files([path])] == [3, 2]


@pytest.mark.parametrize("name", WRITERS)
def test_no_records_give_a_whole_file(name):
    data = written(name)
    assert name not in ("json",) or json.loads(data) == []
    assert name != "html" or data.endswith(b"</html>\n")
    assert name != "pdf" or data.rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize("name", ["jsonl", "json", "openai", "markdown", "html", "txt"])
def test_writers_are_lazy(name):
    def endless():
        while True:
            yield deep_tree(2)

    chunks = WRITERS[name].write(endless())
    assert sum(len(next(chunks)) for _ in range(50)) > 0


@pytest.mark.parametrize("length", [0, 1, MESSAGES_AT_ONCE, MESSAGES_AT_ONCE + 1])
def test_a_long_conversation_is_written_in_parts_and_read_as_one(length):
    record = deep_tree(length) if length else replace(deep_tree(1), messages=(), current_external_id=None)
    assert read(written("jsonl", record)) == [record]
    assert max(map(len, WRITERS["jsonl"].write([record]))) < 200 * MESSAGES_AT_ONCE


def test_a_deep_branch_is_no_deep_recursion():
    record = deep_tree(20_000)
    assert read(written("jsonl", record)) == [record]


def test_values_that_are_nested_deeply_are_written_and_read():
    value = []
    for _ in range(400):
        value = [value, {"k\ud800": value}][:1]
    record = replace(deep_tree(1), raw=value, metadata={"lone": "\ud800"})
    assert read(written("jsonl", record)) == [record]


def test_facts_of_attachments_are_kept_though_their_bytes_travel_apart():
    attachment = AttachmentRecord(external_id="f", name="a.png", media_type="image/png", size=3, raw={"id": "f"})
    first = replace(deep_tree(1).messages[0], attachments=(attachment,))
    record = replace(deep_tree(1), messages=(first,))
    assert read(written("jsonl", record)) == [record]


def test_our_reader_recognises_ours_and_nobody_elses():
    (ours,) = items(written("jsonl", deep_tree(1)))
    assert next(reader.NAME for reader in READERS if reader.recognises(ours)) == "chatstore"
    for other in ({"mapping": {}}, {"messages": []}, {"chatstore": "1", "source": "x", "messages": []}, [], None, 7):
        assert not chatstore.recognises(other)


GOOD = {"chatstore": 1, "source": "chatgpt", "external_id": "c", "messages": []}
SAID = {"external_id": "m", "role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("item", "reason", "pointer"),
    [
        (7, "not_an_object", ""),
        (GOOD | {"messages": {}}, "not_an_object", ""),
        (GOOD | {"chatstore": 2}, "version_not_supported", "/chatstore"),
        (GOOD | {"source": ""}, "no_source", "/source"),
        (GOOD | {"external_id": "x" * 256}, "external_id_too_long", "/external_id"),
        (GOOD | {"external_id": 7}, "field_invalid", "/external_id"),
        (GOOD | {"created_at": "yesterday"}, "field_invalid", "/created_at"),
        (GOOD | {"tags": [1]}, "field_invalid", "/tags"),
        (GOOD | {"starred": "yes"}, "field_invalid", "/starred"),
        (GOOD | {"messages": [7]}, "not_an_object", "/messages/0"),
        (GOOD | {"messages": [SAID | {"role": "critic"}]}, "role_not_known", "/messages/0/role"),
        (GOOD | {"messages": [SAID, SAID | {"content": 7}]}, "field_invalid", "/messages/1/content"),
        (GOOD | {"messages": [SAID | {"tokens_in": True}]}, "field_invalid", "/messages/0/tokens_in"),
        (GOOD | {"messages": [SAID | {"cost_cents": "1e999999999"}]}, None, None),
        (GOOD | {"messages": [SAID | {"cost_cents": "9" * 9_999}]}, "field_invalid", "/messages/0/cost_cents"),
        (GOOD | {"messages": [SAID | {"cost_cents": "NaN"}]}, "field_invalid", "/messages/0/cost_cents"),
        (GOOD | {"messages": [SAID | {"status": "lost"}]}, "field_invalid", "/messages/0/status"),
        (GOOD | {"metadata": {"chatstore": {"deleted_at": "2026-01-01"}}}, "in_trash", ""),
    ],
)
def test_a_bad_conversation_is_a_trouble_and_the_file_goes_on(item, reason, pointer):
    found = list(chatstore.read([item, GOOD]))
    assert isinstance(found[1], ConversationRecord)
    if reason is not None:
        assert isinstance(found[0], Trouble)
        assert (found[0].reason, found[0].pointer) == (reason, pointer)
        assert found[0].outcome == ("skipped" if reason == "in_trash" else "failed")


def test_what_follows_a_message_from_the_trash_follows_the_one_before_it():
    trashed = {"metadata": {"chatstore": {"deleted_at": "2026-01-01T00:00:00Z"}}}
    said = [
        SAID | {"external_id": "a"},
        SAID | {"external_id": "b", "parent_external_id": "a"} | trashed,
        SAID | {"external_id": "c", "parent_external_id": "b"},
    ]
    (found,) = chatstore.read([GOOD | {"messages": said, "current_external_id": "c"}])
    assert [(m.external_id, m.parent_external_id) for m in found.messages] == [("a", None), ("c", "a")]


def test_a_damaged_tree_is_mended_and_keeps_its_messages():
    said = [
        SAID | {"external_id": "a", "parent_external_id": "b"},
        SAID | {"external_id": "b", "parent_external_id": "a"},
    ]
    (found,) = chatstore.read([GOOD | {"messages": said}])
    assert {m.external_id for m in found.messages} == {"a", "b"}
    assert found.current_external_id is not None


def test_times_keep_their_microseconds_and_the_ends_of_the_calendar():
    first = replace(
        deep_tree(1).messages[0],
        created_at=datetime(1, 1, 1, tzinfo=UTC),
        updated_at=datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    )
    record = replace(deep_tree(1), messages=(first,))
    assert read(written("jsonl", record)) == [record]
