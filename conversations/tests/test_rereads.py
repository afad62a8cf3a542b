"""Pages read again: answered from memory only as long as the conversation is the same, and to its owner alone."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Session
from chatstore.throttle_rates import parse_rates
from conversations.api import direct
from conversations.models import Conversation
from conversations.tests.at_once import at_once
from conversations.tests.people import client_of


@pytest.fixture(autouse=True)
def nothing_kept():
    direct.answers.clear()


def statements(client, url, **headers):
    with CaptureQueriesContext(connection) as seen:
        answer = client.get(url, headers=headers)
    return answer, [query["sql"] for query in seen if "SAVEPOINT" not in query["sql"]]


def read_twice(client, url):
    first = client.get(url)
    return first, *statements(client, url)


def test_a_page_read_again_is_the_same_to_the_byte_and_asks_for_the_version_only(owner, messages_url):
    for query in ("", "?limit=1", "?order=desc&limit=1", "?include_hidden=true", "?offset=1"):
        first, again, asked = read_twice(owner, messages_url + query)
        assert (again.status_code, again.content, again["ETag"]) == (200, first.content, first["ETag"])
        assert again["Content-Type"] == first["Content-Type"] == "application/json"
        assert again["Cache-Control"] == first["Cache-Control"] == "private, no-cache"
        assert [sql.split()[1] for sql in asked] == ["conversation_version"]


def test_the_pages_after_it_are_kept_as_well(owner, messages_url):
    following = owner.get(f"{messages_url}?limit=1").json()["next"]
    first, again, asked = read_twice(owner, following)
    assert (again.content, len(asked)) == (first.content, 1)


@pytest.mark.parametrize("change", ["append", "edit", "delete", "restore", "current"])
def test_every_change_is_seen_at_once(owner, url, messages_url, change):
    first, second = owner.get(messages_url).json()["results"]
    if change == "restore":
        owner.delete(f"{messages_url}/{second['id']}")
    before, kept, _ = read_twice(owner, messages_url)
    assert kept.content == before.content
    changed = {
        "append": lambda: owner.post(messages_url, {"role": "user", "content": "new"}, format="json"),
        "edit": lambda: owner.patch(f"{messages_url}/{first['id']}", {"content": "edited"}, format="json"),
        "delete": lambda: owner.delete(f"{messages_url}/{second['id']}"),
        "restore": lambda: owner.post(f"{messages_url}/{second['id']}/restore"),
        "current": lambda: owner.patch(url, {"current_message_id": first["id"]}, format="json"),
    }[change]()
    assert changed.status_code < 300, changed.content
    assert owner.get(messages_url).content != before.content
    assert owner.get(messages_url, headers={"If-None-Match": before["ETag"]}).status_code == 200


def test_what_was_kept_for_the_owner_is_nobody_elses(owner, stranger, messages_url):
    read_twice(owner, messages_url)
    refused = stranger.get(messages_url)
    assert (refused.status_code, refused.json()["code"]) == (403, "conversation_forbidden")
    tag = owner.get(messages_url)["ETag"]
    assert stranger.get(messages_url, headers={"If-None-Match": tag}).status_code == 403


def test_a_session_that_ended_reads_nothing_from_memory(messages_url, conversation):
    person = Conversation.objects.get(id=conversation["id"]).user
    client = client_of(person)
    before, _, _ = read_twice(client, messages_url)
    Session.objects.filter(user=person).delete()
    for headers in ({}, {"If-None-Match": before["ETag"]}):
        refused = client.get(messages_url, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "token_revoked")


def test_the_trash_and_deletion_for_good_are_seen_at_once(owner, url, messages_url):
    tag = read_twice(owner, messages_url)[0]["ETag"]
    owner.delete(url)
    for headers in ({}, {"If-None-Match": tag}):
        assert owner.get(messages_url, headers=headers).json()["code"] == "conversation_in_trash"
    owner.delete(f"{url}?permanent=true")
    for headers in ({}, {"If-None-Match": tag}):
        assert owner.get(messages_url, headers=headers).json()["code"] == "conversation_not_found"


def test_links_bear_the_host_that_was_asked(owner, messages_url, settings):
    settings.ALLOWED_HOSTS = ["one.example", "two.example"]
    page = f"{messages_url}?limit=1"
    for host in ("one.example", "two.example", "one.example", "two.example"):
        answer = owner.get(page, headers={"Host": host})
        assert answer.json()["next"].startswith(f"http://{host}/"), host


def test_what_is_no_plain_request_for_json_goes_to_the_view(owner, messages_url):
    read_twice(owner, messages_url)
    assert owner.get(messages_url, headers={"Accept": "text/html"}).status_code == 406
    assert owner.head(messages_url).content == b""
    assert owner.get(f"{messages_url}?limit=0").status_code == 422


def test_requests_answered_from_memory_are_counted_for_throttling(owner, messages_url, settings):
    settings.THROTTLE_RATES = parse_rates("user=3/min")
    read_twice(owner, messages_url)
    answers = [owner.get(messages_url) for _ in range(4)]
    assert {answer.status_code for answer in answers} >= {429}
    assert answers[-1]["Retry-After"]


@pytest.mark.django_db(transaction=True)
def test_while_others_write_no_reader_sees_less_than_was_acknowledged_and_a_tag_means_one_body(user):
    """Readers on the same page as a writer: what was answered 201 before a read began is in what it reads."""
    writer = client_of(user)
    made = writer.post("/api/v1/conversations", {"messages": [{"role": "user", "content": "0"}]}, format="json").json()
    messages = f"/api/v1/conversations/{made['id']}/messages"
    acknowledged, bodies = [0], {}

    def write():
        for number in range(1, 40):
            answer = writer.post(messages, {"role": "user", "content": str(number)}, format="json")
            assert answer.status_code == 201
            acknowledged[0] = number

    def read(client):
        for _ in range(60):
            known = acknowledged[0]
            answer = client.get(messages)
            assert int(answer.json()["results"][-1]["content"]) >= known
            assert bodies.setdefault(answer["ETag"], answer.content) == answer.content

    at_once([write, *(lambda: read(client_of(user)) for _ in range(3))])
    assert len(bodies) > 1
