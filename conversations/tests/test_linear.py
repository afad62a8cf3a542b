"""Whether one index range reads a conversation: found again when the reader comes back to the only branch there is."""

from statistics import median
from time import perf_counter

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.models import Conversation, Message
from conversations.tests.interchange import exports
from conversations.tests.test_concurrency import assert_consistent
from conversations.tests.test_import import export, imported

LIST = "/api/v1/conversations"


@pytest.fixture
def long(owner):
    said = [{"role": "user", "content": str(n), "hidden": n == 2} for n in range(6)]
    made = owner.post(LIST, {"messages": said}, format="json").json()
    url = f"{LIST}/{made['id']}"
    ids = [m["id"] for m in owner.get(f"{url}/messages?branch=all&include_hidden=true").json()["results"]]
    return url, ids


def move(client, url, message_id):
    answer = client.patch(url, {"current_message_id": message_id}, format="json")
    assert answer.status_code == 200, answer.content


def is_linear(user, url):
    found = assert_consistent(user, url.rpartition("/")[2])
    return Conversation.objects.get(id=found[0].conversation_id).linear


def statements(client, url):
    with CaptureQueriesContext(connection) as queries:
        assert client.get(f"{url}/messages").status_code == 200
    return [name for query in queries for name in ("history_page", "branch_page") if f"/* {name} */" in query["sql"]]


def test_back_and_forth_it_is_read_as_before(owner, user, long):
    url, ids = long
    whole = owner.get(f"{url}/messages").json()["results"]
    move(owner, url, ids[3])
    assert not is_linear(user, url)
    assert statements(owner, url) == ["history_page", "branch_page"]
    move(owner, url, ids[5])
    assert is_linear(user, url)
    assert statements(owner, url) == ["history_page"]
    assert owner.get(f"{url}/messages").json()["results"] == whole
    owner.post(f"{url}/messages", {"role": "user", "content": "goes on"}, format="json")
    assert is_linear(user, url)


def test_a_conversation_that_branched_is_walked_on_whichever_branch_it_is(owner, user, long):
    url, ids = long
    aside = owner.post(f"{url}/messages", {"role": "user", "content": "b", "parent_id": ids[2]}, format="json").json()
    for goal in (ids[5], aside["id"], ids[0], ids[5]):
        move(owner, url, goal)
        assert not is_linear(user, url)
    owner.delete(f"{url}/messages/{aside['id']}")
    move(owner, url, ids[5])
    assert not is_linear(user, url)  # it may come back from the trash


def test_two_roots_are_no_chain(owner, user, long):
    url, ids = long
    root = owner.post(f"{url}/messages", {"role": "user", "content": "b", "parent_id": None}, format="json").json()
    for goal in (ids[5], root["id"]):
        move(owner, url, goal)
        assert not is_linear(user, url)


@pytest.mark.parametrize("place", [0, 3, 5])
def test_what_went_into_the_trash_and_came_back(owner, user, long, place):
    url, ids = long
    owner.delete(f"{url}/messages/{ids[place]}")
    rest = [message_id for message_id in ids if message_id != ids[place]]
    move(owner, url, rest[1])
    move(owner, url, rest[-1])
    assert is_linear(user, url)
    owner.post(f"{url}/messages/{ids[place]}/restore")
    assert is_linear(user, url)
    assert [m["id"] for m in owner.get(f"{url}/messages?include_hidden=true").json()["results"]] == ids


def test_times_that_contradict_the_tree_are_no_chain(owner, user, long):
    url, ids = long
    Message.objects.filter(user=user, id=ids[4]).update(created_at="2020-01-01T00:00:00Z")
    move(owner, url, ids[3])
    move(owner, url, ids[5])
    assert not Conversation.objects.get(user=user).linear
    assert [m["id"] for m in owner.get(f"{url}/messages?include_hidden=true").json()["results"]] == ids


@pytest.mark.parametrize(("length", "expected"), [(10_000, True), (10_001, False)])
def test_it_is_looked_for_up_to_a_length_and_costs_one_range(owner, user, tmp_path, length, expected):
    imported(user, export(tmp_path, exports.branch(length)))
    conversation = Conversation.objects.get(user=user)
    url = f"{LIST}/{conversation.id}"
    newest = list(Message.objects.filter(user=user).order_by("-created_at", "-id").values_list("id", flat=True)[:2])
    seconds = []
    for _ in range(3):
        move(owner, url, newest[1])
        started = perf_counter()
        move(owner, url, newest[0])
        seconds.append(perf_counter() - started)
        assert Conversation.objects.get(user=user).linear is expected
    assert median(seconds) < 0.5  # a walk is a probe a message; this machine is shared
