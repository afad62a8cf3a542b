"""One resource, one path: how its ids are spelled in it makes no difference."""

import pytest

from conversations.models import Message

LIST = "/api/v1/conversations"
KEY = {"Idempotency-Key": "k"}


@pytest.fixture
def capitals(conversation):
    return f"{LIST}/{conversation['id'].upper()}"


def test_ids_in_capitals_lead_to_the_same(owner, conversation, url, capitals):
    current = conversation["current_message_id"]
    for path in ("", "?include=messages", "/messages", f"/messages?branch={current.upper()}", "/context", "/exchanges"):
        upper, lower = owner.get(capitals + path), owner.get(url + path)
        assert upper.status_code == 200, path
        assert upper.json() == lower.json()
    for path in (f"/messages/{current.upper()}", f"/messages/{current}", f"/messages/{current.upper()}/"):
        assert owner.get(capitals + path).json()["id"] == current


def test_what_is_written_there_is_written_once_and_named_in_small_letters(owner, url, capitals):
    said = {"role": "user", "content": "x"}
    made = owner.post(f"{capitals}/messages", said, format="json", headers=KEY)
    assert made["Location"] == f"{url}/messages/{made.json()['id']}"
    again = owner.post(f"{url}/messages", said, format="json", headers=KEY)
    assert (again.status_code, again["Idempotency-Replayed"], again.json()) == (201, "true", made.json())
    owner.patch(f"{capitals}/messages/{made.json()['id'].upper()}", {"content": "y"}, format="json")
    assert Message.objects.get(id=made.json()["id"]).content == "y"
    assert owner.delete(capitals).status_code == 204
    assert owner.post(f"{capitals}/restore").status_code == 200


def test_a_cursor_is_good_for_both_spellings(owner, url, capitals):
    following = owner.get(f"{capitals}/messages?limit=1").json()["next"]
    assert url in following
    assert owner.get(following.replace(url, capitals)).json()["results"][0]["content"] == "4,478 metres."


def test_anothers_stay_forbidden_and_none_not_found(stranger, owner, capitals):
    assert stranger.get(capitals).json()["code"] == "conversation_forbidden"
    assert owner.get(f"{LIST}/0197A4E2-9B1C-7E00-8000-000000000000").json()["code"] == "conversation_not_found"


def test_nothing_else_in_a_path_is_changed(owner):
    for path in ("/API/V1/conversations", "/api/v1/Conversations", f"{LIST}/NOT-A-UUID"):
        answer = owner.get(path)
        assert (answer.status_code, answer.json()["instance"]) == (404, path)
