"""Conversations: made, listed, read, changed, thrown away and taken back."""

import json
from uuid import UUID, uuid4

import pytest

LIST = "/api/v1/conversations"
SUMMARY = {
    "id", "title", "title_is_generated", "model", "metadata", "tags", "starred", "archived", "message_count",
    "current_message_id", "source", "external_id", "created_at", "updated_at", "last_message_at", "deleted_at",
}  # fmt: skip


def made(client, **fields):
    answer = client.post(LIST, fields, format="json")
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_new_conversation_has_the_contracts_fields_and_a_uuid_of_version_7(owner):
    answer = owner.post(LIST, {"title": "Peaks", "model": "gpt-5", "metadata": {"a": 1}, "tags": ["x"]}, format="json")
    body = answer.json()
    assert answer.status_code == 201
    assert answer["Location"] == f"{LIST}/{body['id']}"
    assert set(body) == SUMMARY
    assert UUID(body["id"]).version == 7
    assert (body["title"], body["model"], body["metadata"], body["tags"]) == ("Peaks", "gpt-5", {"a": 1}, ["x"])
    assert not body["title_is_generated"]
    assert len(body["created_at"]) == 27
    assert body["created_at"].endswith("Z")


def test_a_conversation_made_with_messages_has_them_all_in_order(owner, conversation, messages_url):
    messages = owner.get(messages_url).json()["results"]
    assert [(m["role"], m["content"]) for m in messages] == [
        ("user", "How high is the Matterhorn?"),
        ("assistant", "4,478 metres."),
    ]
    assert [m["parent_id"] for m in messages] == [None, messages[0]["id"]]
    assert conversation["message_count"] == 2
    assert conversation["current_message_id"] == messages[1]["id"]


def test_the_first_user_message_makes_the_title(owner, conversation):
    assert (conversation["title"], conversation["title_is_generated"]) == ("How high is the Matterhorn?", True)


def test_a_bad_message_leaves_no_conversation_behind(owner):
    bad = {"messages": [{"role": "user", "content": "fine"}, {"role": "oracle", "content": "no"}]}
    answer = owner.post(LIST, bad, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/messages/1/role")
    assert owner.get(LIST).json()["total"] == 0


def test_the_list_shows_the_newest_activity_first_and_no_messages(owner, messages_url, conversation):
    made(owner, title="later")
    owner.post(messages_url, {"role": "user", "content": "one more"}, format="json")
    results = owner.get(LIST).json()["results"]
    assert [r["title"] for r in results] == [conversation["title"], "later"]
    assert set(results[0]) == SUMMARY


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", ["c", "b", "a"]),
        ("ordering=title", ["a", "b", "c"]),
        ("ordering=-title", ["c", "b", "a"]),
        ("ordering=created_at", ["a", "b", "c"]),
        ("starred=true", ["b"]),
        ("starred=false", ["c", "a"]),
        ("archived=true", ["archived"]),
        ("tag=blue", ["c", "a"]),
        ("model=m1", ["a"]),
        ("q=B", ["b"]),
        ("q=%25", []),
        ("created_after=2100-01-01T00:00:00Z", []),
        ("created_before=2100-01-01", ["c", "b", "a"]),
        ("updated_after=2000-01-01T00:00:00%2B02:00", ["c", "b", "a"]),
        ("updated_before=2000-01-01T00:00:00", []),
    ],
)
def test_the_list_is_filtered_and_ordered(owner, query, titles):
    made(owner, title="a", tags=["blue"], model="m1")
    made(owner, title="b", starred=True)
    made(owner, title="c", tags=["red", "blue"])
    made(owner, title="archived", archived=True)
    body = owner.get(f"{LIST}?{query}").json()
    assert [r["title"] for r in body["results"]] == titles
    assert body["total"] == len(titles)


TITLES = {
    "nul": "a\0b", "digits": "a 0000 b", "both": "0000 \0 0000", "surrogate": "half \ud83d", "mark": "x\ufdd0y",
    "mark and digits": "\ufdd00000", "after it": "\x000000", "percent": "100% \0_", "lines": "one\n\0\ntwo",
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("0000", ["digits", "both", "mark and digits", "after it"]),
        ("000", ["digits", "both", "mark and digits", "after it"]),
        ("00000", []),
        ("d83d", []),
        ("fdd0", []),
        ("0B", []),  # the end of an escape and what follows it
        ("\0", ["nul", "both", "after it", "percent", "lines"]),
        ("A\0B", ["nul"]),
        ("\x000000", ["after it"]),
        ("\0 0000", ["both"]),
        ("\ufdd0", ["mark", "mark and digits"]),
        ("X\ufdd0", ["mark"]),
        ("0% \0_", ["percent"]),
        ("%", ["percent"]),
        ("\n\0\nT", ["lines"]),
    ],
    ids=lambda value: ascii(value) if isinstance(value, str) else str(len(value)),  # a set's order is its process's
)
def test_what_postgresql_cannot_store_is_one_character_to_a_search_too(owner, words, found):
    for name, title in TITLES.items():
        owner.post(LIST, json.dumps({"title": title, "metadata": {"name": name}}), content_type="application/json")
    body = owner.get(LIST, {"q": words}).json()
    assert {c["metadata"]["name"] for c in body["results"]} == set(found)
    assert body["total"] == len(found)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=ten", "limit=-1", "limit=1.5", "limit=", "offset=-1", "offset=x", "starred=maybe",
     "ordering=owner", "ordering=--title", "created_after=yesterday", "created_after=2026-13-01", "deleted=2",
     "limit=١"],
)  # fmt: skip
def test_a_bad_query_is_422_and_names_the_parameter(owner, query):
    answer = owner.get(f"{LIST}?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/" + query.partition("=")[0]


def test_reading_gives_one_conversation_and_its_messages_on_request(owner, url, conversation):
    assert owner.get(url).json() == conversation
    with_messages = owner.get(f"{url}?include=messages").json()
    assert [m["content"] for m in with_messages["messages"]] == ["How high is the Matterhorn?", "4,478 metres."]
    assert with_messages["messages"] == owner.get(f"{url}/messages").json()["results"]


def test_a_patch_changes_what_it_names_and_nothing_else(owner, url, conversation):
    answer = owner.patch(url, {"title": "Renamed", "tags": ["b", "a", "b"], "starred": True}, format="json")
    changed = answer.json()
    assert answer.status_code == 200
    assert (changed["title"], changed["tags"], changed["starred"]) == ("Renamed", ["b", "a"], True)
    assert not changed["title_is_generated"]
    assert changed["updated_at"] > conversation["updated_at"]
    same = SUMMARY - {"title", "title_is_generated", "tags", "starred", "updated_at"}
    assert {name: changed[name] for name in same} == {name: conversation[name] for name in same}


def test_an_empty_patch_changes_nothing(owner, url, conversation):
    assert owner.patch(url, {}, format="json").json() == conversation


def test_ownership_and_times_in_a_body_mean_nothing(owner, url, conversation, stranger, user):
    other = str(uuid4())
    answer = owner.patch(
        url, {"user": other, "user_id": other, "id": other, "created_at": "2000-01-01", "is_staff": True}, format="json"
    )
    assert answer.json() == conversation
    made_for_other = made(owner, title="mine", user=other, user_id=other, created_at="2000-01-01T00:00:00Z")
    assert made_for_other["created_at"] > "2026"
    assert owner.get(f"{LIST}/{made_for_other['id']}").status_code == 200


def test_the_current_message_can_be_moved_only_to_a_message_of_this_conversation(owner, url, messages_url):
    first, _ = owner.get(messages_url).json()["results"]
    assert owner.patch(url, {"current_message_id": first["id"]}, format="json").status_code == 200
    assert [m["id"] for m in owner.get(messages_url).json()["results"]] == [first["id"]]
    elsewhere = made(owner, messages=[{"role": "user", "content": "x"}])["current_message_id"]
    for wrong in (elsewhere, str(uuid4())):
        answer = owner.patch(url, {"current_message_id": wrong}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (422, "current_message_not_found")


def test_the_trash_hides_a_conversation_everywhere_but_in_its_own_list(owner, url, messages_url, conversation):
    assert owner.delete(url).status_code == 204
    for path in (url, messages_url, f"{url}/context", f"{url}/exchanges"):
        answer = owner.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "conversation_in_trash"), path
    for answer in (owner.patch(url, {"title": "x"}, format="json"), owner.delete(url),
                   owner.post(messages_url, {"role": "user", "content": "x"}, format="json")):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (404, "conversation_in_trash")
    assert owner.get(LIST).json()["total"] == 0
    trashed = owner.get(f"{LIST}?deleted=true").json()["results"]
    assert [r["id"] for r in trashed] == [conversation["id"]]
    assert trashed[0]["deleted_at"]


def test_a_restored_conversation_is_as_it_was(owner, url, messages_url, conversation):
    before = owner.get(messages_url).json()["results"]
    owner.delete(url)
    restored = owner.post(f"{url}/restore")
    assert restored.status_code == 200
    assert restored.json() == conversation
    assert owner.get(messages_url).json()["results"] == before
    assert owner.post(f"{url}/restore").json() == conversation  # once more does no harm


@pytest.mark.parametrize("first", ["in use", "in the trash"])
def test_deleted_for_good_is_gone_with_its_messages(owner, url, messages_url, first):
    from conversations.models import Conversation, Message

    if first == "in the trash":
        owner.delete(url)
    assert owner.delete(f"{url}?permanent=true").status_code == 204
    for answer in (owner.get(url), owner.get(messages_url), owner.post(f"{url}/restore"), owner.delete(url)):
        assert (answer.status_code, answer.json()["code"]) == (404, "conversation_not_found")
    assert owner.get(f"{LIST}?deleted=true").json()["total"] == 0
    assert not Conversation.objects.exists()
    assert not Message.objects.exists()


def test_a_client_may_bring_the_id_and_a_repeat_is_harmless(owner):
    wanted = {"id": str(uuid4()), "title": "offline", "messages": [{"role": "user", "content": "hi"}]}
    first, second = owner.post(LIST, wanted, format="json"), owner.post(LIST, wanted, format="json")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == wanted["id"]
    assert second.json() == first.json()
    other = owner.post(LIST, {**wanted, "title": "another"}, format="json")
    assert (other.status_code, other.json()["code"]) == (409, "id_taken")
    longer = owner.post(LIST, {**wanted, "messages": [{"role": "user", "content": "ho"}]}, format="json")
    assert longer.status_code == 409


def test_another_users_id_is_409_and_tells_nothing(owner, stranger):
    theirs = made(stranger, title="secret")
    answer = owner.post(LIST, {"id": theirs["id"], "title": "secret"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "id_taken")
    assert "secret" not in answer.content.decode()
    message = owner.post(LIST, {"messages": [{"id": theirs["id"], "role": "user", "content": "x"}]}, format="json")
    assert message.status_code == 409
    assert owner.get(LIST).json()["total"] == 0


@pytest.mark.parametrize("value", ["not-a-uuid", 7, ""])
def test_an_id_that_is_no_uuid_is_422(owner, value):
    answer = owner.post(LIST, {"id": value}, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/id")
