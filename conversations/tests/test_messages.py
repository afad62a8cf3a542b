"""Messages: appended, branched, read, edited, thrown away and taken back."""

from uuid import UUID, uuid4

import pytest

FIELDS = {
    "id", "conversation_id", "parent_id", "role", "content", "parts", "status", "model", "tool_calls", "tool_results",
    "sources", "selected_text", "metadata", "language", "tokens_in", "tokens_out", "tokens_used", "cost_cents",
    "response_cached", "response_time_ms", "hidden", "created_at", "updated_at", "deleted_at",
}  # fmt: skip
FULL = {
    "role": "assistant",
    "content": " An answer \u202e with blanks ",
    "parts": [{"type": "text", "text": "An answer"}, {"type": "odd", "n": 12345678901234567890, "f": 0.1, "x": None}],
    "model": "gpt-5",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    "tool_results": [{"tool_call_id": "c0", "content": "r"}],
    "sources": [{"url": "https://example.com", "title": "t"}],
    "selected_text": "the selected",
    "metadata": {"deep": {"er": [1, 2, {"z": True}]}},
    "language": "it-IT",
    "tokens_in": 10,
    "tokens_out": 0,
    "tokens_used": 10,
    "cost_cents": "0.25",
    "response_cached": False,
    "response_time_ms": 1200,
    "hidden": False,
}


def appended(client, url, content="text", role="user", **fields):
    answer = client.post(url, {"role": role, "content": content, **fields}, format="json")
    assert answer.status_code == 201, answer.content
    return answer.json()


def contents(client, url):
    return [m["content"] for m in client.get(url).json()["results"]]


def test_a_message_comes_back_as_it_was_said(owner, url, messages_url, conversation):
    answer = owner.post(messages_url, FULL, format="json")
    message = answer.json()
    assert answer.status_code == 201
    assert set(message) == FIELDS
    assert {name: message[name] for name in FULL} == FULL
    assert (message["parent_id"], message["status"]) == (conversation["current_message_id"], "complete")
    assert answer["Location"] == f"{messages_url}/{message['id']}"
    assert UUID(message["id"]).version == 7
    assert owner.get(answer["Location"]).json() == message
    assert owner.get(messages_url).json()["results"][-1] == message


@pytest.mark.parametrize(("sent", "stored"), [(0.5, "0.5"), ("12.50", "12.5"), (3, "3"), ("0", "0"), (None, None)])
def test_costs_are_exact_decimals(owner, messages_url, sent, stored):
    assert appended(owner, messages_url, cost_cents=sent)["cost_cents"] == stored


def test_an_append_moves_updated_at_the_count_and_the_current_message(owner, url, messages_url, conversation):
    message = appended(owner, messages_url)
    now = owner.get(url).json()
    assert now["updated_at"] > conversation["updated_at"]
    assert (now["message_count"], now["current_message_id"]) == (3, message["id"])
    assert now["last_message_at"] == message["created_at"]


def test_a_turn_is_all_or_nothing_and_in_order(owner, messages_url):
    turn = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
    messages = owner.post(messages_url, turn, format="json").json()["messages"]
    assert [m["content"] for m in messages] == ["q", "a"]
    assert messages[1]["parent_id"] == messages[0]["id"]
    turn["messages"].append({"role": "user", "content": ""})
    answer = owner.post(messages_url, turn, format="json")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/messages/2")
    assert len(contents(owner, messages_url)) == 4


def test_a_title_is_generated_once_from_the_first_user_message(owner):
    url = f"/api/v1/conversations/{owner.post('/api/v1/conversations', {}, format='json').json()['id']}"
    appended(owner, f"{url}/messages", "You are helpful.", role="system")
    assert owner.get(url).json()["title"] == ""
    appended(owner, f"{url}/messages", "# Plan **a** trip\nto Rome")
    appended(owner, f"{url}/messages", "And another thing")
    made = owner.get(url).json()
    assert (made["title"], made["title_is_generated"]) == ("Plan **a** trip", True)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"role": "user"}, "/content"),
        ({"role": "user", "content": ""}, "/content"),
        ({"role": "user", "content": None}, "/content"),
        ({"content": "x"}, "/role"),
        ({"role": "bot", "content": "x"}, "/role"),
        ({"role": "user", "content": 7}, "/content"),
        ({"role": "user", "content": "x", "tokens_in": -1}, "/tokens_in"),
        ({"role": "user", "content": "x", "tokens_in": 2**31}, "/tokens_in"),
        ({"role": "user", "content": "x", "tokens_in": "7"}, "/tokens_in"),
        ({"role": "user", "content": "x", "cost_cents": "-0.01"}, "/cost_cents"),
        ({"role": "user", "content": "x", "cost_cents": "NaN"}, "/cost_cents"),
        ({"role": "user", "content": "x", "cost_cents": "1e99"}, "/cost_cents"),
        ({"role": "user", "content": "x", "hidden": "yes"}, "/hidden"),
        ({"role": "user", "content": "x", "status": "done"}, "/status"),
        ({"role": "user", "content": "x", "parent_id": "no"}, "/parent_id"),
        ({"role": "user", "content": "x", "metadata": []}, "/metadata"),
        ({"role": "user", "content": "x" * 1_000_001}, "/content"),
        ({"messages": []}, "/messages"),
        ({"messages": "x"}, "/messages"),
        ([], ""),
        ("x", ""),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_bad_message_is_422_and_changes_nothing(owner, messages_url, url, conversation, body, pointer):
    answer = owner.post(messages_url, body, format="json")
    assert answer.status_code == 422, answer.content
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert owner.get(url).json() == conversation


@pytest.mark.parametrize(
    "body",
    [
        {"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": None, "tool_results": [{"tool_call_id": "1"}]},
        {"role": "user", "parts": [{"type": "image_url"}]},
        {"role": "assistant", "content": "", "status": "streaming"},
    ],
)
def test_content_may_be_empty_beside_structure_or_while_it_streams(owner, messages_url, body):
    answer = owner.post(messages_url, body, format="json")
    assert (answer.status_code, answer.json()["content"]) == (201, "")


def test_naming_another_parent_makes_a_branch_that_becomes_the_active_one(owner, url, messages_url):
    question, answer = owner.get(messages_url).json()["results"]
    other = appended(owner, messages_url, "4,478 m.", role="assistant", parent_id=question["id"])
    assert contents(owner, messages_url) == [question["content"], "4,478 m."]
    assert owner.get(url).json()["current_message_id"] == other["id"]
    assert contents(owner, f"{messages_url}?branch={answer['id']}") == [question["content"], answer["content"]]
    assert sorted(contents(owner, f"{messages_url}?branch=all")) == sorted(
        [question["content"], answer["content"], "4,478 m."]
    )
    owner.patch(url, {"current_message_id": answer["id"]}, format="json")
    assert contents(owner, messages_url) == [question["content"], answer["content"]]
    appended(owner, messages_url, "thanks")
    assert contents(owner, messages_url) == [question["content"], answer["content"], "thanks"]


def test_a_null_parent_makes_a_new_root(owner, messages_url):
    root = appended(owner, messages_url, "afresh", parent_id=None)
    assert root["parent_id"] is None
    assert contents(owner, messages_url) == ["afresh"]


def test_a_batch_may_branch_within_itself(owner, messages_url):
    first, second = str(uuid4()), str(uuid4())
    batch = [
        {"role": "user", "content": "q", "id": first},
        {"role": "assistant", "content": "a1", "id": second},
        {"role": "assistant", "content": "a2", "parent_id": first},
    ]
    assert owner.post(messages_url, {"messages": batch}, format="json").status_code == 201
    assert contents(owner, messages_url)[-2:] == ["q", "a2"]
    assert contents(owner, f"{messages_url}?branch={second}")[-2:] == ["q", "a1"]


def test_a_parent_must_be_a_message_of_this_conversation_in_use(owner, messages_url, url, conversation):
    elsewhere = owner.post(
        "/api/v1/conversations", {"messages": [{"role": "user", "content": "x"}]}, format="json"
    ).json()["current_message_id"]
    deleted = appended(owner, messages_url)["id"]
    owner.delete(f"{messages_url}/{deleted}")
    itself = str(uuid4())
    before = owner.get(url).json()
    for parent, extra in ((elsewhere, {}), (str(uuid4()), {}), (deleted, {}), (itself, {"id": itself})):
        body = {"role": "user", "content": "x", "parent_id": parent, **extra}
        for sent in (body, {"messages": [body]}):
            answer = owner.post(messages_url, sent, format="json")
            assert answer.status_code == 422, answer.content
            assert answer.json()["errors"][0]["pointer"].endswith("/parent_id")
    assert owner.get(url).json() == before


def test_an_edit_in_place_changes_what_it_names(owner, url, messages_url, conversation):
    message = owner.get(messages_url).json()["results"][0]
    answer = owner.patch(
        f"{messages_url}/{message['id']}", {"content": "How tall?", "metadata": {"edited": True}, "role": "system"},
        format="json",
    )  # fmt: skip
    edited = answer.json()
    assert answer.status_code == 200
    assert (edited["content"], edited["metadata"], edited["role"]) == ("How tall?", {"edited": True}, "user")
    assert edited["updated_at"] > message["updated_at"]
    assert owner.get(messages_url).json()["results"][0] == edited
    assert owner.get(url).json()["updated_at"] > conversation["updated_at"]


def test_an_edit_cannot_leave_a_message_without_content(owner, messages_url):
    message = owner.get(messages_url).json()["results"][0]
    answer = owner.patch(f"{messages_url}/{message['id']}", {"content": ""}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "content_required")


def test_a_deleted_message_leaves_every_branch_and_its_descendants_stay(owner, url, messages_url, conversation):
    first, second = owner.get(messages_url).json()["results"]
    third = appended(owner, messages_url, "third")
    assert owner.delete(f"{messages_url}/{second['id']}").status_code == 204
    assert contents(owner, messages_url) == [first["content"], "third"]
    assert contents(owner, f"{messages_url}?branch=all") == [first["content"], "third"]
    assert contents(owner, f"{messages_url}?branch={third['id']}") == [first["content"], "third"]
    assert owner.get(url).json()["message_count"] == 2
    for answer in (owner.get(f"{messages_url}/{second['id']}"), owner.delete(f"{messages_url}/{second['id']}"),
                   owner.patch(f"{messages_url}/{second['id']}", {"content": "x"}, format="json")):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (404, "message_in_trash")
    restored = owner.post(f"{messages_url}/{second['id']}/restore")
    assert (restored.status_code, restored.json()["content"]) == (200, second["content"])
    assert contents(owner, messages_url) == [first["content"], second["content"], "third"]


def test_a_deleted_leaf_hands_over_to_the_message_before_it_and_takes_over_again(owner, url, messages_url):
    first, second = owner.get(messages_url).json()["results"]
    owner.delete(f"{messages_url}/{second['id']}")
    assert owner.get(url).json()["current_message_id"] == first["id"]
    owner.post(f"{messages_url}/{second['id']}/restore")
    assert owner.get(url).json()["current_message_id"] == second["id"]
    assert contents(owner, messages_url) == [first["content"], second["content"]]
    owner.delete(f"{messages_url}/{second['id']}")
    appended(owner, messages_url, "instead", role="assistant")
    owner.post(f"{messages_url}/{second['id']}/restore")
    assert contents(owner, messages_url) == [first["content"], "instead"]  # it is a branch of its own now
    assert contents(owner, f"{messages_url}?branch={second['id']}") == [first["content"], second["content"]]


def test_all_messages_may_be_deleted_and_the_conversation_goes_on(owner, url, messages_url):
    for message in owner.get(messages_url).json()["results"]:
        owner.delete(f"{messages_url}/{message['id']}")
    assert contents(owner, messages_url) == []
    assert owner.get(url).json()["current_message_id"] is None
    assert appended(owner, messages_url, "anew")["parent_id"] is None
    assert contents(owner, messages_url) == ["anew"]


def test_hidden_messages_are_shown_only_on_request(owner, url, messages_url):
    appended(owner, messages_url, "context", role="system", hidden=True)
    assert len(contents(owner, messages_url)) == 2
    shown = owner.get(f"{messages_url}?include_hidden=true").json()
    assert (len(shown["results"]), shown["total"]) == (3, 3)
    assert owner.get(messages_url).json()["total"] == 2
    assert owner.get(url).json()["message_count"] == 3


def test_a_clients_id_makes_a_repeat_harmless(owner, messages_url, url):
    wanted = {"id": str(uuid4()), "role": "user", "content": "offline"}
    first, second = (owner.post(messages_url, wanted, format="json") for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert owner.get(url).json()["message_count"] == 3
    other = owner.post(messages_url, {**wanted, "content": "another"}, format="json")
    assert (other.status_code, other.json()["code"]) == (409, "id_taken")
    twice = owner.post(messages_url, {"messages": [wanted, wanted]}, format="json")
    assert twice.status_code == 409


def test_an_empty_edit_changes_nothing(owner, messages_url):
    message = owner.get(messages_url).json()["results"][0]
    answer = owner.patch(f"{messages_url}/{message['id']}", {}, format="json")
    assert (answer.status_code, answer.json()) == (200, message)
