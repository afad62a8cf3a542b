"""No request makes more than three round trips to the database, transactions and authentication included."""

import re
import tempfile
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from conversations.api.urls import urlpatterns
from conversations.models import Message
from conversations.tests.interchange import exports
from conversations.tests.people import attachment_with, client_of

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/v1"
LIST = f"{API}/conversations"
SAID = {"role": "user", "content": "x"}
MOST = 3


class Ask(NamedTuple):
    """A request: `{c}`, `{m}` are in use, `{t}` is a conversation and `{d}` a message in the trash, `{n}` a new id.

    `{a}` is an attachment, `{i}` an import, `{e}` an export. A path is below /conversations, unless it begins with API.
    """

    method: str
    path: str
    body: Any = None
    trips: int = MOST
    trips_with_key: int = MOST


# One statement. Where it does not ask for the caller's session itself, that is a second.
HOT = [
    Ask("get", "/{c}/messages", None, 1),
    Ask("get", "/{c}/messages?order=desc&limit=1", None, 1),
    Ask("get", "/{c}/messages?branch=all", None, 1),
    Ask("get", "/{c}/messages?branch={m}", None, 1),
    Ask("get", "", None, 1),
    Ask("get", "?q=x&tag=a&starred=false&ordering=title&limit=1", None, 1),
    Ask("get", "?deleted=true", None, 1),
    Ask("get", "/{c}", None, 1),
    Ask("get", "/{c}?include=messages", None, 1),
    Ask("get", "/{c}/messages/{m}", None, 2),
    Ask("get", "/{c}/context", None, 1),
    Ask("get", "/{c}/context?format=native&max_tokens=10", None, 1),
    Ask("get", "/{c}/exchanges", None, 2),
    Ask("post", "/{c}/messages", SAID, 1),
    Ask("post", "/{c}/messages", {**SAID, "parent_id": "{m}"}, 1),
    Ask("post", "/{c}/messages", {**SAID, "parent_id": None}, 1),
    Ask("post", "/{c}/messages", {"messages": [SAID, SAID]}, 1),
    Ask("post", "", {}, 1),
    Ask("post", "", {"messages": [SAID, SAID]}, 1),
    Ask("patch", "/{c}", {"title": "x"}, 1),
    Ask("patch", "/{c}", {"current_message_id": "{m}"}, 1),
    Ask("patch", "/{c}", {}, 1),
    Ask("put", "/{c}", {"starred": True}, 1),
    Ask("delete", "/{c}", None, 2),
    Ask("delete", "/{c}?permanent=true", None, 2),
    Ask("delete", "/{t}?permanent=true", None, 2),
    Ask("post", "/{t}/restore", None, 2),
    Ask("post", "/{c}/restore", None, 2),
    Ask("patch", "/{c}/messages/{m}", {"content": "y"}, 2),
    Ask("patch", "/{c}/messages/{m}", {}, 2),
    Ask("delete", "/{c}/messages/{m}", None, 2),
    Ask("post", "/{c}/messages/{d}/restore", None, 2),
    Ask("post", "/{c}/messages/{m}/restore", None, 2),
    Ask("get", "/{c}/attachments", None, 1),
    Ask("get", f"{API}/attachments/{{a}}/content", None, 1),
    Ask("get", f"{API}/documents", None, 1),
    Ask("get", f"{API}/documents?kind=memory&source=claude", None, 1),
]
OTHERS = [
    Ask("post", "/{c}/messages", {**SAID, "id": "{n}"}),
    Ask("post", "/{c}/messages", {**SAID, "id": "{m}"}),  # there, the same
    Ask("post", "/{c}/messages", {"messages": [{**SAID, "id": "{m}"}]}),
    Ask("post", "/{c}/messages", {"role": "user", "content": "y", "id": "{m}"}),  # with another content
    Ask("post", "/{c}/messages", {**SAID, "id": "{d}"}),
    Ask("post", "/{c}/messages", {"messages": [{**SAID, "id": "{n}"}, SAID]}),
    Ask("post", "/{c}/messages", {**SAID, "parent_id": "{n}"}),
    Ask("post", "", {"id": "{n}", "messages": [SAID]}),
    Ask("post", "", {"id": "{c}"}),
    Ask("post", "", {"id": "{c}", "messages": [SAID, {**SAID, "role": "assistant"}, SAID]}),
    Ask("post", "", {"id": "{t}", "messages": [SAID]}),
    Ask("put", "/{c}", {"messages": []}),
    Ask("put", "/{c}", {"messages": [SAID, SAID], "title": "x"}),
    Ask("put", "/{c}", {"messages": [{**SAID, "id": "{n}"}]}),
    Ask("post", "/{c}/fork"),
    Ask("post", "/{c}/fork", {"message_id": "{m}"}),
    Ask("post", "/{c}/fork", {"message_id": "{n}"}),
    Ask("get", "/{c}/messages?branch={n}"),
    Ask("patch", "/{c}", {"current_message_id": "{n}"}),
    Ask("patch", "/{c}/messages/{m}", {"content": ""}),
    Ask("patch", "/{c}/messages/{d}", {"content": "y"}),
    Ask("delete", "/{c}/messages/{d}"),
    Ask("get", "/{t}"),
    Ask("get", "/{c}/attachments?message_id={m}", None, 1),
    Ask("get", "/{c}/export"),
    Ask("get", f"{API}/imports"),
    Ask("get", f"{API}/imports/{{i}}"),
    Ask("get", f"{API}/imports/{{i}}/items"),
    Ask("get", f"{API}/exports"),
    Ask("get", f"{API}/exports/{{e}}"),
    Ask("get", f"{API}/exports/{{e}}/download"),
]
# Work, not a request for something: as many statements as it takes, or a job in the queue with its transaction.
WORK = {("post", "imports"), ("post", "imports/*/cancel"), ("post", "imports/*/retry"), ("post", "exports")}
ALL = HOT + OTHERS


def world(owner: Any) -> dict[str, str]:
    """What the requests are about, new each time."""
    made = owner.post(LIST, {"messages": [SAID, {**SAID, "role": "assistant"}, SAID]}, format="json").json()
    url = f"{LIST}/{made['id']}/messages"
    deleted = owner.post(url, SAID, format="json").json()["id"]
    owner.delete(f"{url}/{deleted}")
    trashed = owner.post(LIST, {"messages": [SAID]}, format="json").json()["id"]
    owner.delete(f"{LIST}/{trashed}")
    message = Message.objects.get(id=made["current_message_id"])
    attachment = str(attachment_with(b"bytes", message).id)
    imported = owner.post(f"{API}/imports", [exports.branch(1)], format="json").json()["id"]
    exported = owner.post(f"{API}/exports", {"format": "jsonl"}, format="json").json()["id"]
    ids = {"c": made["id"], "m": str(message.id), "d": deleted, "t": trashed, "n": str(uuid4()), "a": attachment}
    return {**ids, "i": imported, "e": exported}


def branched_world(owner: Any) -> dict[str, str]:
    """The same, and the conversation has branched."""
    ids = world(owner)
    owner.post(f"{LIST}/{ids['c']}/messages", {**SAID, "parent_id": None}, format="json")
    owner.patch(f"{LIST}/{ids['c']}", {"current_message_id": ids["m"]}, format="json")
    return ids


def ask(client: Any, wanted: Ask, ids: dict[str, str], headers: dict[str, str] | None = None) -> Any:
    def filled(value: Any) -> Any:
        match value:
            case str():
                return re.sub(r"\{(\w)\}", lambda found: ids[found[1]], value)
            case dict():
                return {name: filled(item) for name, item in value.items()}
            case list():
                return [filled(item) for item in value]
        return value

    path, body = filled(wanted.path), filled(wanted.body)
    path = path if path.startswith(API) else LIST + path
    return getattr(client, wanted.method)(
        path, body, format="json" if body is not None else None, headers=headers or {}
    )


def trips(client: Any, wanted: Ask, ids: dict[str, str], headers: dict[str, str] | None = None) -> int:
    with CaptureQueriesContext(connection) as queries:
        answer = ask(client, wanted, ids, headers)
    assert answer.status_code < 500
    return len(queries)


def test_every_route_is_counted():
    def shape(path: str) -> str:
        path = path.partition("?")[0].removeprefix(f"{API}/").removeprefix("conversations")
        return re.sub(r"\{\w\}|<uuid:\w+>", "*", path)

    routes = {
        (method, shape(str(pattern.pattern)))
        for pattern in urlpatterns
        for method in pattern.callback.actions
        if method != "head"
    }
    assert routes - WORK == {(wanted.method, shape(wanted.path)) for wanted in ALL}


def test_a_request(owner):
    for wanted in ALL:
        assert trips(owner, wanted, world(owner)) <= wanted.trips, wanted


def test_a_request_about_a_conversation_that_has_branched(owner):
    for wanted in ALL:
        assert trips(owner, wanted, branched_world(owner)) <= max(MOST, wanted.trips), wanted


def test_a_history_that_branched_and_changed_since_it_was_read(owner):
    for path in ("/{c}/messages", "/{c}/messages?branch={m}", "/{c}/messages?branch=all", "/{c}/context"):
        ids = branched_world(owner)
        old = ask(owner, Ask("get", path), ids)["ETag"]
        owner.patch(f"{LIST}/{ids['c']}", {"title": "changed"}, format="json")
        assert trips(owner, Ask("get", path), ids, {"If-None-Match": old}) <= MOST, path


def test_a_request_of_a_stranger_or_for_what_is_not_there(stranger, owner):
    ids = world(owner)
    for wanted in ALL:
        assert trips(stranger, wanted, ids) <= MOST, wanted
        assert trips(owner, wanted, {name: str(uuid4()) for name in ids}) <= MOST, wanted


def test_a_request_with_a_precondition(owner):
    for wanted in ALL:
        if wanted.method != "post":
            name = "If-None-Match" if wanted.method == "get" else "If-Match"
            ids = world(owner)
            for tag in ('"0"', '"1", "2", "3"', "*"):
                assert trips(owner, wanted, ids, {name: tag}) <= max(MOST, wanted.trips), (wanted, tag)


def test_a_post_with_a_key_and_again_with_it(owner):
    for number, wanted in enumerate(ALL):
        if wanted.method == "post":
            ids, most, key = world(owner), wanted.trips_with_key, {"Idempotency-Key": str(number)}
            unlike = Ask("post", wanted.path, {"unlike": 1, **(wanted.body or {})})
            assert trips(owner, wanted, ids, key) <= most, wanted
            assert trips(owner, wanted, ids, key) <= most, wanted  # replayed, or refused again
            assert trips(owner, unlike, ids, key) <= most, wanted  # the key is another request's
            assert trips(owner, wanted, ids, {"Idempotency-Key": f"other {number}"}) <= most, wanted


def test_a_request_without_a_token_asks_nothing(owner, outsider):
    ids = world(owner)
    for wanted in ALL:
        assert trips(outsider, wanted, ids) == 0, wanted


def test_the_counter_sees_transactions(transactional_db):
    with CaptureQueriesContext(connection) as queries, transaction.atomic(), transaction.atomic():
        pass
    assert [query["sql"].split()[0] for query in queries] == ["BEGIN", "SAVEPOINT", "RELEASE", "COMMIT"]


@pytest.fixture
def one_connection(transactional_db):
    """Threads of other tests may have left more in the pool: all of them would have to be warm."""
    connection.close()
    connection.close_pool()
    connection.pool.resize(1, 1)
    yield
    connection.close()
    connection.close_pool()


@pytest.mark.usefixtures("one_connection")
def test_on_the_wire_it_is_as_many(user):
    """What Django does not count: libpq's own trace of what it sends, once the statements are prepared."""
    owner = client_of(user)
    for wanted in HOT:
        if wanted.method == "delete" or "restore" in wanted.path:
            continue  # again, it is another request
        ids = world(owner)
        for _ in range(3):  # once more than a page needs to be kept
            ask(owner, wanted, ids)
        connection.ensure_connection()
        wire = connection.connection.pgconn
        with tempfile.TemporaryFile() as file:
            wire.trace(file.fileno())
            try:
                ask(owner, wanted, ids)
            finally:
                wire.untrace()
            file.seek(0)
            sent = [line.split("\t") for line in file.read().decode(errors="replace").splitlines() if "\tF\t" in line]
        waits = [line[3] for line in sent if line[3] in ("Query", "Sync")]  # what the server answers with ReadyForQuery
        assert 1 <= len(waits) <= wanted.trips, (wanted, sent)
