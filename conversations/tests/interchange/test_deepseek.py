"""DeepSeek: a mapping like ChatGPT's, with fragments, and no word of which node is shown."""

import time
from datetime import UTC, datetime

import pytest

from conversations.interchange.readers import deepseek
from conversations.interchange.records import ConversationRecord, Trouble

pytestmark = pytest.mark.interchange


def node(parent, *fragments, children=(), **fields):
    said = {"model": "deepseek-chat", "inserted_at": "2026-05-01T13:27:15.000001+08:00", "fragments": list(fragments)}
    return {"parent": parent, "children": list(children), "message": said | fields}


def fragment(kind, content=None, **fields):
    return {"type": kind, "content": content} | fields


def old(parent, content, **fields):
    return {"parent": parent, "message": {"content": content, "inserted_at": "2025-01-01T00:00:00+08:00"} | fields}


def conversation(mapping, **fields):
    root = {"root": {"id": "root", "parent": None, "message": None}}
    return {"id": "d", "title": "T", "inserted_at": "2026-05-01T08:00:00+08:00", "mapping": root | mapping} | fields


def read_one(item):
    (found,) = deepseek.read([item])
    assert isinstance(found, ConversationRecord), found
    return found


def test_thought_and_answer_of_one_node_are_one_message_with_the_thought_among_its_parts():
    fragments = [fragment("THINK", "simple"), fragment("RESPONSE", "4")]
    (said,) = read_one(conversation({"1": node("root", *fragments)})).messages
    assert (said.role, said.content, said.parts, said.model) == ("assistant", "4", tuple(fragments), "deepseek-chat")
    assert said.created_at == datetime(2026, 5, 1, 5, 27, 15, 1, tzinfo=UTC)


def test_a_question_alone_has_no_parts_and_its_model_is_not_the_users():
    (said,) = read_one(conversation({"1": node("root", fragment("REQUEST", "q"))})).messages
    assert (said.role, said.content, said.parts, said.model) == ("user", "q", (), "")


def test_search_results_are_sources_and_tools_are_calls_with_their_results():
    fragments = [
        fragment("SEARCH", results=[{"url": "https://a", "title": "A", "snippet": "s"}, None]),
        fragment("TOOL_OPEN", '{"url": "https://b"}', result="page"),
        fragment("RESPONSE", "so"),
    ]
    (said,) = read_one(conversation({"1": node("root", *fragments)})).messages
    assert said.sources == [{"type": "webpage", "title": "A", "url": "https://a", "snippet": "s"}]
    function = {"name": "tool_open", "arguments": '{"url": "https://b"}'}
    assert said.tool_calls == [{"id": "1:1", "type": "function", "function": function}]
    assert said.tool_results == [{"tool_call_id": "1:1", "name": "tool_open", "content": "page"}]


def test_in_older_exports_user_and_model_take_turns_and_reasoning_is_a_part():
    mapping = {
        "1": old("root", "q"),
        "2": old("1", "a", reasoning_content="hm"),
        "3": old("2", "q2"),
        "4": old("3", "a2", search_results=[{"url": "https://x"}]),
        "5": old("1", "another", role="ASSISTANT"),
    }
    said = {message.external_id: message for message in read_one(conversation(mapping)).messages}
    roles = [said[key].role for key in "12345"]
    assert roles == ["user", "assistant", "user", "assistant", "assistant"]
    assert said["2"].parts == ({"type": "reasoning", "text": "hm"},)
    assert said["4"].sources == [{"type": "webpage", "url": "https://x"}]


def test_the_leaf_is_the_last_child_at_every_fork_whatever_the_times_say():
    mapping = {
        "1": node("root", fragment("REQUEST", "q"), children=["3", "2"]),
        "2": node("1", fragment("RESPONSE", "old"), inserted_at="2020-01-01T00:00:00Z"),
        "3": node("1", fragment("RESPONSE", "new"), inserted_at="2026-01-01T00:00:00Z"),
    }
    record = read_one(conversation(mapping))
    assert [said.external_id for said in record.messages] == ["1", "3", "2"]
    assert record.current_external_id == "2"


def test_files_are_named_and_their_bytes_are_missing():
    files = [{"id": "f", "file_name": "a.pdf", "file_size": 3}, {"file_name": "b"}]
    (said,) = read_one(conversation({"1": node("root", fragment("REQUEST", "q"), files=files)})).messages
    found = [(file.external_id, file.name, file.size, file.opened) for file in said.attachments]
    assert found == [("f", "a.pdf", 3, None), ("b", "b", None, None)]


def test_unknown_fragments_and_messages_are_kept():
    mapping = {"1": node("root", fragment("HOLOGRAM", "x")), "2": {"parent": "1", "message": "text"}}
    hologram, text = read_one(conversation(mapping)).messages
    assert hologram.parts == (fragment("HOLOGRAM", "x"),)
    assert text.parts == ({"type": "unknown", "raw": "text"},)


def test_raw_is_the_source_without_its_messages():
    item = conversation({"1": node("root", fragment("REQUEST", "q"))}, extra={"a": [1]})
    record = read_one(item)
    assert record.raw == {**item, "mapping": {"root": item["mapping"]["root"]}}
    assert record.messages[0].raw is item["mapping"]["1"]


@pytest.mark.parametrize(
    ("item", "outcome", "reason", "pointer"),
    [
        (7, "failed", "not_an_object", ""),
        (conversation({}), "skipped", "no_messages", ""),
        (conversation({}) | {"mapping": None}, "skipped", "no_messages", ""),
        (conversation({}) | {"mapping": []}, "failed", "mapping_not_an_object", "/mapping"),
        (conversation({"1": node("root")}, id="d" * 300), "failed", "external_id_too_long", ""),
    ],
)
def test_a_bad_conversation_is_a_trouble(item, outcome, reason, pointer):
    (trouble,) = deepseek.read([item])
    assert isinstance(trouble, Trouble)
    assert (trouble.outcome, trouble.reason, trouble.pointer) == (outcome, reason, pointer)


def test_the_cost_of_a_branch_grows_with_its_length_and_no_faster():
    def seconds(length):
        mapping = {str(n): node(str(n - 1) if n else "root", fragment("REQUEST", "q")) for n in range(length)}
        item = conversation(mapping)
        began = time.process_time()
        assert len(read_one(item).messages) == length
        return time.process_time() - began

    seconds(1000)
    assert seconds(40_000) < 12 * seconds(8_000)  # five times the length; a square would be 25
