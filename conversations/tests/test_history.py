"""Reading in pages: by keyset and by offset, in both directions, on branches, while others write."""

import pytest

LIST = "/api/v1/conversations"


@pytest.fixture
def long_url(owner):
    messages = [{"role": "user" if n % 2 == 0 else "assistant", "content": str(n)} for n in range(10)]
    made = owner.post(LIST, {"messages": messages}, format="json").json()
    return f"{LIST}/{made['id']}/messages"


@pytest.fixture
def branched_url(owner, long_url):
    """The same ten, of which an eleventh made a branch elsewhere that is not the active one any more."""
    messages = owner.get(long_url).json()["results"]
    owner.post(long_url, {"role": "user", "content": "aside", "parent_id": messages[3]["id"]}, format="json")
    owner.patch(long_url.removesuffix("/messages"), {"current_message_id": messages[-1]["id"]}, format="json")
    return long_url


def walked(client, url, way="next"):
    """All pages from here: the contents of each, and the last body."""
    pages = []
    while url:
        body = client.get(url).json()
        pages.append([m.get("content") or m.get("title") for m in body["results"]])
        url = body[way]
    return pages


@pytest.fixture(params=["long_url", "branched_url"])
def any_url(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 5, 10, 11])
def test_following_next_gives_each_message_once_in_order(owner, any_url, order, limit):
    wanted = [str(n) for n in range(10)][:: 1 if order == "asc" else -1]
    pages = walked(owner, f"{any_url}?limit={limit}&order={order}")
    assert [content for page in pages for content in page] == wanted
    assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_previous_leads_back_over_the_same_pages(owner, any_url, order):
    url = f"{any_url}?limit=4&order={order}"
    forwards = walked(owner, url)
    last = owner.get(owner.get(owner.get(url).json()["next"]).json()["next"])
    assert last.json()["next"] is None
    backwards = walked(owner, last.json()["previous"], "previous")
    assert [c for page in backwards[::-1] for c in page] == [c for page in forwards[:-1] for c in page]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_offset_and_total_work_as_well(owner, any_url, order):
    body = owner.get(f"{any_url}?limit=3&offset=6&order={order}").json()
    wanted = [str(n) for n in range(10)][:: 1 if order == "asc" else -1]
    assert [m["content"] for m in body["results"]] == wanted[6:9]
    assert (body["total"], body["limit"], body["offset"]) == (10, 3, 6)
    assert [m["content"] for m in owner.get(body["next"]).json()["results"]] == wanted[9:]
    assert owner.get(body["next"]).json()["offset"] is None
    assert owner.get(f"{any_url}?offset=100").json()["results"] == []


@pytest.mark.parametrize("offset", [10, 11, 100, 2**31 - 1])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_beyond_the_end_previous_leads_to_the_last_page_that_exists(owner, any_url, order, offset):
    wanted = [str(n) for n in range(10)][:: 1 if order == "asc" else -1]
    beyond = owner.get(f"{any_url}?limit=4&offset={offset}&order={order}").json()
    assert (beyond["results"], beyond["next"], beyond["offset"], beyond["total"]) == ([], None, offset, 10)
    last = owner.get(beyond["previous"]).json()
    assert [m["content"] for m in last["results"]] == wanted[6:]
    assert (last["next"], last["offset"], last["total"]) == (None, None, 10)
    pages = walked(owner, beyond["previous"], "previous")
    assert [content for page in pages[::-1] for content in page] == wanted
    assert [m["content"] for m in owner.get(owner.get(last["previous"]).json()["next"]).json()["results"]] == wanted[6:]


@pytest.mark.parametrize("query", ["", "ordering=title", "ordering=-created_at", "starred=false"])
def test_beyond_the_end_of_the_conversations_likewise(owner, query):
    for title in "abcde":
        owner.post(LIST, {"title": title}, format="json")
    whole = [c["title"] for c in owner.get(f"{LIST}?{query}").json()["results"]]
    beyond = owner.get(f"{LIST}?{query}&limit=2&offset=50").json()
    pages = walked(owner, beyond["previous"], "previous")
    assert [title for page in pages[::-1] for title in page] == whole
    assert len(pages[0]) == 2


def test_beyond_the_end_of_the_exchanges_likewise(owner, long_url):
    url = long_url.removesuffix("messages") + "exchanges"
    for offset in (5, 6, 1000):
        beyond = owner.get(f"{url}?limit=2&offset={offset}").json()
        assert (beyond["results"], beyond["next"], beyond["total"]) == ([], None, 5)
        last = owner.get(beyond["previous"]).json()
        assert [e["query"] for e in last["results"]] == ["6", "8"]
        assert last["next"] is None
        assert [e["query"] for e in owner.get(last["previous"]).json()["results"]] == ["2", "4"]


def test_an_empty_list_has_no_page_before_its_end(owner):
    made = owner.post(LIST, {}, format="json").json()
    for url in (f"{LIST}?tag=none", f"{LIST}/{made['id']}/messages?", f"{LIST}/{made['id']}/exchanges?"):
        for offset in (0, 5):
            body = owner.get(f"{url}&offset={offset}").json()
            assert (body["results"], body["next"], body["previous"], body["total"]) == ([], None, None, 0)


def test_a_page_whose_rows_have_gone_leads_back_to_those_that_are_left(owner, long_url):
    first = owner.get(f"{long_url}?limit=8").json()
    for message in owner.get(first["next"]).json()["results"]:
        owner.delete(f"{long_url}/{message['id']}")
    gone = owner.get(first["next"]).json()
    assert (gone["results"], gone["next"], gone["total"]) == ([], None, 8)
    assert owner.get(gone["previous"]).json()["results"] == first["results"]


def test_pages_stay_in_step_while_messages_arrive(owner, any_url):
    first = owner.get(f"{any_url}?limit=4&order=desc").json()
    owner.post(any_url, {"role": "user", "content": "new"}, format="json")
    second = owner.get(first["next"]).json()
    assert [m["content"] for m in second["results"]] == ["5", "4", "3", "2"]


def test_a_list_that_becomes_branched_while_it_is_read_goes_on(owner, long_url):
    first = owner.get(f"{long_url}?limit=4").json()
    owner.post(long_url, {"role": "user", "content": "aside", "parent_id": first["results"][1]["id"]}, format="json")
    answer = owner.get(first["next"])
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")  # 3 is on the active branch no more
    owner.patch(
        long_url.removesuffix("/messages"),
        {"current_message_id": owner.get(f"{long_url}?branch=all").json()["results"][9]["id"]},
        format="json",
    )
    assert [m["content"] for m in owner.get(first["next"]).json()["results"]] == ["4", "5", "6", "7"]


def test_the_whole_tree_is_paged_too(owner, branched_url):
    pages = walked(owner, f"{branched_url}?branch=all&limit=4")
    assert [content for page in pages for content in page] == [*map(str, range(10)), "aside"]
    assert owner.get(f"{branched_url}?branch=all").json()["total"] == 11


def test_another_branch_is_read_by_its_message(owner, branched_url):
    aside = owner.get(f"{branched_url}?branch=all").json()["results"][-1]
    body = owner.get(f"{branched_url}?branch={aside['id']}&limit=3").json()
    assert body["total"] == 5
    pages = walked(owner, f"{branched_url}?branch={aside['id']}&limit=3")
    assert [content for page in pages for content in page] == ["0", "1", "2", "3", "aside"]


def test_a_branch_that_is_none_is_refused(owner, stranger, long_url):
    theirs = stranger.get(LIST).json()["results"][0]["id"]
    from conversations.models import Message

    message = Message.objects.get(conversation_id=theirs)
    assert owner.get(f"{long_url}?branch={message.id}").status_code == 403
    assert owner.get(f"{long_url}?branch={theirs}").status_code == 404
    assert owner.get(f"{long_url}?branch=trunk").status_code == 422


def test_a_branch_to_a_message_in_the_trash_is_404(owner, branched_url):
    aside = owner.get(f"{branched_url}?branch=all").json()["results"][-1]["id"]
    first = owner.get(f"{branched_url}?branch={aside}&limit=2").json()
    owner.delete(f"{branched_url}/{aside}")
    for url in (f"{branched_url}?branch={aside}", first["next"]):
        answer = owner.get(url)
        assert (answer.status_code, answer.json()["code"]) == (404, "message_in_trash")
    owner.post(f"{branched_url}/{aside}/restore")
    assert owner.get(f"{branched_url}?branch={aside}").json()["total"] == 5


def test_conversations_are_paged_by_every_ordering(owner):
    titles = ["b", "a", "a", "c", "a"]
    for title in titles:
        owner.post(LIST, {"title": title}, format="json")
    for ordering in ("title", "-title", "created_at", "-created_at", "updated_at", "-updated_at"):
        whole = [c["title"] for c in owner.get(f"{LIST}?ordering={ordering}").json()["results"]]
        for limit in (1, 2, 3):
            pages = walked(owner, f"{LIST}?ordering={ordering}&limit={limit}")
            assert [title for page in pages for title in page] == whole


def test_the_limit_is_part_of_the_next_link_and_may_be_changed(owner, long_url):
    following = owner.get(f"{long_url}?limit=2").json()["next"]
    assert len(owner.get(following).json()["results"]) == 2
    assert len(owner.get(following.replace("limit=2", "limit=5")).json()["results"]) == 5


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "1e2", ""])
def test_a_bad_limit_is_422_never_coerced(owner, long_url, limit):
    assert owner.get(f"{long_url}?limit={limit}").status_code == 422


def test_the_context_is_the_end_of_the_branch_oldest_first(owner, any_url):
    url = any_url.removesuffix("messages") + "context"
    body = owner.get(f"{url}?limit=3").json()
    assert body["messages"] == [
        {"role": "assistant", "content": "7"}, {"role": "user", "content": "8"}, {"role": "assistant", "content": "9"}
    ]  # fmt: skip
    assert body["tokens"] == 3
    assert len(owner.get(url).json()["messages"]) == 10
    assert [m["content"] for m in owner.get(f"{url}?max_tokens=2").json()["messages"]] == ["8", "9"]
    native = owner.get(f"{url}?limit=2&format=native").json()["messages"]
    assert native == owner.get(f"{any_url}?limit=2&offset=8").json()["results"]


def test_a_tools_answer_never_comes_without_its_call(owner, long_url):
    call = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    owner.post(long_url, {"messages": [
        {"role": "assistant", "content": "", "tool_calls": call},
        {"role": "tool", "content": "42", "tool_results": [{"tool_call_id": "c1"}]},
        {"role": "assistant", "content": "It is 42."},
        {"role": "system", "content": "hidden", "hidden": True},
        {"role": "assistant", "content": "", "status": "streaming"},
    ]}, format="json")  # fmt: skip
    url = long_url.removesuffix("messages") + "context"
    whole = owner.get(f"{url}?limit=3").json()["messages"]
    assert whole[0] == {"role": "assistant", "content": None, "tool_calls": call}
    assert whole[1] == {"role": "tool", "content": "42", "tool_call_id": "c1"}
    assert owner.get(f"{url}?limit=2").json()["messages"] == [{"role": "assistant", "content": "It is 42."}]


def test_exchanges_pair_questions_with_answers_oldest_first(owner, any_url):
    owner.post(any_url, {"role": "user", "content": "unanswered"}, format="json")
    url = any_url.removesuffix("messages") + "exchanges"
    body = owner.get(url).json()
    assert [(e["query"], e["response"]) for e in body["results"]] == [
        ("0", "1"), ("2", "3"), ("4", "5"), ("6", "7"), ("8", "9"), ("unanswered", None)
    ]  # fmt: skip
    assert (body["total"], body["limit"], body["offset"]) == (6, 100, 0)
    assert {"id", "query", "response", "timestamp", "model_used", "tokens_used", "cost_cents", "response_cached",
            "response_time_ms"} <= set(body["results"][0])  # fmt: skip
    second = owner.get(f"{url}?limit=2&offset=2").json()
    assert [e["query"] for e in second["results"]] == ["4", "6"]
    assert [e["query"] for e in owner.get(second["next"]).json()["results"]] == ["8", "unanswered"]
    assert [e["query"] for e in owner.get(second["previous"]).json()["results"]] == ["0", "2"]
