"""Nobody reaches what is another's: on no route, by no id, filter, cursor, tag or key (hostile.md 13, 26, 27, 33)."""

import json
import string
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.db import connection
from django.urls import URLPattern
from rest_framework.test import APIClient

from conversations.api.urls import urlpatterns
from conversations.models import Conversation, Message
from conversations.tests.whole_database import Unchanged

API = "/api/v1"
LIST = f"{API}/conversations"
SAID = {"role": "user", "content": "x"}
unchanged = Unchanged()


class Route(NamedTuple):
    """One way to ask: `{c}` and `{m}` are the ids of a conversation and of a message in it, in the body too."""

    method: str
    path: str
    body: Any = None

    def ask(self, client: APIClient, c: object, m: object, **headers: str) -> Any:
        path = self.path.replace("{c}", str(c)).replace("{m}", str(m))
        if self.body is None:
            return getattr(client, self.method)(LIST + path, headers=headers)
        text = json.dumps(self.body).replace("{c}", str(c)).replace("{m}", str(m))
        return getattr(client, self.method)(LIST + path, text, content_type="application/json", headers=headers)


ON_CONVERSATIONS = [
    Route("get", "/{c}"),
    Route("head", "/{c}"),
    Route("get", "/{c}?include=messages"),
    Route("patch", "/{c}", {}),
    Route("patch", "/{c}", {"title": "x"}),
    Route("patch", "/{c}", {"current_message_id": "{m}"}),
    Route("put", "/{c}", {"title": "x"}),
    Route("put", "/{c}", {"messages": []}),
    Route("put", "/{c}", {"messages": [SAID]}),
    Route("delete", "/{c}"),
    Route("delete", "/{c}?permanent=true"),
    Route("post", "/{c}/restore"),
    Route("post", "/{c}/fork"),
    Route("post", "/{c}/fork", {"message_id": "{m}"}),
    Route("get", "/{c}/messages"),
    Route("get", "/{c}/messages?order=desc&limit=1"),
    Route("get", "/{c}/messages?branch=all&include_hidden=true"),
    Route("get", "/{c}/messages?branch={m}"),
    Route("post", "/{c}/messages", SAID),
    Route("post", "/{c}/messages", {**SAID, "id": "0190163d-8694-739b-aea5-966c26f8ad91"}),
    Route("post", "/{c}/messages", {**SAID, "parent_id": "{m}"}),
    Route("post", "/{c}/messages", {**SAID, "parent_id": None}),
    Route("post", "/{c}/messages", {"messages": [SAID, {**SAID, "role": "assistant"}]}),
    Route("get", "/{c}/context"),
    Route("get", "/{c}/context?format=native&limit=500"),
    Route("get", "/{c}/exchanges"),
    Route("get", "/{c}/export"),
    Route("get", "/{c}/export?format=pdf"),
    Route("get", "/{c}/exchanges?limit=1&offset=1"),
    Route("get", "/{c}/attachments"),
    Route("get", "/{c}/attachments?message_id={m}"),
]
ON_MESSAGES = [
    Route("get", "/{c}/messages/{m}"),
    Route("patch", "/{c}/messages/{m}", {}),
    Route("patch", "/{c}/messages/{m}", {"content": "x"}),
    Route("delete", "/{c}/messages/{m}"),
    Route("post", "/{c}/messages/{m}/restore"),
]
OWNED_ROUTES = ON_CONVERSATIONS + ON_MESSAGES
CONDITIONS = [{}, {"Idempotency-Key": "k"}, {"If-Match": '"1"'}, {"If-Match": "*"}, {"If-None-Match": '"2"'}]


def named(routes: list[Route]) -> list[Any]:
    return [pytest.param(route, id=f"{route.method} {route.path} {json.dumps(route.body)}"[:90]) for route in routes]


@pytest.fixture
def theirs(conversation: dict[str, Any]) -> tuple[str, str]:
    """The owner's conversation and the last message in it: the stranger's goal."""
    return conversation["id"], conversation["current_message_id"]


@pytest.fixture
def own(stranger: Any) -> tuple[str, str]:
    """A conversation of the stranger's own, with a message."""
    made = stranger.post(LIST, {"messages": [SAID]}, format="json").json()
    return made["id"], made["current_message_id"]


def shown(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"] if answer.content else ""


def test_the_table_of_routes_is_complete():
    def actions(pattern: URLPattern) -> set[tuple[str, str]]:
        path = "/" + str(pattern.pattern).replace("<uuid:pk>", "{m}" if "messages/" in str(pattern.pattern) else "{c}")
        path = path.replace("<uuid:conversation_id>", "{c}").removeprefix("/conversations")
        if path.startswith(("/imports", "/exports")):  # test_import_api.py and test_export_api.py have theirs
            return set()
        return {(method, path) for method in pattern.callback.actions if method != "head" and "{c}" in path}

    # The bytes of an attachment have an address of their own, and tests in test_attachments.py.
    below = [pattern for pattern in urlpatterns if str(pattern.pattern).startswith("conversations")]
    routes = {route for pattern in below for route in actions(pattern)}
    assert routes == {(r.method, r.path.partition("?")[0]) for r in OWNED_ROUTES if r.method != "head"}


@pytest.mark.parametrize("route", named(OWNED_ROUTES))
def test_a_stranger_is_refused_on_every_route_and_method(stranger, theirs, own, route):
    with unchanged:
        for headers in CONDITIONS:
            answer = route.ask(stranger, *theirs, **headers)
            assert answer.status_code == 403, (headers, answer.content)
            assert answer.content == b"" or answer.json()["code"] == "conversation_forbidden"
            assert b"Matterhorn" not in answer.content


def test_a_stranger_does_not_learn_that_it_is_in_the_trash(owner, stranger, theirs):
    owner.delete(f"{LIST}/{theirs[0]}")
    with unchanged:
        for route in OWNED_ROUTES:
            answer = route.ask(stranger, *theirs)
            assert answer.status_code == 403, route
            assert answer.content == b"" or answer.json()["code"] == "conversation_forbidden"


def test_what_does_not_exist_is_404(owner, stranger, theirs):
    with unchanged:
        for route in OWNED_ROUTES:
            for client in (owner, stranger):
                answer = route.ask(client, uuid4(), uuid4())
                assert answer.status_code == 404, route
                assert answer.content == b"" or answer.json()["code"] == "conversation_not_found"
                assert route.ask(client, uuid4(), theirs[1]).status_code == 404, route


def test_what_is_deleted_for_good_is_404_for_everybody(owner, stranger, theirs):
    owner.delete(f"{LIST}/{theirs[0]}?permanent=true")
    with unchanged:
        for route in OWNED_ROUTES:
            for client in (owner, stranger):
                assert route.ask(client, *theirs).status_code == 404, route


def test_without_a_token_nothing_is_told(outsider, theirs):
    with unchanged:
        for route in [*OWNED_ROUTES, Route("get", ""), Route("post", "", {"title": "x"})]:
            for ids in (theirs, (uuid4(), uuid4())):
                answer = route.ask(outsider, *ids)
                assert answer.status_code == 401, route
                assert answer["WWW-Authenticate"].startswith("Bearer")
                assert answer.content == b"" or answer.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("route", named(ON_MESSAGES))
def test_anothers_message_is_refused_below_a_conversation_of_ones_own(stranger, theirs, own, route):
    with unchanged:
        answer = route.ask(stranger, own[0], theirs[1])
        assert shown(answer) == (403, "message_forbidden")
        assert shown(route.ask(stranger, own[0], uuid4())) == (404, "message_not_found")


@pytest.mark.parametrize("route", named(ON_MESSAGES))
def test_a_message_of_another_conversation_of_ones_own_is_not_in_this_one(owner, theirs, route):
    other = owner.post(LIST, {"messages": [SAID]}, format="json").json()["id"]
    with unchanged:
        assert shown(route.ask(owner, other, theirs[1])) == (404, "message_not_found")


@pytest.mark.parametrize(
    ("route", "status", "code"),
    [
        (Route("patch", "/{c}", {"current_message_id": "{m}"}), 422, "current_message_not_found"),
        (Route("put", "/{c}", {"current_message_id": "{m}"}), 422, "current_message_not_found"),
        (Route("post", "/{c}/messages", {**SAID, "parent_id": "{m}"}), 422, "parent_not_found"),
        (Route("post", "/{c}/messages", {"messages": [SAID, {**SAID, "parent_id": "{m}"}]}), 422, "parent_not_found"),
        (Route("post", "/{c}/messages", {**SAID, "id": "{m}"}), 409, "id_taken"),
        (Route("post", "/{c}/messages", {"messages": [SAID, {**SAID, "id": "{m}"}]}), 409, "id_taken"),
        (Route("put", "/{c}", {"messages": [SAID, {**SAID, "id": "{m}"}]}), 409, "id_taken"),
        (Route("post", "", {"id": "{m}"}), 409, "id_taken"),
        (Route("post", "", {"messages": [{**SAID, "id": "{m}"}]}), 409, "id_taken"),
        (Route("post", "", {"messages": [SAID, {**SAID, "parent_id": "{m}"}]}), 422, "parent_not_found"),
        (Route("post", "/{c}/fork", {"message_id": "{m}"}), 403, "message_forbidden"),
        (Route("get", "/{c}/messages?branch={m}"), 403, "message_forbidden"),
    ],
    ids=lambda value: f"{value.method} {value.path} {value.body}" if isinstance(value, Route) else str(value),
)
@pytest.mark.parametrize("way", ["message", "conversation"])
def test_anothers_id_in_ones_own_request_is_refused(stranger, theirs, own, route, status, code, way):
    goal = theirs[1] if way == "message" else theirs[0]
    if way == "conversation" and code == "message_forbidden":
        status, code = 404, "message_not_found"  # there is no such message, with anybody
    with unchanged:
        answer = route.ask(stranger, own[0], goal)
        assert shown(answer)[0] == status, answer.content
        assert code in (answer.json()["code"], *(error["code"] for error in answer.json().get("errors", [])))
        assert b"Matterhorn" not in answer.content


@pytest.mark.parametrize(
    "query",
    ["", "q=Matterhorn", "q=%25", "tag=alps", "model=gpt-5", "starred=true", "archived=true", "deleted=true",
     "ordering=title", "ordering=-created_at", "created_after=2000-01-01T00:00:00Z", "offset=0&limit=100"],
)  # fmt: skip
def test_no_filter_or_ordering_lists_what_is_anothers(owner, user, query):
    from accounts.tests.factories import UserFactory
    from conversations.tests.people import client_of

    for fields in ({"starred": True}, {"archived": True}, {}):
        made = owner.post(LIST, {"title": "Matterhorn", "tags": ["alps"], "model": "gpt-5", **fields}, format="json")
    owner.delete(f"{LIST}/{made.json()['id']}")
    newcomer = client_of(UserFactory())
    for filters in (query, f"{query}&user_id={user.pk}&user={user.pk}&user__id={user.pk}"):
        body = newcomer.get(f"{LIST}?{filters}").json()
        assert (body["results"], body["total"], body["next"]) == ([], 0, None)


def test_an_owner_named_in_a_body_a_query_or_a_header_means_nothing(stranger, user, theirs, own):
    extra = {"user": str(user.pk), "user_id": str(user.pk), "owner": str(user.pk)}
    made = stranger.post(f"{LIST}?user_id={user.pk}", {"title": "x", **extra}, format="json", headers={"X-User": "1"})
    message = stranger.post(
        f"{LIST}/{own[0]}/messages", {**SAID, **extra, "conversation_id": theirs[0], "conversation": theirs[0]},
        format="json",
    )  # fmt: skip
    assert (made.status_code, message.status_code) == (201, 201)
    assert message.json()["conversation_id"] == own[0]
    assert not Conversation.objects.filter(user=user).exclude(id=theirs[0]).exists()
    assert Message.objects.filter(user=user).count() == 2


def test_two_people_may_not_use_one_id_and_neither_learns_of_the_other(owner, stranger, theirs):
    answers = [
        stranger.post(LIST, {"id": wanted, **fields}, format="json")
        for wanted in theirs
        for fields in ({}, {"title": "How high is the Matterhorn?"}, {"messages": [SAID]})
    ]
    assert {shown(answer) for answer in answers} == {(409, "id_taken")}
    told = {json.dumps({k: v for k, v in a.json().items() if k not in ("request_id", "instance")}) for a in answers}
    assert len(told) == 1  # the same words, whatever it is


# --- cursors and tags -------------------------------------------------------------------------------------------------


@pytest.fixture
def pages(owner: Any, theirs: tuple[str, str]) -> dict[str, str]:
    """For each list of the owner's, the link to its second page."""
    owner.post(LIST, {"title": "another"}, format="json")
    owner.post(f"{LIST}/{theirs[0]}/messages", SAID, format="json")
    base = f"{LIST}/{theirs[0]}"
    urls = (f"{LIST}?limit=1", f"{base}/messages?limit=1", f"{base}/messages?limit=1&branch=all",
            f"{base}/messages?limit=1&branch={theirs[1]}", f"{base}/exchanges?limit=1")  # fmt: skip
    found = {url: owner.get(url).json()["next"] for url in urls}
    assert all(found.values())
    assert {owner.get(link).status_code for link in found.values()} == {200}
    return found


def cursor_of(link: str) -> str:
    return link.partition("cursor=")[2].partition("&")[0]


def refused_cursor(client: Any, url: str, cursor: str) -> bool:
    return shown(client.get(url, {"cursor": cursor})) == (400, "invalid_cursor")


def test_a_cursor_with_any_character_changed_is_refused(owner, pages):
    cursor = cursor_of(pages[f"{LIST}?limit=1"])
    alphabet = string.ascii_letters + string.digits + "-_"
    assert set(cursor) <= set(alphabet)
    for place, old in enumerate(cursor):
        for new in {alphabet[(alphabet.index(old) + step) % 64] for step in (1, 16, 32)} | {"é", " "}:
            assert refused_cursor(owner, LIST, cursor[:place] + new + cursor[place + 1 :]), (place, new)
    for end in range(len(cursor)):
        assert refused_cursor(owner, LIST, cursor[:end])


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "AAAA", "\0", "\ud800", "é", "==", "a" * 10_000, "' OR 1=1 --", "../..", "1", '["n",[1]]', "null"],
)
def test_what_is_no_cursor_is_refused(owner, pages, cursor):
    for url in pages:
        if cursor == "\ud800":
            answer = owner.get(f"{url}&cursor=%ED%A0%80")
        else:
            answer = owner.get(url, {"cursor": cursor}) if "?" not in url else owner.get(
                url.partition("?")[0], {**dict(pair.split("=") for pair in url.partition("?")[2].split("&")),
                                        "cursor": cursor})  # fmt: skip
        assert shown(answer) == (400, "invalid_cursor"), url


def test_a_cursor_of_another_list_or_of_another_query_is_refused(owner, pages, theirs):
    links = list(pages.values())
    for link in links:
        for other in links:
            if cursor_of(other) != cursor_of(link):
                assert shown(owner.get(link.replace(cursor_of(link), cursor_of(other)))) == (400, "invalid_cursor")
    link = pages[f"{LIST}?limit=1"]
    for query in ("q=a", "starred=true", "ordering=title", "deleted=true", "archived=false"):
        assert shown(owner.get(f"{link}&{query}")) == (400, "invalid_cursor")
    messages = pages[f"{LIST}/{theirs[0]}/messages?limit=1"]
    for query in ("order=desc", "include_hidden=true", "branch=all"):
        assert shown(owner.get(f"{messages}&{query}")) == (400, "invalid_cursor")


def test_a_cursor_of_another_user_is_refused(stranger, own, pages, theirs):
    for url, link in pages.items():
        cursor = cursor_of(link)
        if url.startswith(f"{LIST}?"):
            assert shown(stranger.get(link)) == (400, "invalid_cursor")
            continue
        assert stranger.get(link).status_code in (400, 403)
        mine = url.replace(theirs[0], own[0]).partition("?")[0]
        assert refused_cursor(stranger, mine, cursor)


def test_a_cursor_outlives_nothing_but_stays_good_while_its_list_does(owner, pages, theirs):
    messages = pages[f"{LIST}/{theirs[0]}/messages?limit=1"]
    first = owner.get(messages).json()
    assert owner.get(messages).json() == first  # replayed as often as one likes
    owner.delete(f"{LIST}/{theirs[0]}")
    assert shown(owner.get(messages)) == (404, "conversation_in_trash")


TAGS = ['"1"', '"2-aaaa"', 'W/"2"', '"-1"', '"999999999999999999"', '"99999999999999999999"', '"١"', '"2" ,', ",", "",
        '"', "2", "null", '"1","2"', '"' + "9" * 8_000 + '"', "*, *"]  # fmt: skip


@pytest.mark.parametrize("tag", TAGS, ids=lambda tag: tag[:20])
def test_a_tag_that_is_not_the_current_one_changes_nothing_and_saves_nothing(owner, theirs, tag):
    url, message = f"{LIST}/{theirs[0]}", f"{LIST}/{theirs[0]}/messages/{theirs[1]}"
    owner.patch(url, {"starred": True}, format="json")
    owner.patch(url, {"starred": False}, format="json")
    owner.patch(message, {"content": "5"}, format="json")
    owner.patch(message, {"content": "4"}, format="json")
    current = {owner.get(url)["ETag"], owner.get(message)["ETag"]}
    assert tag not in current
    with unchanged:
        for answer in (
            owner.patch(url, {"title": "x"}, format="json", headers={"If-Match": tag}),
            owner.put(url, {"messages": []}, format="json", headers={"If-Match": tag}),
            owner.delete(url, headers={"If-Match": tag}),
            owner.delete(f"{url}?permanent=true", headers={"If-Match": tag}),
            owner.patch(message, {"content": "x"}, format="json", headers={"If-Match": tag}),
            owner.delete(message, headers={"If-Match": tag}),
        ):
            assert shown(answer) == (412, "precondition_failed")
        for path in (url, message, f"{url}/messages", f"{url}/context", f"{url}/exchanges", LIST):
            assert owner.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_anothers_tag_opens_nothing(owner, stranger, theirs, own):
    url = f"{LIST}/{theirs[0]}"
    tags = [
        owner.get(path)["ETag"] for path in (url, f"{url}/messages", f"{url}/context", f"{url}/messages/{theirs[1]}")
    ]
    with unchanged:
        for tag in tags:
            for path in (url, f"{url}/messages", f"{url}/context", f"{url}/exchanges", f"{url}/messages/{theirs[1]}"):
                assert stranger.get(path, headers={"If-None-Match": tag}).status_code == 403
            assert stranger.patch(url, {"title": "x"}, format="json", headers={"If-Match": tag}).status_code == 403
            assert stranger.delete(url, headers={"If-Match": tag}).status_code == 403
    assert stranger.get(LIST, headers={"If-None-Match": owner.get(LIST)["ETag"]}).status_code == 200


# --- idempotency keys -------------------------------------------------------------------------------------------------


def test_another_users_key_is_a_key_of_its_own(owner, stranger, own, theirs):
    with_key = {"Idempotency-Key": "the same"}
    first = owner.post(LIST, {"title": "of the owner"}, format="json", headers=with_key)
    second = stranger.post(LIST, {"title": "of the owner"}, format="json", headers=with_key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    assert "Idempotency-Replayed" not in second
    again = stranger.post(LIST, {"title": "of the owner"}, format="json", headers=with_key)
    assert again.json() == second.json()
    url = f"{LIST}/{theirs[0]}/messages"
    said = owner.post(url, SAID, format="json", headers={"Idempotency-Key": "another"})
    stolen = stranger.post(url, SAID, format="json", headers={"Idempotency-Key": "another"})
    assert (said.status_code, shown(stolen)) == (201, (403, "conversation_forbidden"))


@pytest.mark.parametrize("key", ["k" * 256, "k" * 10_000, "", "a\tb", "schlüssel", "\x7f", "a\0b", "\u202e"], ids=ascii)
def test_a_key_that_is_too_long_or_unprintable_is_422(owner, theirs, key):
    with unchanged:
        for route in OWNED_ROUTES:
            if route.method == "post":
                answer = route.ask(owner, *theirs, **{"Idempotency-Key": key})
                assert shown(answer) == (422, "idempotency_key_invalid"), route
        answer = owner.post(LIST, {}, format="json", headers={"Idempotency-Key": key})
        assert shown(answer) == (422, "idempotency_key_invalid")


def test_the_database_itself_keeps_rows_apart(user, own, theirs):
    """Were an action to forget the owner, the keys would refuse its row (test_schema.py has each of them)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM conversations_message m JOIN conversations_conversation c"
                       " ON c.id = m.conversation_id WHERE c.user_id <> m.user_id")  # fmt: skip
        assert cursor.fetchone() == (0,)
