"""`Idempotency-Key`: what was sent twice happens once, and is answered the same."""

import json
from collections import Counter
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from accounts.tests.factories import UserFactory
from conversations.models import Change, ChangeCounter, Conversation, IdempotencyKey, Message
from conversations.tests.at_once import at_once, statuses
from conversations.tests.people import client_of
from conversations.tests.whole_database import Unchanged

LIST = "/api/v1/conversations"
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
SAID = {"role": "user", "content": "hello \0 \ufdd0 \u202e", "metadata": {"b": 1, "a": [1.5, None]}}
unchanged = Unchanged()

NEW = "0197a4e2-9b1c-7e00-8000-00000000000"
POSTS = {
    "a conversation": ("", {"title": "x", "messages": [SAID]}, 201),
    "an empty conversation": ("", {}, 201),
    "a message": ("/{c}/messages", SAID, 201),
    "a branch": ("/{c}/messages", {**SAID, "parent_id": None}, 201),
    "a batch": ("/{c}/messages", {"messages": [SAID, {**SAID, "role": "assistant"}, SAID]}, 201),
    "a fork": ("/{c}/fork", {}, 201),
    "a fork up to a message": ("/{c}/fork", {"message_id": "{m}"}, 201),
    "a conversation under an id": ("", {"id": f"{NEW}1", "messages": [SAID]}, 201),
    "a conversation that is there": ("", {"id": "{k}", "title": "known"}, 200),
    "a message under an id": ("/{c}/messages", {**SAID, "id": f"{NEW}2"}, 201),
    "a message that is there": ("/{c}/messages", {"role": "user", "content": "said", "id": "{s}"}, 200),
    "a batch that is there": ("/{c}/messages", {"messages": [{"role": "user", "content": "said", "id": "{s}"}]}, 200),
    "a conversation restored": ("/{t}/restore", None, 200),
    "a conversation that was not in the trash": ("/{k}/restore", None, 200),
    "a message restored": ("/{c}/messages/{d}/restore", None, 200),
    "a message that was not in the trash": ("/{c}/messages/{s}/restore", None, 200),
}
every_post = pytest.mark.parametrize("post", POSTS.values(), ids=POSTS.keys())


@pytest.fixture
def ids(owner, conversation):
    """A conversation `c` with its messages `m` (current), `s` (aside), `d` (in the trash); others: `k`, `t` (there)."""
    url = f"{LIST}/{conversation['id']}/messages"
    deleted = owner.post(url, {"role": "user", "content": "gone"}, format="json").json()["id"]
    owner.delete(f"{url}/{deleted}")
    aside = owner.post(url, {"role": "user", "content": "said", "parent_id": None}, format="json").json()["id"]
    owner.patch(
        url.removesuffix("/messages"), {"current_message_id": conversation["current_message_id"]}, format="json"
    )
    known = owner.post(LIST, {"title": "known"}, format="json").json()["id"]
    trashed = owner.post(LIST, {"title": "thrown away"}, format="json").json()["id"]
    owner.delete(f"{LIST}/{trashed}")
    return {"{c}": conversation["id"], "{m}": conversation["current_message_id"], "{s}": aside, "{d}": deleted,
            "{k}": known, "{t}": trashed}  # fmt: skip


def brings_ids(post):
    """Whether it is there, once it was made."""
    return '"id"' in json.dumps(post[1])


def ask(client, post, ids, headers=KEY):
    path, body, _ = post
    text = "" if body is None else json.dumps(body)
    for name, value in ids.items():
        path, text = path.replace(name, value), text.replace(name, value)
    return client.post(LIST + path, text, content_type="application/json", headers=headers)


@every_post
def test_the_same_request_again_is_answered_the_same_and_does_nothing(owner, ids, post):
    first = ask(owner, post, ids)
    assert first.status_code == post[2], first.content
    assert "Idempotency-Replayed" not in first
    with unchanged:
        for _ in range(3):
            again = ask(owner, post, ids)
            assert again.status_code == first.status_code
            assert again["Idempotency-Replayed"] == "true"
            for header in ("Content-Type", "ETag", "Location"):
                assert again.headers.get(header) == first.headers.get(header), header
            assert again.json() == first.json()


@every_post
def test_the_answer_is_replayed_as_it_was_though_the_world_has_moved_on(owner, ids, post):
    first = ask(owner, post, ids)
    owner.post(f"{LIST}/{ids['{c}']}/messages", {"role": "user", "content": "later"}, format="json")
    owner.patch(f"{LIST}/{ids['{c}']}", {"title": "renamed"}, format="json")
    again = ask(owner, post, ids)
    assert (again.json(), again["Idempotency-Replayed"]) == (first.json(), "true")


@every_post
def test_without_a_key_or_with_another_it_happens_again(owner, ids, post):
    first = ask(owner, post, ids)
    for headers in ({}, {"Idempotency-Key": "another"}):
        again = ask(owner, post, ids, headers)
        assert "Idempotency-Replayed" not in again
        if "restore" in post[0] or brings_ids(post):
            assert again.status_code == 200
            assert again.json().get("id") == first.json().get("id")
        else:
            assert again.status_code == 201
            assert again.json() != first.json()


@every_post
def test_the_key_of_another_request_is_refused(owner, ids, post):
    ask(owner, post, ids)
    with unchanged:
        for other in POSTS.values():
            if other is not post:
                answer = ask(owner, other, ids)
                assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused"), other


@pytest.mark.parametrize("change", [{"content": "other"}, {"role": "system"}, {"hidden": True}, {"unknown": 1}])
def test_the_same_key_with_another_body_is_422(owner, ids, change):
    ask(owner, POSTS["a message"], ids)
    with unchanged:
        answer = ask(owner, ("/{c}/messages", {**SAID, **change}, 0), ids)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_the_same_key_at_another_path_is_422(owner, ids):
    other = owner.post(LIST, {}, format="json").json()["id"]
    ask(owner, POSTS["a message"], ids)
    answer = ask(owner, POSTS["a message"], {**ids, "{c}": other})
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    slash = owner.post(f"{LIST}/{ids['{c}']}/messages/", json.dumps(SAID), content_type="application/json", headers=KEY)
    assert slash["Idempotency-Replayed"] == "true"  # the same path, spelled with a slash


def test_a_refused_request_uses_no_key_up(owner, ids):
    for path, body in (("/{c}/messages", {"role": "user"}), (f"/{uuid4()}/messages", SAID), ("/{t}/messages", SAID),
                       ("/{c}/messages", {**SAID, "parent_id": str(uuid4())}), ("", {"title": 7}),
                       ("", {"messages": [{**SAID, "parent_id": str(uuid4())}]}),
                       ("/{c}/fork", {"message_id": str(uuid4())})):  # fmt: skip
        with unchanged:
            assert ask(owner, (path, body, 0), ids).status_code in (404, 422)
    assert ask(owner, POSTS["a message"], ids).status_code == 201


def test_another_persons_key_is_another_key(owner, stranger):
    body = {"title": "x"}
    answers = [client.post(LIST, body, format="json", headers=KEY) for client in (owner, stranger, owner, stranger)]
    assert statuses(answers) == [201] * 4
    assert ["Idempotency-Replayed" in answer for answer in answers] == [False, False, True, True]
    assert answers[0].json() == answers[2].json() != answers[1].json() == answers[3].json()
    assert IdempotencyKey.objects.count() == 2


@every_post
def test_a_key_that_has_expired_is_free_again(owner, ids, post, settings):
    first = ask(owner, post, ids)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE conversations_idempotencykey SET created_at = created_at - make_interval(hours => %s)",
            [settings.IDEMPOTENCY_HOURS + 1],
        )
    again = ask(owner, post, ids)
    assert again.status_code == (200 if brings_ids(post) else post[2])
    assert "Idempotency-Replayed" not in again
    third = ask(owner, post, ids)
    assert (third.status_code, third.json()) == (again.status_code, again.json())
    assert third["Idempotency-Replayed"] == "true"
    if post[2] == 201 and not brings_ids(post):
        assert again.json() != first.json()
    assert not IdempotencyKey.objects.filter(created_at__lt=timezone.now() - timedelta(hours=1)).exists()


def test_a_key_and_an_id_of_the_clients_own_go_together(owner, ids):
    wanted = {**SAID, "id": str(uuid4())}
    path = ("/{c}/messages", wanted, 201)
    first, again = ask(owner, path, ids), ask(owner, path, ids)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    without, other_key = ask(owner, path, ids, {}), ask(owner, path, ids, {"Idempotency-Key": "another"})
    assert statuses([without, other_key]) == [200, 200]
    assert without.json() == other_key.json() == first.json()
    made = {"id": str(uuid4()), "title": "x", "messages": [{**SAID, "id": str(uuid4())}]}
    answers = [ask(owner, ("", made, 201), ids, {"Idempotency-Key": "a third"}) for _ in range(2)]
    assert statuses(answers) == [201, 201]
    assert answers[1]["Idempotency-Replayed"] == "true"
    assert answers[1].json() == answers[0].json()


@pytest.mark.parametrize("name", ["a message", "a batch", "a fork", "a message restored"])
def test_kept_answers_vanish_with_the_conversation_they_quote(owner, ids, name):
    post = POSTS[name]
    made = ask(owner, post, ids).json()
    about = made["id"] if name == "a fork" else ids["{c}"]
    assert IdempotencyKey.objects.get().conversation_id is not None
    assert owner.delete(f"{LIST}/{about}?permanent=true").status_code == 204
    assert not IdempotencyKey.objects.exists()
    again = ask(owner, post, ids)
    assert again.status_code == (201 if name == "a fork" else 404)
    assert "Idempotency-Replayed" not in again


def test_the_answer_to_a_conversation_made_vanishes_with_it(owner):
    made = owner.post(LIST, {"title": "secret"}, format="json", headers=KEY).json()
    owner.delete(f"{LIST}/{made['id']}?permanent=true")
    assert not IdempotencyKey.objects.exists()
    again = owner.post(LIST, {"title": "secret"}, format="json", headers=KEY)
    assert (again.status_code, again.json()["id"] != made["id"]) == (201, True)


@pytest.mark.parametrize("key", ["k", "k" * 255, "~!@#$ %^&*()", '"quoted"', " in blanks ", "%00"])
def test_any_printable_key_of_up_to_255_characters_will_do(owner, key):
    answers = [owner.post(LIST, {}, format="json", headers={"Idempotency-Key": key}) for _ in range(2)]
    assert statuses(answers) == [201, 201]
    assert answers[1]["Idempotency-Replayed"] == "true"
    assert Conversation.objects.count() == 1


def test_nothing_of_the_key_itself_is_stored(owner):
    owner.post(LIST, {}, format="json", headers={"Idempotency-Key": "the-secret-key"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM conversations_idempotencykey t")
        assert "the-secret-key" not in cursor.fetchone()[0]


# --- at the same time -------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["a conversation", "a message", "a batch", "a fork"])
def test_fifty_parallel_posts_with_one_key_make_one(owner, ids, name, user):
    before = (Conversation.objects.count(), Message.objects.count())
    answers = at_once([partial(ask, client_of(user), POSTS[name], ids) for _ in range(50)])
    assert set(statuses(answers)) == {201}
    assert len({answer.content for answer in answers}) in (1, 2)  # rendered, and as it was kept
    assert len({json.dumps(answer.json(), sort_keys=True) for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer for answer in answers) == 1
    made = answers[0].json()
    new = {"a conversation": (1, 1), "a message": (0, 1), "a batch": (0, 3), "a fork": (1, 2)}[name]
    assert (Conversation.objects.count(), Message.objects.count()) == (before[0] + new[0], before[1] + new[1])
    assert IdempotencyKey.objects.count() == 1
    counter = ChangeCounter.objects.get(user=user).value
    assert list(Change.objects.filter(user=user).order_by("id").values_list("id", flat=True)) == [
        *range(1, counter + 1)
    ]
    assert made


@pytest.mark.django_db(transaction=True)
def test_fifty_parallel_posts_with_one_id_make_one(owner, ids, user):
    wanted = ("/{c}/messages", {**SAID, "id": str(uuid4())}, 201)
    made = ("", {"id": str(uuid4()), "title": "x", "messages": [{**SAID, "id": str(uuid4())}]}, 201)
    for post in (wanted, made):
        answers = at_once([partial(ask, client_of(user), post, ids, {}) for _ in range(50)])
        assert Counter(statuses(answers)) == {200: 49, 201: 1}, post
        assert len({json.dumps(answer.json(), sort_keys=True) for answer in answers}) == 1
    assert owner.get(f"{LIST}/{ids['{c}']}").json()["message_count"] == 4


@pytest.mark.django_db(transaction=True)
def test_parallel_posts_of_different_bodies_under_one_key_make_one(owner, ids, user):
    posts = [("/{c}/messages", {"role": "user", "content": str(n)}, 201) for n in range(20)]
    answers = at_once([partial(ask, client_of(user), post, ids) for post in posts])
    assert sorted(statuses(answers)) == [201] + [422] * 19
    assert owner.get(f"{LIST}/{ids['{c}']}").json()["message_count"] == 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", [name for name, post in POSTS.items() if post[2] == 200 and "restored" not in name])
def test_fifty_parallel_posts_that_change_nothing_keep_one_answer(owner, ids, user, name):
    asks = [partial(ask, client_of(user), POSTS[name], ids) for _ in range(50)]
    with unchanged:
        answers = at_once(asks)
        assert IdempotencyKey.objects.filter(status=200).delete()[0] == 1
    assert set(statuses(answers)) == {200}
    assert sum("Idempotency-Replayed" not in answer for answer in answers) == 1
    assert len({answer["ETag"] for answer in answers if "ETag" in answer}) <= 1


def test_what_was_there_is_answered_alike_though_it_has_changed_since(owner, ids):
    for name in ("a message that is there", "a conversation that is there"):
        key = {"Idempotency-Key": name}
        first = ask(owner, POSTS[name], ids, key)
        owner.patch(first["Location"], {"content": "edited", "title": "edited"}, format="json")
        again = ask(owner, POSTS[name], ids, key)
        assert (again.status_code, again.json(), again["ETag"]) == (200, first.json(), first["ETag"])
        assert owner.get(first["Location"])["ETag"] != again["ETag"]
        assert ask(owner, POSTS[name], ids, {"Idempotency-Key": "another"}).status_code == 409
        owner.delete(first["Location"])
        assert ask(owner, POSTS[name], ids, key).json() == first.json()
        assert ask(owner, POSTS[name], ids, {"Idempotency-Key": "another"}).json()["code"] == "id_taken"


def test_a_restore_that_had_nothing_to_do_does_nothing_later_either(owner, ids):
    for name in ("a conversation that was not in the trash", "a message that was not in the trash"):
        key, path = {"Idempotency-Key": name}, POSTS[name][0].removesuffix("/restore")
        for placeholder, value in ids.items():
            path = path.replace(placeholder, value)
        first = ask(owner, POSTS[name], ids, key)
        owner.delete(LIST + path)
        assert ask(owner, POSTS[name], ids, key).json() == first.json()
        assert owner.get(LIST + path).status_code == 404


def test_an_answer_kept_by_the_release_before_is_replayed_without_an_etag(owner, ids):
    first = ask(owner, POSTS["a message"], ids)
    IdempotencyKey.objects.update(version=None)
    again = ask(owner, POSTS["a message"], ids)
    assert (again.json(), again["Location"], "ETag" in again) == (first.json(), first["Location"], False)


@pytest.mark.django_db(transaction=True)
def test_many_people_with_the_same_key_at_once_do_not_meet(transactional_db):
    clients = [client_of(UserFactory()) for _ in range(20)]
    answers = at_once([partial(client.post, LIST, {"title": "x"}, format="json", headers=KEY) for client in clients])
    assert set(statuses(answers)) == {201}
    assert Conversation.objects.count() == 20
