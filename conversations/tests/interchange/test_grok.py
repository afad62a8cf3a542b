"""Grok: responses with or without a wrapper, times in two notations, a leaf that may be null."""

import json
from datetime import UTC, datetime

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import grok
from conversations.interchange.records import ConversationRecord, DocumentRecord, Trouble

from .exports import stream, zipped

pytestmark = pytest.mark.interchange


def response(own, parent=None, message="x", sender="human", **fields):
    return {"response": {"_id": own, "parent_response_id": parent, "message": message, "sender": sender} | fields}


def conversation(*responses, **about):
    return {"conversation": {"id": "g", "title": "T"} | about, "responses": list(responses)}


def read_one(item):
    (found,) = grok.read([item])
    assert isinstance(found, ConversationRecord), found
    return found


@pytest.mark.parametrize(
    ("sender", "role"), [("human", "user"), ("assistant", "assistant"), ("ASSISTANT", "assistant")]
)
def test_senders_in_any_case(sender, role):
    (said,) = read_one(conversation(response("a", sender=sender))).messages
    assert (said.role, said.metadata) == (role, {})


def test_an_unknown_sender_is_an_assistant_that_keeps_its_name():
    (said,) = read_one(conversation(response("a", sender="Critic"))).messages
    assert (said.role, said.metadata) == ("assistant", {"sender": "Critic"})


def test_both_notations_of_a_time():
    mongo = {"$date": {"$numberLong": "1781090989923"}}
    first, second = read_one(
        conversation(response("a", create_time=mongo), response("b", "a", create_time="2026-06-10T11:30:01.000001Z"))
    ).messages
    assert first.created_at == datetime(2026, 6, 10, 11, 29, 49, 923000, tzinfo=UTC)
    assert second.created_at == datetime(2026, 6, 10, 11, 30, 1, 1, tzinfo=UTC)


def test_the_leaf_is_the_one_named_else_the_newest():
    answers = [
        response("q"),
        response("new", "q", sender="assistant", create_time="2026-06-02T00:00:00Z"),
        response("old", "q", sender="assistant", create_time="2026-06-01T00:00:00Z"),
    ]
    assert read_one(conversation(*answers, leaf_response_id="old")).current_external_id == "old"
    assert read_one(conversation(*answers, leaf_response_id=None)).current_external_id == "new"
    assert read_one(conversation(*answers, leaf_response_id="gone")).current_external_id == "new"


def test_without_wrapper_ids_and_links_the_order_is_the_branch():
    record = read_one({"conversation": {}, "responses": [{"sender": "human", "message": m} for m in "abc"]})
    assert [(said.external_id, said.parent_external_id) for said in record.messages] == [
        ("0", None),
        ("1", "0"),
        ("2", "1"),
    ]
    assert (record.external_id, record.current_external_id) == (None, "2")


def test_answers_may_stand_before_their_questions():
    record = read_one(conversation(response("a", "q"), response("q")))
    assert [said.external_id for said in record.messages] == ["q", "a"]


def test_thought_pages_and_inline_cards_are_kept():
    card = 'first <grok:render type="x">card</grok:render>'
    item = conversation(
        response(
            "a",
            message=card,
            thinking_trace="hm",
            steps=[{"text": "s"}],
            web_search_results=[{"url": "https://a", "title": "A", "preview": "p"}, {"url": "https://b"}],
            cited_web_search_results=[{"url": "https://b", "title": "B"}],
        )
    )
    (said,) = read_one(item).messages
    assert said.content == card
    assert said.parts == ({"type": "reasoning", "text": "hm"}, {"type": "unknown", "raw": {"steps": [{"text": "s"}]}})
    assert said.sources == [
        {"type": "webpage", "title": "B", "url": "https://b", "cited": True},
        {"type": "webpage", "title": "A", "url": "https://a", "snippet": "p"},
    ]
    assert said.raw == item["responses"][0]


def test_projects_and_tasks_beside_the_conversations_are_documents():
    data = {
        "projects": [{"id": "p", "name": "Plan"}],
        "conversations": [conversation(response("a"))],
        "tasks": [{"t": 1}],
    }
    items = stream(data)
    record, project, task = grok.read(items)
    assert isinstance(record, ConversationRecord)
    assert (project.kind, project.external_id, project.title) == ("project", "p", "Plan")
    assert isinstance(task, DocumentRecord)
    assert (task.source, task.kind, task.raw) == ("grok", "task", {"t": 1})


def test_the_bytes_of_a_file_are_found_by_its_id(tmp_path):
    item = conversation(response("a", file_attachments=["asset-1", {"id": "asset-2", "name": "b.png"}]))
    path = zipped(
        tmp_path / "g.zip",
        [
            ("ttl/30d/prod-grok-backend.json", json.dumps({"conversations": [item]}).encode()),
            ("ttl/30d/prod-mc-asset-server/asset-1/content", b"one"),
        ],
    )
    first, second = next(read_files([path])).messages[0].attachments
    assert (first.external_id, first.size, second.name, second.opened) == ("asset-1", 3, "b.png", None)
    reading = read_files([path])
    assert next(reading).messages[0].attachments[0].opened().read(9) == b"one"


@pytest.mark.parametrize(
    ("item", "outcome", "reason", "pointer"),
    [
        ([], "failed", "not_an_object", ""),
        (conversation(), "skipped", "no_messages", ""),
        ({"conversation": {"id": "g"}, "responses": None}, "skipped", "no_messages", ""),
        ({"conversation": {}, "responses": {}}, "failed", "responses_not_a_list", "/responses"),
        ({"conversation": {}, "responses": [response("a"), 7]}, "failed", "not_an_object", "/responses/1"),
        (conversation(response("r" * 300)), "failed", "external_id_too_long", ""),
    ],
)
def test_a_bad_conversation_is_a_trouble(item, outcome, reason, pointer):
    (trouble,) = grok.read([item])
    assert isinstance(trouble, Trouble)
    assert (trouble.outcome, trouble.reason, trouble.pointer) == (outcome, reason, pointer)
