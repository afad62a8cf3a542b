"""Our own exports come in again: as they were in another account, and as what is there in the same one."""

import io
import json

import pytest

from accounts.tests.factories import UserFactory
from conversations.actions.exports import export_work
from conversations.interchange.files import read_files
from conversations.models import Conversation, Message
from conversations.tests.interchange import exports
from conversations.tests.people import client_of

IMPORTS, LIST, EXPORTS = "/api/v1/imports", "/api/v1/conversations", "/api/v1/exports"

pytestmark = pytest.mark.django_db

HERE = [
    {"role": "user", "content": "How high is it?\0", "metadata": {"kept": True}},
    {"role": "assistant", "content": "4,478 metres.", "model": "gpt-5", "cost_cents": "0.25"},
]


def exported(client, user, name="jsonl"):
    job = client.post(EXPORTS, {"format": name}, format="json").json()["id"]
    export_work(user_id=user.pk, job_id=job, check=lambda: None)
    return client.get(f"{EXPORTS}/{job}/download").getvalue()


def sent(client, data, name="chatstore.jsonl"):
    upload = io.BytesIO(data)
    upload.name = name
    told = client.post(IMPORTS, {"file": upload}, format="multipart").json()
    assert told["status"] == "success", told
    return told


def counts(told):
    return tuple(told[f"{outcome}_count"] for outcome in ("imported", "updated", "unchanged"))


def records(tmp_path, data):
    path = tmp_path / "export.jsonl"
    path.write_bytes(data)
    return sorted(read_files([path]), key=lambda record: record.external_id)


@pytest.fixture
def account(owner):
    """Made here, with an edit that branched; imported, and gone on with here."""
    made = owner.post(LIST, {"title": "Made here", "messages": HERE}, format="json").json()
    assert owner.post(f"{LIST}/{made['id']}/messages", HERE[0], format="json").status_code == 201
    first = owner.get(f"{LIST}/{made['id']}/messages").json()["results"][0]
    branch = {**HERE[1], "parent_id": first["id"], "content": "Another answer"}
    assert owner.post(f"{LIST}/{made['id']}/messages", branch, format="json").status_code == 201
    sent(owner, json.dumps([exports.branch(4)]).encode(), "conversations.json")
    imported = next(row for row in owner.get(LIST).json()["results"] if row["source"] == "chatgpt")
    assert owner.post(f"{LIST}/{imported['id']}/messages", HERE[0], format="json").status_code == 201
    assert Message.objects.count() == 9
    return made


@pytest.mark.parametrize("name", ["jsonl", "json"])
def test_into_another_account_it_comes_as_it_was(owner, user, account, tmp_path, name):
    data, other = exported(owner, user, name), UserFactory()
    client = client_of(other)
    assert counts(sent(client, data)) == (9, 0, 0)
    assert records(tmp_path, exported(client, other, name)) == records(tmp_path, data)
    assert counts(sent(client, data)) == (0, 0, 9)


@pytest.mark.parametrize("name", ["jsonl", "json"])
def test_into_the_same_account_it_changes_nothing(owner, user, account, tmp_path, name):
    before = exported(owner, user, name)
    rows = list(Conversation.objects.values("id", "version", "updated_at").order_by("id"))
    told = sent(owner, before)
    assert counts(told) == (0, 0, 9)
    assert {item["outcome"] for item in told["items"]} == {"unchanged"}
    assert list(Conversation.objects.values("id", "version", "updated_at").order_by("id")) == rows
    assert exported(owner, user, name) == before


def test_what_was_done_here_since_the_export_stays(owner, user, account):
    before = exported(owner, user)
    url = f"{LIST}/{account['id']}/messages"
    first = owner.get(url).json()["results"][0]
    edited = owner.patch(f"{url}/{first['id']}", {"content": "edited"}, format="json")
    assert edited.status_code == 200, edited.content
    assert owner.post(url, {"role": "user", "content": "said since"}, format="json").status_code == 201
    told = sent(owner, before)
    assert (told["imported_count"], told["updated_count"]) == (0, 0)
    shown = [message["content"] for message in owner.get(url).json()["results"]]
    assert (shown[0], shown[-1]) == ("edited", "said since")


def test_what_another_account_added_comes_back_into_its_conversation(owner, user, account):
    other = UserFactory()
    client = client_of(other)
    sent(client, exported(owner, user))
    copy = next(row for row in client.get(LIST).json()["results"] if row["external_id"] == account["id"])
    added = {"role": "user", "content": "said there"}
    assert client.post(f"{LIST}/{copy['id']}/messages", added, format="json").status_code == 201
    assert counts(sent(owner, exported(client, other))) == (1, 0, 9)
    assert Conversation.objects.filter(user=user).count() == 2
    shown = owner.get(f"{LIST}/{account['id']}/messages").json()["results"]
    assert shown[-1]["content"] == "said there"


def test_an_id_of_somebody_elses_conversation_is_a_name_like_any_other(owner, user, account):
    client = client_of(UserFactory())
    sent(client, exported(owner, user))
    mine = {row["id"] for row in client.get(LIST).json()["results"]}
    assert account["id"] not in mine
    assert Message.objects.filter(user=user).count() == 9
