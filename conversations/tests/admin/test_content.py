"""What people wrote is for those who hold `view_content`; for others there is no way to it (hostile.md 32)."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.drafts import MessageDraft
from conversations.models import Conversation, Message
from conversations.tests.admin.conftest import LIST, PEOPLE, SECRET, SUPPORT, message_pages, page, staff_client, talk

pytestmark = pytest.mark.django_db


def every_page(conversation):
    person = f"{PEOPLE}{conversation.user_id}/"
    return [
        "/admin/",
        LIST,
        f"{LIST}?q={conversation.pk}",
        f"{LIST}?owner={conversation.user_id}&state=trash",
        f"{LIST}?_popup=1&_to_field=id",
        page(conversation),
        f"{page(conversation)}?page=1&_popup=1",
        page(conversation, "history"),
        page(conversation, "delete"),
        *message_pages(conversation),
        f"{person}change/",
        f"{person}history/",
        f"/admin/autocomplete/?app_label=conversations&model_name=message&field_name=conversation&term={conversation.pk}",
    ]


def test_without_the_permission_no_page_shows_a_word(secret):
    client = staff_client(*Permission.objects.exclude(codename="view_content").values_list("codename", flat=True))
    for path in every_page(secret):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert SECRET not in answer.content.decode(), path


def test_without_the_permission_content_does_not_leave_the_database(secret, support, trusted):
    def given(client):
        for path in every_page(secret):
            with CaptureQueriesContext(connection) as queries:
                client.get(path)
            with connection.cursor() as cursor:
                for sql in (query["sql"] for query in queries.captured_queries):
                    if sql.startswith("SELECT"):
                        cursor.execute(sql.replace("%", "%%"), ())
                        yield str(cursor.fetchall())

    assert not any(SECRET in rows for rows in given(support))
    assert any(SECRET in rows for rows in given(trusted))


def test_what_is_hidden_is_measured(secret, support):
    body = support.get(page(secret)).content.decode()
    assert f"hidden · {len(SECRET) + 2} characters" in body
    assert "hidden · 1 entry" in body
    [message] = message_pages(secret)
    assert f"hidden · {len(SECRET) + 3} characters" in support.get(message).content.decode()


def test_with_the_permission_it_is_shown(secret, trusted):
    for path in (LIST, page(secret), *message_pages(secret), f"{PEOPLE}{secret.user_id}/change/"):
        assert SECRET in trusted.get(path).content.decode(), path
    fields = trusted.get(message_pages(secret)[0]).content.decode()
    assert fields.count(SECRET) >= 8
    assert "hidden ·" not in fields


def test_a_superuser_sees_all(secret):
    assert SECRET in staff_client(is_superuser=True).get(page(secret)).content.decode()


def test_content_alone_opens_no_door(secret):
    client = staff_client("view_content")
    for path in every_page(secret)[1:]:
        assert client.get(path).status_code == 403, path


def test_messages_want_their_own_permission(secret):
    client = staff_client("view_conversation", "view_content")
    body = client.get(page(secret)).content.decode()
    assert f"a {SECRET}" in body
    assert f"my {SECRET}" not in body
    assert client.get(message_pages(secret)[0]).status_code == 403


@pytest.mark.parametrize(
    "query",
    ["title__startswith=a", "title__contains=x", "title=x", "metadata__x=xylophone", "tags__contains=xylophone",
     "raw__isnull=0", "messages__content__contains=x", "user__email__startswith=a", "title__regex=^a", "digest__gt=0",
     "current_message_id=x", "_to_field=title", "_to_field=metadata", "title_text=x", "title_size__gt=3"],
)  # fmt: skip
def test_nothing_can_be_filtered_by_content(secret, support, query):
    assert support.get(f"{LIST}?{query}").status_code == 400


def test_nothing_can_be_searched_or_sorted_by_content(secret, support):
    other = talk(secret.user, title="zebra")
    assert page(secret) not in support.get(LIST, {"q": SECRET}).content.decode()
    orders = set()
    for order in ("", "3", "-3", "3.1", "2.3.-1"):
        body = support.get(LIST, {"o": order}).content.decode()
        orders.add(body.index(page(other)) < body.index(page(secret)))
        assert "?o=" not in body
    assert orders == {True}  # the newest first, whatever is asked


def test_history_and_messages_name_ids_alone(secret, trusted):
    client = staff_client(*SUPPORT, "delete_conversation")
    for path, data in (
        (page(secret, "deeds/trash"), {}),
        (page(secret, "deeds/restore"), {}),
        (page(secret, "delete"), {"post": "yes"}),
    ):
        body = client.post(path, data, follow=True).content.decode()
        assert SECRET not in body
    for entry in LogEntry.objects.all():
        assert entry.object_repr == str(secret.pk)
        assert SECRET not in f"{entry.change_message}{entry.object_id}"
    assert LogEntry.objects.count() == 3
    assert SECRET not in client.get("/admin/").content.decode()


def test_every_look_is_recorded_with_ids_and_no_content(secret, trusted, support, capfd):
    def seen(client, path):
        capfd.readouterr()
        client.get(path)
        return [line for line in capfd.readouterr().err.splitlines() if '"content_seen"' in line]

    [message] = Message.objects.filter(user=secret.user)
    for path, ids in (
        (LIST, [secret.pk]),
        (f"{PEOPLE}{secret.user_id}/change/", [secret.pk]),
        (page(secret), [secret.pk, message.pk]),
        (page(secret, f"messages/{message.pk}"), [message.pk]),
    ):
        lines = seen(trusted, path)
        assert len(lines) == len(ids), path
        for line, object_id in zip(lines, ids, strict=True):
            assert f'"staff_id":"{trusted.user.pk}"' in line
            assert f'"owner_id":"{secret.user_id}"' in line
            assert str(object_id) in line
            assert SECRET not in line
        assert seen(support, path) == []


def test_hostile_text_is_shown_as_text(user, trusted):
    hostile = "<script>alert(1)</script>{{ 7|add:7 }}\u202eevil\u2066\0\ud800\ufdd0 '\"&amp;"
    made = talk(
        user,
        MessageDraft(
            role="user", content=hostile, metadata={hostile: [hostile]}, model="<b>\u202e", tool_calls=[hostile]
        ),
        title=hostile,
        tags=[hostile],
        metadata={"x": hostile},
    )
    for path in (LIST, page(made), *message_pages(made), f"{PEOPLE}{user.pk}/change/"):
        answer = trusted.get(path)
        body = answer.content.decode()
        assert answer.status_code == 200
        assert "&lt;script&gt;alert(1)" in body, path
        assert "⟨U+202E⟩evil⟨U+2066⟩⟨U+0000⟩⟨U+D800⟩⟨U+FDD0⟩" in body, path
        for raw in ("<script>alert", "\u202e", "\u2066", "\0", "\ufdd0", "<b>\u202e"):
            assert raw not in body, path


def test_numbers_that_python_refuses_are_shown(user, trusted):
    made = talk(user, title="numbers")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE conversations_conversation SET metadata = ('{\"n\": ' || repeat('9', 6000) || '}')::jsonb"
            " WHERE user_id = %s",
            [user.pk],
        )
    answer = trusted.get(page(made))
    assert answer.status_code == 200
    assert "9" * 6000 in answer.content.decode()


def test_long_texts_are_cut(user, trusted, support):
    made = talk(user, MessageDraft(role="user", content="ab" * 100_000))
    body = trusted.get(page(made)).content.decode()
    assert len(body) < 100_000
    assert "(200,000 characters in all)" in body
    whole = trusted.get(message_pages(made)[0]).content.decode()
    assert "ab" * 50_000 in whole
    assert "ab" * 50_001 not in whole
    assert "hidden · 200,000 characters" in support.get(page(made)).content.decode()


def test_nothing_is_written_by_looking(secret, trusted):
    before = Conversation.objects.filter(user=secret.user).values_list("version", "updated_at").get()
    for path in every_page(secret)[:-4]:
        trusted.get(path)
    assert Conversation.objects.filter(user=secret.user).values_list("version", "updated_at").get() == before
