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
