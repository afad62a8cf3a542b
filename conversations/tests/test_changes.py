"""The change feed's rows: every action writes its own, in commit order, without gaps."""

import pytest

from conversations.models import Change, ChangeCounter

LIST = "/api/v1/conversations"


@pytest.fixture
def recorded(user):
    """What was recorded since the last call: (kind, object id, op) in order."""
    seen = 0

    def since():
        nonlocal seen
        rows = list(Change.objects.filter(user=user).order_by("id"))
        assert [row.id for row in rows] == list(range(1, len(rows) + 1))
        if rows:
            assert ChangeCounter.objects.get(user=user).value == len(rows)
        new, seen = rows[seen:], len(rows)
        return [(row.kind, str(row.object_id), row.op) for row in new]

    return since


def test_every_action_records_what_it_changed(owner, recorded):
    made = owner.post(LIST, {"messages": [{"role": "user", "content": "a"}]}, format="json").json()
    conversation, url = made["id"], f"{LIST}/{made['id']}"
    upserted = ("conversation", conversation, "upsert")
    first = made["current_message_id"]
    assert recorded() == [upserted, ("message", first, "upsert")]

    turn = {"messages": [{"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]}
    b, c = (m["id"] for m in owner.post(f"{url}/messages", turn, format="json").json()["messages"])
    assert recorded() == [("message", b, "upsert"), ("message", c, "upsert"), upserted]

    for change in (
        lambda: owner.patch(url, {"starred": True}, format="json"),
        lambda: owner.delete(url),
        lambda: owner.post(f"{url}/restore"),
    ):
        change()
        assert recorded() == [upserted]

    for change in (
        lambda: owner.patch(f"{url}/messages/{b}", {"content": "B"}, format="json"),
        lambda: owner.delete(f"{url}/messages/{b}"),
        lambda: owner.post(f"{url}/messages/{b}/restore"),
    ):
        change()
        assert recorded() == [("message", b, "upsert"), upserted]

    put = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "other"}]}
    new = owner.put(url, put, format="json").json()["current_message_id"]
    assert recorded() == [("message", new, "upsert"), upserted]

    fork = owner.post(f"{url}/fork").json()
    kinds = recorded()
    assert kinds[0] == ("conversation", fork["id"], "upsert")
    assert [kind for kind, _, _ in kinds] == ["conversation", "message", "message"]

    owner.delete(f"{url}?permanent=true")
    assert recorded() == [("conversation", conversation, "delete")]


def test_what_changes_nothing_records_nothing(owner, url, messages_url, recorded, stranger):
    recorded()
    message = owner.get(messages_url).json()["results"][0]
    owner.get(url)
    owner.patch(url, {}, format="json")
    owner.post(f"{url}/restore")
    owner.post(messages_url, {"role": "nobody", "content": "x"}, format="json")
    owner.patch(url, {"title": "x"}, format="json", headers={"If-Match": '"0"'})
    owner.post(messages_url, {"role": "user", "content": "x", "parent_id": message["conversation_id"]}, format="json")
    stranger.delete(url)
    stranger.post(messages_url, {"role": "user", "content": "x"}, format="json")
    assert recorded() == []
