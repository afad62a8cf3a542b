"""Out in ChatGPT's shape and in again: what came from there is the same to the last field, all else the same tree."""

import io
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.jsonstream import JsonItems
from conversations.interchange.readers import chatgpt
from conversations.interchange.records import AttachmentRecord, ConversationRecord, MessageRecord
from conversations.interchange.tree import faults
from conversations.interchange.writers import chatgpt as writer

from . import test_truth_c
from .exports import branch, conversation, message, node, read_one
from .test_chatgpt_truth import REAL, SHARDED, sample
from .truth import sample as any_sample

pytestmark = pytest.mark.interchange

MOMENT = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


def there_and_back(records):
    return list(chatgpt.read(JsonItems(io.BytesIO(b"".join(writer.write(records))))))


def and_back(record):
    (found,) = there_and_back([record])
    assert isinstance(found, ConversationRecord), found
    assert faults(found) == []
    return found


def without_files(record):
    """Bytes do not travel in the JSON, and what only a side-car says of a file stays with it."""
    return replace(record, messages=tuple(replace(said, attachments=()) for said in record.messages))


def said_in(record):
    return [
        (said.external_id, said.parent_external_id, said.role, said.content, said.created_at, said.hidden)
        for said in record.messages
    ]


@pytest.mark.parametrize("name", [*REAL, SHARDED])
def test_what_came_from_chatgpt_comes_back_equal_raw_and_all(name):
    paths, _ = sample(name)
    records = [found for found in read_files(paths) if isinstance(found, ConversationRecord)]
    again = there_and_back(records)
    assert [without_files(record) for record in again] == [without_files(record) for record in records]


@pytest.mark.parametrize("name", [*test_truth_c.FORMATS, *test_truth_c.TAKEOUT])
def test_what_came_from_elsewhere_comes_back_as_the_same_tree(name):
    paths, _ = any_sample(name)
    for record in read_files(paths):
        if isinstance(record, ConversationRecord):
            again = and_back(record)
            assert said_in(again) == said_in(record)
            assert (again.external_id, again.title) == (record.external_id, record.title)
            assert again.current_external_id == record.current_external_id


@pytest.mark.parametrize(
    "mapping",
    [
        {"": node(None, message()), "b": node("", message())},
        {"a": node("b", message()), "b": node("a", message())},
        {"a": node("gone", message()), "root": node(None), "x": None},
        {"b": {"parent": "a", "message": message()}, "a": {"parent": None, "message": message()}},
        {"a": node(None, "no object"), "b": node("a", ["x"])},
        {"a": node(None, message("user", "nul \0 half \ud800"))},
    ],
    ids=["empty key", "cycle", "dangling", "slim", "no message objects", "hostile text"],
)
def test_damage_survives_as_it_was_read(mapping):
    record = read_one(conversation(mapping))
    again = and_back(record)
    assert said_in(again) == said_in(record)
    assert again.current_external_id == record.current_external_id
    assert again.raw == record.raw


def test_what_was_changed_here_is_what_goes_out():
    mapping = {"r": node(None, children=["u"])} | {
        "u": node("r", message("user", "q"), children=["a", "b"]),
        "a": node("u", message("assistant", "one"), children=[]),
        "b": node("u", message("assistant", "two"), children=[]),
    }
    record = read_one(conversation(mapping, current_node="b"))
    question, one, two = record.messages
    added = MessageRecord(
        external_id="new", parent_external_id="a", role="user", content="more", created_at=MOMENT, updated_at=MOMENT
    )
    changed = replace(
        record,
        title="Renamed",
        starred=True,
        updated_at=MOMENT,
        current_external_id="new",
        messages=(question, replace(one, content="edited"), added, two),
    )
    again = and_back(changed)
    assert said_in(again) == said_in(changed)
    assert (again.title, again.starred, again.updated_at) == ("Renamed", True, MOMENT)
    assert again.current_external_id == "new"
    assert again.messages[3].raw == two.raw
    item = writer.conversation_item(changed)
    assert item["mapping"]["a"]["children"] == ["new"]
    assert item["mapping"]["u"]["children"] == ["a", "b"]


def test_the_answers_to_a_message_deleted_here_stay_where_they_were_put():
    record = read_one(branch(4))
    first, _, third, fourth = record.messages
    cut = replace(record, messages=(first, replace(third, parent_external_id="m0"), fourth))
    assert said_in(and_back(cut)) == said_in(cut)


def test_a_conversation_of_our_own_comes_back_with_tree_roles_texts_times_and_leaf():
    calls = [{"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q": 1}'}}]
    file = AttachmentRecord(external_id="f1", name="a.png", media_type="image/png", size=3)
    page = {"type": "webpage", "title": "T", "url": "https://t", "start": 2, "end": 5}
    messages = (
        MessageRecord(external_id="client-created-root", role="system", content="be brief", hidden=True),
        MessageRecord(external_id="s2", role="system", content="seen", parent_external_id="client-created-root"),
        MessageRecord(
            external_id="u", role="user", content="q\n", parent_external_id="s2", created_at=MOMENT, attachments=(file,)
        ),
        MessageRecord(
            external_id="call", role="assistant", content='{"q": 1}', parent_external_id="u", tool_calls=calls
        ),
        MessageRecord(
            external_id="result",
            role="tool",
            content="",
            parent_external_id="call",
            tool_results=[{"tool_call_id": "c1", "name": "search"}],
        ),
        MessageRecord(
            external_id="a",
            role="assistant",
            content="half a pair \ud800",
            parent_external_id="result",
            created_at=MOMENT + timedelta(microseconds=1),
            status="interrupted",
            model="m-1",
            sources=[page],
        ),
        MessageRecord(external_id="other", role="user", content="", parent_external_id=None),
    )
    record = ConversationRecord(
        source="chatstore",
        external_id="c",
        title=None,
        created_at=MOMENT,
        updated_at=MOMENT,
        archived=True,
        current_external_id="a",
        messages=messages,
    )
    again = and_back(record)
    assert sorted(said_in(again)) == sorted(said_in(record))
    assert (again.created_at, again.archived, again.title) == (MOMENT, True, None)
    assert again.current_external_id == "a"
    by_id = {said.external_id: said for said in again.messages}
    assert (by_id["a"].status, by_id["a"].model, by_id["a"].sources) == ("interrupted", "m-1", [page])
    assert by_id["call"].tool_calls[0]["function"] == calls[0]["function"]
    assert by_id["result"].tool_results == [{"tool_call_id": "call", "name": "search"}]
    assert [(f.external_id, f.name, f.media_type, f.size) for f in by_id["u"].attachments] == [
        ("f1", "a.png", "image/png", 3)
    ]


@pytest.mark.parametrize("year", [1, 1969, 1970, 2026, 2254, 5138, 9999])
def test_times_come_back_to_the_microsecond(year):
    moment = datetime(year, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    said = MessageRecord(external_id="m", role="user", content="x", created_at=moment)
    record = ConversationRecord(source="own", external_id="c", messages=(said,), current_external_id="m")
    assert and_back(record).messages[0].created_at == moment


def test_nothing_is_an_empty_array_and_records_are_taken_one_by_one():
    assert json.loads(b"".join(writer.write([]))) == []
    taken = []

    def records():
        for number in range(3):
            taken.append(number)
            yield read_one(branch(1, id=str(number)))

    pieces = writer.write(records())
    next(pieces)
    assert taken == [0]
    assert len(list(pieces)) == 3


def test_the_cost_of_a_branch_grows_with_its_length_and_no_faster():
    def seconds(length):
        record = read_one(branch(length))
        began = time.process_time()
        again = and_back(record)
        took = time.process_time() - began
        assert len(again.messages) == length
        return took

    seconds(500)
    assert seconds(20_000) < 12 * seconds(4_000)  # five times the length; a square would be 25
