"""Attachments over HTTP: listed with their conversation, sent as harmless downloads, to their owner alone."""

import hashlib
import os
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from chatstore.storable import to_storable
from conversations.actions.conversations import conversation_delete
from conversations.api.stored_files import disposition, safe_name
from conversations.models import Attachment, Conversation, Message
from conversations.tests.people import AttachmentFactory, ConversationFactory, MessageFactory, attachment_with
from conversations.tests.whole_database import Unchanged

API = "/api/v1"
unchanged = Unchanged()


def content_url(attachment) -> str:
    return f"{API}/attachments/{attachment.id}/content"


def list_url(conversation) -> str:
    return f"{API}/conversations/{conversation.id}/attachments"


def sent(answer) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def shown(answer):
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def message(user):
    return MessageFactory(conversation=ConversationFactory(user=user))


@pytest.fixture
def attachment(message):
    return attachment_with(b"0123456789", message, name="a.txt")


# --- the list ---------------------------------------------------------------------------------------------------------


def test_the_list_shows_what_is_known_and_nothing_of_our_storage(owner, message):
    stored = attachment_with(b"x", message, name=to_storable("t\0\ud800.png"), text="read")
    (row,) = owner.get(list_url(message.conversation)).json()["results"]
    assert row.pop("created_at").endswith("Z")
    assert row == {
        "id": str(stored.id), "conversation_id": str(message.conversation_id), "message_id": str(message.id),
        "external_id": stored.external_id, "name": "t\0\ud800.png", "media_type": "", "size": 1,
        "sha256": hashlib.sha256(b"x").hexdigest(), "missing": None, "text": "read",
    }  # fmt: skip


def test_the_list_pages_in_reading_order_both_ways_and_answers_304(owner, message):
    for n in range(5):
        AttachmentFactory(message=message, external_id=str(n))
    url, seen, page = list_url(message.conversation), [], None
    following = f"{url}?limit=2"
    while following:
        page = owner.get(following).json()
        seen += [row["external_id"] for row in page["results"]]
        following = page["next"]
    assert seen == [str(n) for n in range(5)]
    assert [row["external_id"] for row in owner.get(page["previous"]).json()["results"]] == ["2", "3"]
    assert [row["external_id"] for row in owner.get(f"{url}?offset=4").json()["results"]] == ["4"]
    first = owner.get(url)
    assert first.json()["total"] == 5
    assert owner.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304


def test_the_list_of_one_message(owner, message):
    other = MessageFactory(conversation=message.conversation)
    AttachmentFactory(message=message, external_id="here")
    AttachmentFactory(message=other, external_id="there")
    url = list_url(message.conversation)
    body = owner.get(f"{url}?message_id={message.id}").json()
    assert ([row["external_id"] for row in body["results"]], body["total"]) == (["here"], 1)
    assert owner.get(f"{url}?message_id={uuid4()}").json()["total"] == 0
    assert owner.get(f"{url}?message_id=x").status_code == 422


def test_attachments_of_a_message_in_the_trash_are_not_listed_nor_sent(owner, message, attachment):
    Message.objects.filter(id=message.id).update(deleted_at=timezone.now())
    body = owner.get(list_url(message.conversation)).json()
    assert (body["results"], body["total"]) == ([], 0)
    assert shown(owner.get(content_url(attachment))) == (404, "message_in_trash")


# --- the bytes --------------------------------------------------------------------------------------------------------


def test_the_bytes_come_back_as_a_download_that_no_browser_runs(owner, message):
    data = b"<script>alert(1)</script>" + os.urandom(2_000_000)
    stored = attachment_with(data, message, name="page.html", media_type="text/html")
    answer = owner.get(content_url(stored))
    assert (answer.status_code, sent(answer)) == (200, data)
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="page.html"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["Content-Length"] == str(len(data))
    assert answer["ETag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert answer["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("accept", ["*/*", "application/octet-stream", "image/png, */*;q=0.1"])
def test_any_usual_accept_is_served(owner, attachment, accept):
    assert owner.get(content_url(attachment), headers={"Accept": accept}).status_code == 200


def test_head_and_a_known_tag_send_no_bytes(owner, attachment):
    answer = owner.head(content_url(attachment))
    assert (answer.status_code, answer["Content-Length"], answer.content) == (200, "10", b"")
    again = owner.get(content_url(attachment), headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "span", "data"),
    [
        ("bytes=0-3", "0-3", b"0123"),
        ("bytes=8-", "8-9", b"89"),
        ("bytes=8-100", "8-9", b"89"),
        ("bytes=-3", "7-9", b"789"),
        ("bytes=-100", "0-9", b"0123456789"),
        ("bytes=9-9", "9-9", b"9"),
    ],
)
def test_a_range_is_sent_alone(owner, attachment, asked, span, data):
    answer = owner.get(content_url(attachment), headers={"Range": asked})
    assert (answer.status_code, sent(answer)) == (206, data)
    assert (answer["Content-Range"], answer["Content-Length"]) == (f"bytes {span}/10", str(len(data)))


def test_a_range_of_a_large_file_begins_where_it_was_asked_to(owner, message):
    data = os.urandom(1_500_000)
    answer = owner.get(content_url(attachment_with(data, message)), headers={"Range": "bytes=700001-1400000"})
    assert (answer.status_code, sent(answer)) == (206, data[700_001:1_400_001])


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,3-4", "bytes=5-2", "items=0-1", "bytes=-", "bytes=x", "bytes=" + "9" * 50]
)
def test_what_is_no_single_range_gets_the_whole(owner, attachment, asked):
    answer = owner.get(content_url(attachment), headers={"Range": asked})
    assert (answer.status_code, sent(answer)) == (200, b"0123456789")


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=999-1000", "bytes=-0"])
def test_a_range_beyond_the_end_is_416(owner, attachment, asked):
    answer = owner.get(content_url(attachment), headers={"Range": asked})
    assert (*shown(answer), answer["Content-Range"]) == (416, "range_not_satisfiable", "bytes */10")


def test_a_range_of_another_version_gets_the_whole(owner, attachment):
    tag = owner.head(content_url(attachment))["ETag"]
    for condition, status in ((tag, 206), ('"other"', 200)):
        headers = {"Range": "bytes=0-3", "If-Range": condition}
        assert owner.get(content_url(attachment), headers=headers).status_code == status


def test_an_empty_file_is_a_file(owner, message):
    answer = owner.get(content_url(attachment_with(b"", message)))
    assert (answer.status_code, sent(answer), answer["Content-Length"]) == (200, b"", "0")


def test_missing_bytes_are_404_and_say_why(owner, message, attachment):
    answer = owner.get(content_url(AttachmentFactory(message=message, missing="too_large")))
    assert (*shown(answer), answer.json()["reason"]) == (404, "attachment_missing", "too_large")
    default_storage.delete(attachment.file)
    answer = owner.get(content_url(attachment))
    assert (*shown(answer), answer.json()["reason"]) == (404, "attachment_missing", "lost")


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\a.exe", "a.exe"),
        ('a"; filename="b.exe', "a ; filename= b.exe"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie x=1"),
        ("nul\0.txt", "nul.txt"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("half \ud800", "half"),
        (".htaccess", "htaccess"),
        ("...", "attachment"),
        ("", "attachment"),
        ("a/b/", "attachment"),
        ("Überblick 山.png", "Überblick 山.png"),
        ("x" * 500 + ".tar", "x" * 146 + ".tar"),
        ("x" * 500, "x" * 150),
    ],
)
def test_a_name_is_made_harmless(name, safe):
    assert safe_name(name) == safe


def test_a_name_that_ascii_cannot_say_comes_in_both_forms():
    assert disposition("a b.png") == 'attachment; filename="a b.png"'
    assert disposition("Übung 山.png") == (
        "attachment; filename=\"Ubung .png\"; filename*=UTF-8''%C3%9Cbung%20%E5%B1%B1.png"
    )
    assert disposition("山") == "attachment; filename=\"attachment\"; filename*=UTF-8''%E5%B1%B1"


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", 'a"b', "山\u202e\0", "\ud800", "%0d%0a", "x" * 100_000])
def test_no_name_breaks_the_answer(owner, user, message, name):
    answer = owner.get(content_url(attachment_with(b"x", message, name=to_storable(name))))
    assert (answer.status_code, sent(answer)) == (200, b"x")
    assert "X-Evil" not in answer
    assert answer["Content-Disposition"].isprintable()


# --- whose ------------------------------------------------------------------------------------------------------------


def test_a_stranger_is_refused_and_without_a_token_nothing_is_told(stranger, outsider, attachment):
    with unchanged:
        for headers in ({}, {"If-None-Match": f'"{attachment.sha256}"'}, {"Range": "bytes=0-1"}):
            answer = stranger.get(content_url(attachment), headers=headers)
            assert shown(answer) == (403, "attachment_forbidden")
            assert shown(outsider.get(content_url(attachment), headers=headers)) == (401, "not_authenticated")
        assert shown(stranger.get(list_url(attachment.conversation))) == (403, "conversation_forbidden")


def test_a_stranger_does_not_learn_that_it_is_missing_or_in_the_trash(stranger, message):
    missing = AttachmentFactory(message=message)
    Conversation.objects.filter(id=message.conversation_id).update(deleted_at=timezone.now())
    assert shown(stranger.get(content_url(missing))) == (403, "attachment_forbidden")


def test_what_is_not_there_is_404(owner, stranger, attachment):
    for client in (owner, stranger):
        answer = client.get(f"{API}/attachments/{uuid4()}/content")
        assert shown(answer) == (404, "attachment_not_found")


def test_in_the_trash_it_is_404_and_back_from_it_it_is_there(owner, attachment):
    url = f"{API}/conversations/{attachment.conversation_id}"
    owner.delete(url)
    assert shown(owner.get(content_url(attachment))) == (404, "conversation_in_trash")
    owner.post(f"{url}/restore")
    assert sent(owner.get(content_url(attachment))) == b"0123456789"


def test_a_session_that_ended_opens_nothing(owner, user, attachment):
    owner.post(f"{API}/auth/logout-all")
    assert owner.get(content_url(attachment)).status_code == 401


# --- for good ---------------------------------------------------------------------------------------------------------


def test_deleting_for_good_takes_the_files_of_the_conversation_and_no_others(
    owner, message, attachment, django_capture_on_commit_callbacks
):
    kept = attachment_with(b"kept", MessageFactory(conversation=ConversationFactory(user=message.user)))
    AttachmentFactory(message=message)
    with django_capture_on_commit_callbacks(execute=True):
        assert owner.delete(f"{API}/conversations/{message.conversation_id}?permanent=true").status_code == 204
    assert not default_storage.exists(attachment.file)
    assert default_storage.exists(kept.file)
    assert list(Attachment.objects.filter(user=message.user)) == [kept]


@pytest.mark.django_db(transaction=True)
def test_the_files_go_only_after_the_commit(user, message, attachment):
    with transaction.atomic():
        conversation_delete(user_id=user.pk, conversation_id=message.conversation_id)
        transaction.set_rollback(True)
    assert default_storage.exists(attachment.file)
    conversation_delete(user_id=user.pk, conversation_id=message.conversation_id)
    assert not default_storage.exists(attachment.file)


def test_a_file_that_cannot_be_deleted_does_not_undo_the_deed(
    owner, message, attachment, django_capture_on_commit_callbacks
):
    path = default_storage.path(attachment.file)
    os.unlink(path)
    os.mkdir(path)  # a storage that refuses
    os.mkdir(f"{path}/x")
    with django_capture_on_commit_callbacks(execute=True):
        assert owner.delete(f"{API}/conversations/{message.conversation_id}?permanent=true").status_code == 204
    assert not Conversation.objects.filter(id=message.conversation_id).exists()
