"""Requests at the same time: nothing is lost, nothing is torn, and the change feed tells of all of it in order."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from chatstore.sql import write
from conversations.models import Change, ChangeCounter, Conversation, Message
from conversations.tests.at_once import at_once, statuses
from conversations.tests.people import client_of

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/api/v1/conversations"


@pytest.fixture
def made(transactional_db: None, owner: Any) -> dict[str, Any]:
    turn = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}]
    body: dict[str, Any] = owner.post(LIST, {"messages": turn}, format="json").json()
    return body


@pytest.fixture
def url(made: dict[str, Any]) -> str:
    return f"{LIST}/{made['id']}"


def said(text: object, **fields: Any) -> dict[str, Any]:
    return {"role": "user", "content": str(text), **fields}


def history(client: Any, url: str, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"{url}/messages?limit=500&include_hidden=true&{query}")
    assert answer.status_code == 200, answer.content
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


def assert_consistent(user: Any, conversation_id: object) -> list[Message]:
    """What must hold of a conversation, whoever did what: the tree, its figures, its ways of being read, the feed."""
    conversation = Conversation.objects.get(user=user, id=conversation_id)
    messages = list(Message.objects.filter(user=user, conversation=conversation).order_by("created_at", "id"))
    by_id = {message.id: message for message in messages}
    in_use = [message for message in messages if message.deleted_at is None]
    assert conversation.message_count == len(in_use)
    assert conversation.hidden_count == sum(message.hidden for message in in_use)
    assert conversation.last_message_at == max((message.created_at for message in messages), default=None)
    assert len({message.created_at for message in messages}) == len(messages)
    walked: list[UUID] = []
    place = conversation.current_message_id
    assert place is None or by_id[place].deleted_at is None
    while place is not None:
        assert place not in walked
        walked.append(place)
        place = by_id[place].parent_id
    branch = [one for one in reversed(walked) if by_id[one].deleted_at is None]
    if conversation.linear:
        assert [message.id for message in in_use] == branch
    client = client_of(user)
    if conversation.deleted_at is None:
        url = f"{LIST}/{conversation.id}"
        shown = [UUID(message["id"]) for message in history(client, url)]
        assert shown == branch
        if branch:
            assert [UUID(m["id"]) for m in history(client, url, f"branch={branch[-1]}")] == branch
        assert len(history(client, url, "branch=all")) == len(in_use)
    for message in messages:
        assert message.parent_id is None or message.parent_id in by_id
    assert_feed_whole(user)
    return messages


def assert_feed_whole(user: Any) -> None:
    ids = list(Change.objects.filter(user=user).order_by("id").values_list("id", flat=True))
    assert ids == list(range(1, ChangeCounter.objects.get(user=user).value + 1))


def test_twenty_threads_appending_to_one_conversation_lose_nothing(owner, user, made, url):
    def work(number: int) -> list[Any]:
        client = client_of(user)
        batch = {"messages": [said(f"{number}.2"), said(f"{number}.3", role="assistant")]}
        return [
            client.post(f"{url}/messages", said(f"{number}.0"), format="json"),
            client.post(f"{url}/messages", said(f"{number}.1", id=str(uuid4())), format="json"),
            client.post(f"{url}/messages", batch, format="json", headers={"Idempotency-Key": str(number)}),
        ]

    answers = [answer for each in at_once([partial(work, number) for number in range(20)]) for answer in each]
    assert set(statuses(answers)) == {201}
    shown = history(owner, url)
    assert sorted(m["content"] for m in shown) == sorted(
        ["question", "answer", *(f"{number}.{step}" for number in range(20) for step in range(4))]
    )
    assert [m["parent_id"] for m in shown] == [None, *(m["id"] for m in shown[:-1])]  # one chain
    times = [m["created_at"] for m in shown]
    assert all(earlier < later for earlier, later in pairwise(times))
    for number in range(20):  # each thread's own are in the order in which they were sent
        own = [m["content"] for m in shown if m["content"].startswith(f"{number}.")]
        assert own == [f"{number}.{step}" for step in range(4)]
        place = [m["content"] for m in shown].index(f"{number}.2")
        assert shown[place + 1]["content"] == f"{number}.3"  # a turn is never parted
    assert owner.get(url).json()["message_count"] == 82
    assert Conversation.objects.get(id=made["id"]).linear
    assert_consistent(user, made["id"])


def test_the_feed_tells_of_each_message_once_and_in_the_order_of_the_conversation(owner, user, made, url):
    at_once([partial(client_of(user).post, f"{url}/messages", said(n), format="json") for n in range(20)])
    told = list(Change.objects.filter(user=user, kind="message").order_by("id").values_list("object_id", flat=True))
    assert told == [UUID(m["id"]) for m in history(owner, url)]


def test_a_reader_who_follows_the_feed_misses_nothing(user, made, url):
    """What it has seen up to a number is all there is up to that number, at any moment."""
    done = threading.Event()
    seen: list[int] = []

    def follow() -> None:
        while True:
            last_look = done.is_set()
            after = seen[-1] if seen else 0
            seen.extend(Change.objects.filter(user=user, id__gt=after).order_by("id").values_list("id", flat=True)[:50])
            if last_look:
                return

    def append() -> None:
        client = client_of(user)
        for step in range(6):
            other = client.post(LIST, {"messages": [said(step)]}, format="json").json()["id"]
            client.post(f"{url}/messages", said(step), format="json")
            client.delete(f"{LIST}/{other}?permanent=true")

    def write_all() -> None:
        try:
            at_once([append] * 8)
        finally:
            done.set()

    at_once([follow, write_all])
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) == ChangeCounter.objects.get(user=user).value
    assert len(seen) >= 8 * 6 * 5


@pytest.mark.parametrize("method", ["patch", "put", "put messages", "delete", "patch message", "delete message"])
def test_of_parallel_changes_that_expect_one_version_exactly_one_wins(owner, user, made, url, method):
    message = f"{url}/messages/{made['current_message_id']}"
    about = message if "message" in method.split() else url
    headers = {"If-Match": owner.get(about)["ETag"]}

    def change(number: int) -> Any:
        client = client_of(user)
        match method:
            case "patch":
                return client.patch(url, {"title": str(number)}, format="json", headers=headers)
            case "put":
                return client.put(url, {"title": str(number)}, format="json", headers=headers)
            case "put messages":
                return client.put(url, {"messages": [said(number)]}, format="json", headers=headers)
            case "delete":
                return client.delete(url, headers=headers)
            case "patch message":
                return client.patch(message, {"content": str(number)}, format="json", headers=headers)
        return client.delete(message, headers=headers)

    answers = at_once([partial(change, number) for number in range(12)])
    won, lost = (204, 404) if method.startswith("delete") else (200, 412)
    counts = Counter(statuses(answers))
    assert counts[won] == 1
    assert set(counts) <= {won, lost, 412}
    winner = statuses(answers).index(won)
    if method in ("patch", "put"):
        assert owner.get(url).json()["title"] == str(winner)
    if method == "patch message":
        assert owner.get(message).json()["content"] == str(winner)
    assert_consistent(user, made["id"])


def test_parallel_patches_of_different_fields_all_stay(owner, user, made, url):
    patches = [
        {"title": "t"},
        {"tags": ["a"]},
        {"starred": True},
        {"model": "m"},
        {"metadata": {"a": 1}},
        {"archived": True},
    ]
    answers = at_once([partial(client_of(user).patch, url, patch, format="json") for patch in patches])
    assert set(statuses(answers)) == {200}
    shown = owner.get(url).json()
    for patch in patches:
        assert patch.items() <= shown.items()
    assert len({answer["ETag"] for answer in answers}) == len(patches)


def test_parallel_replacements_leave_one_of_the_lists_and_delete_nothing(owner, user, made, url):
    lists = [[said("question"), said(f"{n}", role="assistant"), said(f"{n} again")] for n in range(8)]
    answers = at_once([partial(client_of(user).put, url, {"messages": wanted}, format="json") for wanted in lists])
    assert set(statuses(answers)) <= {200, 409}
    assert statuses(answers).count(200) >= 1
    shown = [m["content"] for m in history(owner, url)]
    assert shown in [
        [m["content"] for m in wanted] for wanted, a in zip(lists, answers, strict=True) if a.status_code == 200
    ]
    everything = [m["content"] for m in history(owner, url, "branch=all")]
    for wanted, answer in zip(lists, answers, strict=True):
        assert (wanted[-1]["content"] in everything) is (answer.status_code == 200)
    assert {"question", "answer"} <= set(everything)
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"changed_meanwhile"}
    assert_consistent(user, made["id"])


def test_parallel_replacements_by_the_same_list_make_it_once(owner, user, made, url):
    wanted = [said("question"), said("new", role="assistant")]
    answers = at_once([partial(client_of(user).put, url, {"messages": wanted}, format="json") for _ in range(8)])
    assert set(statuses(answers)) == {200}
    assert [m["content"] for m in history(owner, url, "branch=all")] == ["question", "answer", "new"]
    assert_consistent(user, made["id"])


def acknowledged(answers: list[Any]) -> set[str]:
    return {answer.json()["id"] for answer in answers if answer.status_code == 201}


def many_appends(user: Any, url: str, count: int) -> list[Callable[[], Any]]:
    return [partial(client_of(user).post, f"{url}/messages", said(n), format="json") for n in range(count)]


def later(call: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> Any:
        time.sleep(0.02)
        return call()

    return run


def test_appends_that_race_the_trash_are_kept_or_refused(owner, user, made, url):
    *answers, trashed = at_once([*many_appends(user, url, 15), later(partial(client_of(user).delete, url))])
    assert set(statuses(answers)) <= {201, 404}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 404} <= {"conversation_in_trash"}
    assert trashed.status_code == 204
    assert owner.post(f"{url}/restore").status_code == 200
    assert {m["id"] for m in history(owner, url)[2:]} == acknowledged(answers)
    assert_consistent(user, made["id"])


def test_appends_that_race_a_delete_for_good_leave_nothing_behind(owner, user, made, url):
    gone = later(partial(client_of(user).delete, f"{url}?permanent=true"))
    keyed = [
        partial(client_of(user).post, f"{url}/messages", said(n), format="json", headers={"Idempotency-Key": str(n)})
        for n in range(8)
    ]
    *answers, deleted = at_once([*many_appends(user, url, 8), *keyed, gone])
    assert set(statuses(answers)) <= {201, 404}
    assert deleted.status_code == 204
    with connection.cursor() as cursor:
        for table in ("conversation", "message", "idempotencykey"):
            cursor.execute(f"SELECT count(*) FROM conversations_{table}")
            assert cursor.fetchone() == (0,), table
    assert_feed_whole(user)
    assert Change.objects.filter(user=user).latest("id").op == "delete"  # nothing is told of it after its end


def test_appends_that_race_the_delete_of_the_leaf_follow_what_is_in_use(owner, user, made, url):
    leaf = f"{url}/messages/{made['current_message_id']}"
    *answers, deleted = at_once([*many_appends(user, url, 12), later(partial(client_of(user).delete, leaf))])
    assert set(statuses(answers)) == {201}
    assert deleted.status_code == 204
    assert {m["id"] for m in history(owner, url)} >= acknowledged(answers)
    assert_consistent(user, made["id"])


def test_branches_begun_at_once_are_all_there(owner, user, made, url):
    first = history(owner, url)[0]["id"]
    calls = [
        partial(client_of(user).post, f"{url}/messages", said(n, parent_id=first), format="json") for n in range(10)
    ]
    answers = at_once(calls)
    assert set(statuses(answers)) == {201}
    siblings = [m for m in history(owner, url, "branch=all") if m["parent_id"] == first]
    assert len(siblings) == 11
    assert_consistent(user, made["id"])


def test_forks_and_appends_at_once_each_see_a_whole_branch(owner, user, made, url):
    forks = [partial(client_of(user).post, f"{url}/fork") for _ in range(8)]
    answers = at_once([*many_appends(user, url, 8), *forks])
    assert set(statuses(answers)) <= {201, 409}
    whole = [m["content"] for m in history(owner, url)]
    for answer in answers[8:]:
        if answer.status_code == 201:
            copy = [m["content"] for m in history(owner, f"{LIST}/{answer.json()['id']}")]
            assert copy == whole[: len(copy)]
            assert_consistent(user, answer.json()["id"])


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_at_once_leaves_a_consistent_conversation(owner, user, made, url, seed):
    def work(number: int) -> list[int]:
        dice, client, codes = random.Random(f"{seed} {number}"), client_of(user), []
        for step in range(8):
            known = client.get(f"{url}/messages?branch=all&include_hidden=true")
            ids = [m["id"] for m in known.json().get("results", [])] or [str(uuid4())]
            some, text = dice.choice(ids), f"{number}.{step}"
            asked: list[Callable[[], Any]] = [
                partial(client.post, f"{url}/messages", said(text), format="json"),
                partial(client.post, f"{url}/messages", said(text, parent_id=some, hidden=True), format="json"),
                partial(client.post, f"{url}/messages", {"messages": [said(text), said(text)]}, format="json"),
                partial(client.delete, f"{url}/messages/{some}"),
                partial(client.post, f"{url}/messages/{some}/restore"),
                partial(client.patch, f"{url}/messages/{some}", {"content": text}, format="json"),
                partial(client.patch, url, {"current_message_id": some}, format="json"),
                partial(client.patch, url, {"title": text}, format="json"),
                partial(client.put, url, {"messages": [said("question"), said(text)]}, format="json"),
                partial(client.delete, url),
                partial(client.post, f"{url}/restore"),
                partial(client.post, f"{url}/restore"),
                partial(client.post, f"{url}/fork"),
            ]
            codes.append(dice.choice(asked)().status_code)
        return codes

    answers = at_once([partial(work, number) for number in range(10)])
    codes = Counter(code for each in answers for code in each)
    assert max(codes) < 500, codes
    owner.post(f"{url}/restore")
    messages = assert_consistent(user, made["id"])
    for message in messages:
        if message.deleted_at:
            assert owner.post(f"{url}/messages/{message.id}/restore").status_code == 200
    assert_consistent(user, made["id"])
    for fork in Conversation.objects.filter(user=user).exclude(id=made["id"]):
        assert_consistent(user, fork.id)


# --- locks ------------------------------------------------------------------------------------------------------------


class Opponent:
    """Another session of the database, with a transaction open; the deadlock is not its to notice."""

    def __enter__(self) -> "Opponent":
        self.connection = connection.copy()
        self.connection.set_autocommit(False)
        self.do("SET LOCAL deadlock_timeout = '30s'")
        self.do("SET LOCAL lock_timeout = '30s'")
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.rollback()
        self.connection.close()

    def do(self, sql: str, *params: object) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)


def waits_for_lock(sessions: int = 1) -> bool:
    with connection.cursor() as cursor:
        # In this database: the other workers of a test run wait for locks in theirs, on the same server.
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0] >= sessions)


def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_statement_that_a_deadlock_rolled_back_is_run_again(user, made, url):
    """The append holds the conversation and waits for the counter, the opponent the reverse; the append gives way."""
    attempts: list[str] = []

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        attempts.append(sql)
        return execute(sql, *rest)

    def append() -> Any:
        client = client_of(user)
        with connection.execute_wrapper(count):
            return client.post(f"{url}/messages", said("twice tried"), format="json")

    def oppose() -> None:
        with Opponent() as opponent:
            opponent.do("UPDATE conversations_changecounter SET value = value WHERE user_id = %s", user.pk)
            holding.set()
            until(waits_for_lock)
            opponent.do("UPDATE conversations_conversation SET starred = true WHERE user_id = %s", user.pk)
            opponent.connection.commit()

    holding = threading.Event()

    def appended() -> Any:
        assert holding.wait(5)
        return append()

    _, answer = at_once([oppose, appended])
    assert answer.status_code == 201, answer.content
    assert sum("message_append" in sql for sql in attempts) == 2
    conversation = Conversation.objects.get(id=made["id"])
    assert (conversation.starred, conversation.message_count) == (True, 3)
    assert_consistent(user, made["id"])


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "k"}], ids=["without a key", "with a key"])
@pytest.mark.parametrize("what", ["a conversation", "a message", "a batch"])
def test_of_two_who_both_found_an_id_free_the_later_gets_the_row_of_the_earlier(user, made, url, what, key):
    """Both have looked before either has written: the database's own key decides, and the answer is the same."""
    wanted = str(uuid4())
    path, body = {
        "a conversation": (LIST, {"id": wanted, "title": "once"}),
        "a message": (f"{url}/messages", {**said("once"), "id": wanted}),
        "a batch": (f"{url}/messages", {"messages": [{**said("once"), "id": wanted}]}),
    }[what]
    clients = [client_of(user) for _ in range(2)]

    def hold() -> None:
        with Opponent() as opponent:
            opponent.do("SELECT 1 FROM conversations_conversation WHERE user_id = %s FOR UPDATE", user.pk)
            opponent.do("SELECT 1 FROM conversations_changecounter WHERE user_id = %s FOR UPDATE", user.pk)
            holding.set()
            until(lambda: waits_for_lock(2), 20)

    def ask(client: Any) -> Any:
        assert holding.wait(10)
        return client.post(path, body, format="json", headers=key)

    holding = threading.Event()
    _, *answers = at_once([hold, *(partial(ask, client) for client in clients)])
    assert sorted(statuses(answers)) == ([201, 201] if key else [200, 201])
    assert sum("Idempotency-Replayed" in answer for answer in answers) == len(key)
    assert answers[0].json() == answers[1].json()
    assert Conversation.objects.filter(id=wanted).count() + Message.objects.filter(id=wanted).count() == 1
    assert_consistent(user, made["id"])


def test_a_write_that_loses_a_deadlock_each_time_gives_up(transactional_db):
    calls: list[int] = []

    def fail(execute: Any, sql: str, *rest: Any) -> Any:
        calls.append(1)
        return execute("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$", None, *rest[1:])

    from django.db import OperationalError

    with connection.execute_wrapper(fail), pytest.raises(OperationalError):
        write("SELECT 1", {})
    assert len(calls) == 3


def test_whoever_waits_too_long_for_another_is_told_to_come_again(user, made, url):
    def append() -> Any:
        client = client_of(user)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '150ms'")
        try:
            return client.post(f"{url}/messages", said("too late"), format="json")
        finally:  # the request gave it back to the pool: no other test is to meet it there
            connection.close()
            connection.close_pool()

    with Opponent() as opponent:
        opponent.do("SELECT 1 FROM conversations_conversation WHERE user_id = %s FOR UPDATE", user.pk)
        answer = append()
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert int(answer["Retry-After"]) > 0
    assert append().status_code == 201


def test_readers_do_not_wait_for_writers(owner, user, made, url):
    with Opponent() as opponent:
        opponent.do("SELECT 1 FROM conversations_conversation WHERE user_id = %s FOR UPDATE", user.pk)
        opponent.do("UPDATE conversations_changecounter SET value = value WHERE user_id = %s", user.pk)
        for path in (url, f"{url}/messages", f"{url}/context", f"{url}/exchanges", LIST):
            assert owner.get(path).status_code == 200


def test_people_do_not_wait_for_each_other(stranger, user, made):
    with Opponent() as opponent:
        opponent.do("UPDATE conversations_changecounter SET value = value WHERE user_id = %s", user.pk)
        assert stranger.post(LIST, {"messages": [said("mine")]}, format="json").status_code == 201


@pytest.mark.parametrize("second", ["delete the leaf", "make it the current message"])
def test_what_waited_for_another_looks_at_the_tree_again(owner, user, made, url, second):
    """Two requests queue for one conversation: the later one must not act on the tree as it was before the earlier."""
    middle = made["current_message_id"]
    leaf = owner.post(f"{url}/messages", said("leaf"), format="json").json()["id"]
    clients = [client_of(user), client_of(user)]
    other = {
        "delete the leaf": lambda: clients[1].delete(f"{url}/messages/{leaf}"),
        "make it the current message": lambda: clients[1].patch(url, {"current_message_id": middle}, format="json"),
    }[second]
    delete_the_middle = partial(clients[0].delete, f"{url}/messages/{middle}")
    with Opponent() as opponent, ThreadPoolExecutor(1) as background:
        opponent.do("SELECT 1 FROM conversations_conversation WHERE user_id = %s FOR UPDATE", user.pk)
        both = background.submit(at_once, [delete_the_middle, other])
        time.sleep(0.7)  # both have begun, and wait
        opponent.connection.rollback()
        answers = both.result(30)
    assert answers[0].status_code == 204
    assert answers[1].status_code in (200, 204, 422)
    current = owner.get(url).json()["current_message_id"]
    assert owner.get(f"{url}/messages/{current}").status_code == 200  # what is in the trash is nobody's current message
    assert history(owner, url)[-1]["id"] == current
    assert_consistent(user, made["id"])


def test_what_is_written_over_a_connection_that_was_left_without_autocommit_is_kept(user):
    """A pooled connection comes back as its last user left it, and the pool rolls back what nobody committed."""
    client = client_of(user)
    connection.close()
    connection.close_pool()
    connection.pool.resize(1, 1)
    try:
        connection.ensure_connection()
        connection.set_autocommit(False)
        connection.close()
        made = client.post(LIST, {"title": "kept"}, format="json")
        assert made.status_code == 201
        assert client.get(f"{LIST}/{made.json()['id']}").status_code == 200
    finally:
        connection.close()
        connection.close_pool()
