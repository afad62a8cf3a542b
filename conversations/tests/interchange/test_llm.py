"""llm's log of prompts and answers: both generations, alone and in one file."""

import json
import shutil
import sqlite3

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.records import Trouble

from .exports import FIXTURES, links, said

pytestmark = pytest.mark.interchange

OLD, NEW = FIXTURES / "llm-0.26_logs.db", FIXTURES / "llm-0.36_logs.db"


@pytest.fixture
def log(tmp_path):
    """A log of llm's own making (the tables are all there), without its rows; and what reads it."""

    def made(source, *rows):
        path = tmp_path / "logs.db"
        shutil.copy(source, path)
        connection = sqlite3.connect(path)
        for table in ("responses", "conversations", "parts", "turns", "threads", "messages"):
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
                connection.execute(f"DELETE FROM {table}")
        for table, values in rows:
            names = ", ".join(f'"{name}"' for name in values)
            marks = ", ".join("?" * len(values))
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
        connection.commit()
        connection.close()
        return list(read_files([path]))

    return made


def response(name, **fields):
    own = {"id": name, "model": "m", "prompt": f"q {name}", "response": f"a {name}", "conversation_id": "c"}
    return "responses", own | {"datetime_utc": "2026-01-01T00:00:00"} | fields


def message(name, parent=None, role="user"):
    return "messages", {"hash": name, "parent_hash": parent, "role": role}


def part(owner, kind="text", position=0, text=None, **payload):
    written = json.dumps(payload) if payload else None
    return "parts", {"message_hash": owner, "position": position, "type": kind, "text": text, "payload": written}


def thread(name, tip, **fields):
    return "threads", {"id": name, "name": f"Thread {name}", "tip_message_hash": tip} | fields


def turn(name, owner, tip, **fields):
    return "turns", {"id": name, "thread_id": owner, "tip_message_hash": tip, "model": "m"} | fields


CONVERSATION = ("conversations", {"id": "c", "name": "N", "model": "m"})


def test_a_response_is_a_prompt_and_an_answer_and_a_system_prompt_where_it_changes(log):
    rows = [response("1", system="be brief"), response("2", system="be brief"), response("3", system="be long")]
    (record,) = log(OLD, CONVERSATION, *rows)
    asked = ["user", "assistant"]
    assert [role for role, _ in said(record)] == ["system", *asked, *asked, "system", *asked]
    assert record.messages[2].raw["response"]["system"] == "be brief"


def test_figures_reasoning_and_tools_of_responses_are_taken(log):
    (record,) = log(
        NEW,
        CONVERSATION,
        response("1", input_tokens=3, output_tokens=4, duration_ms=5, reasoning="hm", resolved_model="m-2026"),
        response("2", prompt=""),
        ("tool_calls", {"response_id": "1", "name": "f", "arguments": '{"a": 1}', "tool_call_id": "k"}),
        ("tool_results", {"response_id": "2", "name": "f", "output": "[1]", "tool_call_id": "k"}),
    )
    _, answer, result, _ = record.messages
    assert (answer.tokens_in, answer.tokens_out, answer.response_time_ms, answer.model) == (3, 4, 5, "m-2026")
    assert answer.parts == ({"type": "reasoning", "text": "hm"},)
    assert answer.tool_calls[0] == {"id": "k", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    assert (result.role, result.content, result.tool_results) == ("tool", "[1]", [{"tool_call_id": "k", "name": "f"}])


def test_attachments_and_fragments_come_with_their_prompts(log):
    (record,) = log(
        OLD,
        CONVERSATION,
        response("1"),
        ("attachments", {"id": "f", "type": "image/png", "path": "/home/ann/a.png", "content": b"bytes"}),
        ("attachments", {"id": "g", "type": "image/png", "url": "https://x/b.png"}),
        ("prompt_attachments", {"response_id": "1", "attachment_id": "g", "order": 1}),
        ("prompt_attachments", {"response_id": "1", "attachment_id": "f", "order": 0}),
        ("fragments", {"id": 7, "content": "long text", "source": "a.txt"}),
        ("prompt_fragments", {"response_id": "1", "fragment_id": 7, "order": 0}),
    )
    prompt = record.messages[0]
    assert [(file.name, file.size) for file in prompt.attachments] == [("a.png", 5), ("b.png", None)]
    assert prompt.attachments[1].opened is None
    assert prompt.parts == ({"type": "fragment", "source": "a.txt", "text": "long text"},)


def test_responses_without_a_conversation_are_one_each_and_empty_conversations_are_shells(log):
    found = log(OLD, CONVERSATION, response("1", conversation_id=None), response("2", conversation_id=None))
    assert [item.reason if isinstance(item, Trouble) else item.external_id for item in found] == [
        "no_messages",
        "1",
        "2",
    ]


SHARED = [message("s", role="system"), part("s", text="be brief"), message("u", "s"), part("u", text="q")]


def test_threads_share_their_beginning_and_each_has_it(log):
    answers = [
        message("a", "u", "assistant"),
        part("a", text="one"),
        message("b", "u", "assistant"),
        part("b", text="two"),
    ]
    first, second = log(NEW, *SHARED, *answers, thread("t1", "a"), thread("t2", "b", forked_from="t1"))
    assert links(first) == {"s": None, "u": "s", "a": "u"}
    assert links(second) == {"s": None, "u": "s", "b": "u"}
    assert second.metadata == {"forked_from": "t1"}


def test_a_turn_that_the_tip_left_behind_is_a_branch(log):
    answers = [
        message("a", "u", "assistant"),
        part("a", text="one"),
        message("b", "u", "assistant"),
        part("b", text="two"),
    ]
    (record,) = log(NEW, *SHARED, *answers, thread("t", "b"), turn("1", "t", "a", input_tokens=3), turn("2", "t", "b"))
    assert links(record) == {"s": None, "u": "s", "a": "u", "b": "u"}
    assert (record.current_external_id, record.messages[2].tokens_in) == ("b", 3)


def test_parts_give_texts_reasoning_calls_results_and_fragments(log):
    (record,) = log(
        NEW,
        ("fragments", {"id": 7, "content": "borrowed"}),
        message("u"),
        part("u", text_ref=[{"fragment": 7}, {"literal": " and own"}]),
        message("a", "u", "assistant"),
        part("a", "reasoning", 0, "hm"),
        part("a", "tool_call", 1, name="f", arguments={"a": 1}, tool_call_id="k"),
        message("r", "a", "tool"),
        part("r", "tool_result", 0, name="f", output="[1]", tool_call_id="k"),
        thread("t", "r"),
    )
    question, call, result = record.messages
    assert question.content == "borrowed and own"
    assert (call.content, call.parts[0]) == ("", {"type": "reasoning", "text": "hm"})
    assert call.tool_calls == [{"id": "k", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]
    assert (result.content, result.tool_results) == ("[1]", [{"tool_call_id": "k", "name": "f"}])


def test_damaged_chains_are_read_as_far_as_they_go(log):
    found = log(
        NEW,
        message("a", "b"),
        message("b", "a"),
        message("c", "gone"),
        *(thread(name, tip) for name, tip in [("1", "a"), ("2", "c"), ("3", "gone"), ("4", None)]),
    )
    assert [item.reason if isinstance(item, Trouble) else len(item.messages) for item in found] == [
        2,
        1,
        "no_messages",
        "no_messages",
    ]


def test_both_generations_in_one_file_give_each_turn_once(log):
    rows = [message("u"), part("u", text="q"), thread("t", "u"), turn("1", "t", "u")]
    found = log(NEW, *rows, CONVERSATION, response("1"), response("2"))
    assert [(record.external_id, len(record.messages)) for record in found] == [("t", 1), ("c", 2)]
    assert "q 1" not in [text for _, text in said(found[1])]
