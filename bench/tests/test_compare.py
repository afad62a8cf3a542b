"""What the comparison sees, and what it looks past."""

import json

import pytest

from bench.compare import DifferentError, difference, normalised_message, normalised_page, require_equal

MESSAGE = {"id": "a", "parent_id": "p", "content": "Hello", "created_at": "t", "updated_at": "t", "deleted_at": None}


@pytest.mark.parametrize(
    ("expected", "given", "where"),
    [
        ({"a": 1}, {"a": 2}, "$.a"),
        ({"a": 1}, {"a": True}, "$.a"),
        ({"a": 1}, {"a": 1.0}, "$.a"),
        ({"a": None}, {}, "keys ['a']"),
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}, "$.a[1].b"),
        ([1, 2], [1], "2 and 1 items"),
        ("0.50", "0.5", "$"),
    ],
)
def test_every_kind_of_difference_is_found(expected, given, where):
    assert where in difference(expected, given)


def test_the_order_of_keys_is_no_difference():
    assert difference({"a": 1, "b": [{}]}, {"b": [{}], "a": 1}) == ""


def test_what_two_servers_must_write_differently_is_looked_past():
    def page(port, cursor):
        link = f"http://127.0.0.1:{port}/api/v1/conversations?limit=20&cursor={cursor}"
        return json.dumps({"results": [1], "next": link, "previous": None}).encode()

    assert normalised_page(page(8000, "abc-_9")) == normalised_page(page(8001, "xyz"))


def test_another_query_in_a_link_is_a_difference():
    def page(limit):
        return json.dumps({"next": f"http://127.0.0.1:1/x?limit={limit}&cursor=a", "previous": None}).encode()

    assert normalised_page(page(20)) != normalised_page(page(50))


def test_new_ids_and_times_are_looked_past_but_not_their_absence():
    other = {**MESSAGE, "id": "b", "parent_id": "q", "created_at": "u", "updated_at": "u"}
    one = normalised_message(json.dumps(MESSAGE).encode(), {"p": "<parent>"})
    assert one == normalised_message(json.dumps(other).encode(), {"q": "<parent>"})
    assert one != normalised_message(json.dumps({**other, "updated_at": None}).encode(), {"q": "<parent>"})


def test_a_difference_names_the_sides():
    with pytest.raises(DifferentError, match=r"history: product and tuned differ at \$\.total"):
        require_equal("history", {"product": {"total": 1}, "idiomatic": {"total": 1}, "tuned": {"total": 2}})
