"""Requirement A3: a browser's own history, `{"messages": [{session_id, query, response, timestamp, …}]}`."""

import pytest

from conversations.models import Message

IMPORTS, LIST = "/api/v1/imports", "/api/v1/conversations"
pytestmark = pytest.mark.django_db


def item(number: int, **fields: object) -> dict[str, object]:
    own = {"session_id": "s1", "query": f"question {number}", "response": f"answer {number}"}
    return own | {"timestamp": f"2026-01-01T00:{number % 60:02}:00Z", "tokens_used": 7} | fields


def sent(client, *items):
    answer = client.post(IMPORTS, {"messages": list(items)}, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()


def counts(told):
    return told["status"], told["imported_count"], told["skipped_count"]


def test_the_counts_are_items_of_the_list(owner):
    told = sent(owner, item(1), item(2), item(3, session_id="s2"))
    assert (counts(told), told["format"]) == (("success", 3, 0), "exchanges")
    assert owner.get(LIST).json()["total"] == 2
    assert Message.objects.count() == 6


def test_invalid_items_are_skipped_with_a_reason_and_the_rest_comes_in(owner):
    told = sent(owner, item(1), {"session_id": "s1"}, "nonsense", item(2))
    assert counts(told) == ("partial_success", 2, 2)
    assert [(i["outcome"], i["pointer"]) for i in told["items"][:2]] == [
        ("skipped", "/messages/1/query"),
        ("skipped", "/messages/2"),
    ]


def test_the_same_batch_again_is_unchanged(owner):
    sent(owner, item(1), item(2))
    told = sent(owner, item(1), item(2), item(3))
    assert (told["imported_count"], told["unchanged_count"], told["updated_count"]) == (1, 2, 0)


def test_an_empty_list_is_a_failure_that_says_so(owner):
    told = sent(owner)
    assert (counts(told), told["reason"]) == (("failed", 0, 0), "nothing_to_import")


def test_nothing_but_invalid_items_is_a_failure(owner):
    told = sent(owner, item(1, query=None), item(2, session_id=None))
    assert counts(told) == ("failed", 0, 2)


def test_a_large_batch(owner):
    told = sent(owner, *(item(n, session_id=f"s{n % 20}") for n in range(3_000)))
    assert counts(told) == ("success", 3_000, 0)


def history(client):
    (conversation,) = client.get(LIST).json()["results"]
    url = f"{LIST}/{conversation['id']}/messages"
    shown, everything = (client.get(f"{url}?branch={branch}").json()["results"] for branch in ("active", "all"))
    assert shown == everything
    assert [m["parent_id"] for m in shown] == [None, *(m["id"] for m in shown[:-1])]
    return [m["content"] for m in shown]


def said(*numbers):
    return [f"{what} {number}" for number in numbers for what in ("question", "answer")]


@pytest.mark.parametrize("timed", [True, False])
def test_a_second_batch_goes_on_where_the_first_one_ended(owner, timed):
    first, second, third = (
        [item(n, **({} if timed else {"timestamp": None})) for n in ns] for ns in ((1, 2), (3,), (4,))
    )
    for batch in (first, second, third):
        assert counts(sent(owner, *batch)) == ("success", len(batch), 0)
    assert history(owner) == said(1, 2, 3, 4)
    for batch in (first, second, third):
        told = sent(owner, *batch)
        assert (told["imported_count"], told["unchanged_count"]) == (0, len(batch))
    assert history(owner) == said(1, 2, 3, 4)


def test_a_batch_that_overlaps_the_one_before_adds_what_is_new(owner):
    sent(owner, item(1), item(2))
    assert sent(owner, item(2), item(3))["unchanged_count"] == 1
    assert history(owner) == said(1, 2, 3)


def test_what_was_said_here_meanwhile_stays_in_its_place(owner):
    sent(owner, item(1))
    (conversation,) = owner.get(LIST).json()["results"]
    here = {"role": "user", "content": "said here"}
    assert owner.post(f"{LIST}/{conversation['id']}/messages", here, format="json").status_code == 201
    sent(owner, item(1), item(2))
    (conversation,) = owner.get(LIST).json()["results"]
    shown = owner.get(f"{LIST}/{conversation['id']}/messages").json()["results"]
    assert [m["parent_id"] for m in shown] == [None, *(m["id"] for m in shown[:-1])]
    assert sorted(m["content"] for m in shown) == sorted([*said(1, 2), "said here"])
