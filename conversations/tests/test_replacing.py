"""PUT makes the active branch equal to a list; a fork copies a branch."""

from uuid import uuid4

import pytest

LIST = "/api/v1/conversations"


def said(*texts):
    return [{"role": "user" if n % 2 == 0 else "assistant", "content": text} for n, text in enumerate(texts)]


def shown(client, url):
    return [m["content"] for m in client.get(f"{url}/messages").json()["results"]]


def tree(client, url):
    return [m["content"] for m in client.get(f"{url}/messages?branch=all").json()["results"]]


@pytest.fixture
def url(owner):
    made = owner.post(LIST, {"title": "t", "tags": ["kept"], "messages": said("a", "b", "c", "d")}, format="json")
    return f"{LIST}/{made.json()['id']}"


def put(client, url, **body):
    return client.put(url, body, format="json")


@pytest.mark.parametrize(
    ("texts", "added"),
    [
        (["a", "b", "c", "d"], []),  # the same
        (["a", "b", "c", "d", "e", "f"], ["e", "f"]),  # longer
        (["a", "b"], []),  # shorter
        (["a", "B"], ["B"]),  # another answer
        (["a", "b", "C", "D"], ["C", "D"]),  # a branch in the middle
        (["A"], ["A"]),  # nothing in common: a new root
        ([], []),
    ],
    ids=str,
)
def test_the_active_branch_becomes_the_list_and_nothing_is_deleted(owner, url, texts, added):
    answer = put(owner, url, messages=said(*texts))
    assert answer.status_code == 200, answer.content
    assert shown(owner, url) == texts
    assert sorted(tree(owner, url)) == sorted(["a", "b", "c", "d", *added])
    assert answer.json()["message_count"] == 4 + len(added)
    assert answer.json() == owner.get(url).json()
    assert put(owner, url, messages=said(*texts)).status_code == 200  # once more changes nothing
    assert shown(owner, url) == texts
    assert owner.get(url).json()["message_count"] == 4 + len(added)


def test_put_without_messages_is_a_patch_and_what_is_absent_stays(owner, url):
    changed = put(owner, url, title="new").json()
    assert (changed["title"], changed["tags"], changed["message_count"]) == ("new", ["kept"], 4)
    assert shown(owner, url) == ["a", "b", "c", "d"]


def test_title_and_messages_change_together_or_not_at_all(owner, url):
    answer = put(owner, url, title="new", messages=[*said("a"), {"role": "nobody", "content": "x"}])
    assert answer.status_code == 422
    assert owner.get(url).json()["title"] == "t"
    assert put(owner, url, title="new", messages=said("a", "x")).json()["title"] == "new"
    assert shown(owner, url) == ["a", "x"]


def test_hidden_messages_between_are_kept_where_they_are(owner, url):
    owner.post(f"{url}/messages", {"role": "system", "content": "hidden", "hidden": True}, format="json")
    put(owner, url, messages=said("a", "b", "c", "d", "e"))
    everything = owner.get(f"{url}/messages?include_hidden=true").json()["results"]
    assert [m["content"] for m in everything] == ["a", "b", "c", "d", "hidden", "e"]


def test_a_list_with_ids_keeps_what_is_known_by_its_id(owner, url):
    messages = owner.get(f"{url}/messages").json()["results"]
    listed = [{name: m[name] for name in ("id", "role", "content")} for m in messages[:2]]
    new = {"id": str(uuid4()), "role": "user", "content": "new"}
    assert put(owner, url, messages=[*listed, new]).status_code == 200
    after = owner.get(f"{url}/messages").json()["results"]
    assert [m["id"] for m in after] == [messages[0]["id"], messages[1]["id"], new["id"]]


@pytest.mark.parametrize("edit", ["edited", "removed"])
def test_the_list_that_the_api_gave_may_be_edited_and_put_back_with_its_ids(owner, url, edit):
    listed = [
        {name: m[name] for name in ("id", "role", "content", "metadata", "tokens_in")}
        for m in owner.get(f"{url}/messages").json()["results"]
    ]
    if edit == "edited":
        listed[1]["content"] = "B"
    else:
        del listed[1]
    answer = put(owner, url, messages=listed)
    assert answer.status_code == 200, answer.content
    after = owner.get(f"{url}/messages").json()["results"]
    assert [m["content"] for m in after] == [m["content"] for m in listed]
    assert after[0]["id"] == listed[0]["id"]
    assert len(tree(owner, url)) == 4 + len(listed) - 1  # nothing is deleted, and what follows is told again


def test_an_id_of_another_conversation_is_a_conflict(owner, url):
    elsewhere = owner.post(LIST, {"messages": said("x")}, format="json").json()["current_message_id"]
    answer = put(owner, url, messages=[{"id": elsewhere, "role": "user", "content": "else"}])
    assert (answer.status_code, answer.json()["code"]) == (409, "id_taken")
    assert shown(owner, url) == ["a", "b", "c", "d"]


def test_what_a_list_does_not_say_is_no_difference_and_what_it_says_is(owner):
    rich = {"role": "user", "content": "a", "metadata": {"k": 1}, "model": "m1", "cost_cents": "0.50"}
    made = owner.post(LIST, {"messages": [rich]}, format="json").json()
    path = f"{LIST}/{made['id']}"
    put(owner, path, messages=said("a"))
    put(owner, path, messages=[{**said("a")[0], "cost_cents": 0.5}])
    assert len(tree(owner, path)) == 1
    put(owner, path, messages=[{**said("a")[0], "model": "m2"}])
    assert [m["model"] for m in owner.get(f"{path}/messages").json()["results"]] == ["m2"]
    assert len(tree(owner, path)) == 2


def test_the_list_and_a_current_message_contradict_each_other(owner, url):
    current = owner.get(url).json()["current_message_id"]
    assert put(owner, url, messages=said("a"), current_message_id=current).status_code == 422


def test_a_stale_put_is_412_and_writes_nothing(owner, url):
    seen = owner.get(url)["ETag"]
    owner.patch(url, {"title": "by another"}, format="json")
    answer = owner.put(url, {"messages": said("x")}, format="json", headers={"If-Match": seen})
    assert answer.status_code == 412
    assert shown(owner, url) == ["a", "b", "c", "d"]


def test_a_fork_is_a_copy_of_its_own(owner, url):
    source = owner.get(f"{url}/messages").json()["results"]
    answer = owner.post(f"{url}/fork", {"message_id": source[1]["id"]}, format="json")
    fork = answer.json()
    assert answer.status_code == 201
    assert answer["Location"] == f"{LIST}/{fork['id']}"
    assert (fork["title"], fork["tags"], fork["message_count"]) == ("t", ["kept"], 2)
    assert fork["metadata"]["forked_from"] == {
        "conversation_id": url.rpartition("/")[2], "message_id": source[1]["id"]
    }  # fmt: skip
    copy = owner.get(f"{LIST}/{fork['id']}/messages").json()["results"]
    assert [m["content"] for m in copy] == ["a", "b"]
    assert [m["created_at"] for m in copy] == [m["created_at"] for m in source[:2]]
    assert not {m["id"] for m in copy} & {m["id"] for m in source}
    assert (copy[0]["parent_id"], copy[1]["parent_id"]) == (None, copy[0]["id"])
    owner.post(f"{LIST}/{fork['id']}/messages", {"role": "user", "content": "only here"}, format="json")
    assert shown(owner, url) == ["a", "b", "c", "d"]
    assert shown(owner, f"{LIST}/{fork['id']}") == ["a", "b", "only here"]


def test_a_fork_without_a_message_copies_the_active_branch(owner, url):
    put(owner, url, messages=said("a", "B"))
    fork = owner.post(f"{url}/fork").json()
    assert tree(owner, f"{LIST}/{fork['id']}") == ["a", "B"]


def test_a_fork_leaves_out_what_is_in_the_trash(owner, url):
    second = owner.get(f"{url}/messages").json()["results"][1]
    owner.delete(f"{url}/messages/{second['id']}")
    fork = owner.post(f"{url}/fork").json()
    assert shown(owner, f"{LIST}/{fork['id']}") == ["a", "c", "d"]
    refused = owner.post(f"{url}/fork", {"message_id": second["id"]}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (404, "message_in_trash")


@pytest.mark.parametrize("text", ["", "half an ans"])
def test_what_is_still_being_written_is_interrupted_in_the_copy(owner, url, text):
    streaming = {"role": "assistant", "content": text, "status": "streaming"}
    original = owner.post(f"{url}/messages", streaming, format="json").json()
    fork = owner.post(f"{url}/fork", headers={"Idempotency-Key": "k"}).json()
    copy = owner.get(f"{LIST}/{fork['id']}/messages").json()["results"]
    assert [m["status"] for m in copy] == ["complete"] * 4 + ["interrupted"]
    assert copy[-1]["content"] == text
    assert owner.get(f"{url}/messages/{original['id']}").json()["status"] == "streaming"


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_how_a_message_ended_is_copied(owner, url, status):
    owner.post(f"{url}/messages", {"role": "assistant", "content": "x", "status": status}, format="json")
    fork = owner.post(f"{url}/fork").json()
    assert owner.get(f"{LIST}/{fork['id']}/messages").json()["results"][-1]["status"] == status


def test_an_empty_conversation_can_be_forked(owner):
    made = owner.post(LIST, {"title": "empty"}, format="json").json()
    fork = owner.post(f"{LIST}/{made['id']}/fork")
    assert (fork.status_code, fork.json()["message_count"]) == (201, 0)
