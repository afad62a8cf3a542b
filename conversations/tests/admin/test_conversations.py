"""Finding a conversation, and what support staff may do with it: nothing but what the actions do."""

from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client

from accounts.tests.factories import UserFactory
from conversations.actions.conversations import conversation_trash
from conversations.drafts import MessageDraft
from conversations.models import Change, Conversation, Message
from conversations.tests.admin.conftest import LIST, PEOPLE, SUPPORT, message_pages, page, staff_client, talk
from conversations.tests.people import ConversationFactory, MessageFactory

pytestmark = pytest.mark.django_db


def changes(conversation):
    return list(Change.objects.filter(user=conversation.user).order_by("id").values_list("kind", "op", "object_id"))


def row(conversation):
    return Conversation.objects.get(user=conversation.user, id=conversation.pk)


@pytest.fixture
def made(user):
    return talk(user, MessageDraft(role="user", content="q"), MessageDraft(role="assistant", content="a"), title="t")


# --- finding ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("search", ["{id}", " {id} ", "{{{id}}}", "urn:uuid:{id}"])
def test_a_conversation_is_found_by_its_id(support, made, search):
    other = ConversationFactory()
    body = support.get(LIST, {"q": search.format(id=made.pk)}).content.decode()
    assert page(made) in body
    assert page(other) not in body
    assert made.user.email in body


def test_a_pasted_id_leads_to_its_page(support, made):
    answer = support.get(f"{LIST}{made.pk}/change/")
    assert (answer.status_code, answer["Location"]) == (302, page(made))


def test_an_id_that_two_people_have_leads_to_both(support, made):
    twin = ConversationFactory(id=made.pk)
    answer = support.get(f"{LIST}{made.pk}/change/", follow=True)
    body = answer.content.decode()
    assert answer.status_code == 200
    assert page(made) in body
    assert page(twin) in body
    for one in (made, twin):
        shown = support.get(page(one)).content.decode()
        assert one.user.email in shown
    assert support.post(f"{LIST}{made.pk}/deeds/trash/").status_code == 404  # of whom?
    support.post(page(twin, "deeds/trash"))
    assert (row(made).deleted_at, row(twin).deleted_at is None) == (None, False)
    assert "Moved" in support.get(page(twin, "history")).content.decode()
    assert "Moved" not in support.get(page(made, "history")).content.decode()


@pytest.mark.parametrize(
    "path",
    ["x/change/", "%00/change/", "{id}.{id}/change/", "{user}.x/change/", ".{id}/change/", "{user}./change/",
     "a.b.c/change/", "{user}.{id}/messages/{id}/", "{id}/delete/x/", "'--/history/", "{user}.%ED%A0%80/change/",
     "add/", "x/delete/"],
)  # fmt: skip
def test_ids_that_are_none_are_no_fault(made, path):
    client = staff_client(is_superuser=True)
    assert client.get(LIST + path.format(id=uuid4(), user=made.user_id)).status_code in (302, 403, 404)


@pytest.mark.parametrize(
    "query",
    ["q=%00", "q=%27%3BDROP", "q=%ED%A0%80", "q=" + "a" * 5_000, "q=%25", "owner=x", "owner=%00", "owner=",
     "state=trash", "owner=00000000-0000-0000-0000-000000000000&state=x", "state=%27", "p=-1", "p=9999999999999999999",
     "o=99", "all=1", "page=x"],
)  # fmt: skip
def test_hostile_queries_are_no_fault(support, made, query):
    assert support.get(f"{LIST}?{query}").status_code in (200, 302, 400)


@pytest.mark.parametrize(
    "search",
    ["' OR 1=1 --", "' OR ''='", "%", "_", "*", "') OR true; DROP TABLE conversations_message; --", "{{id}}' OR '1'='1",
     "1 UNION SELECT password FROM accounts_user", "\\", "t", "$$", "{{{{ 7*7 }}}}", "<script>alert(1)</script>"],
)  # fmt: skip
def test_what_is_put_into_the_search_or_a_filter_stays_a_value(support, made, search):
    """Nothing is found by it, nothing happens by it, and it comes back as text."""
    from conversations.tests.whole_database import everything

    text, before = search.format(id=made.pk), everything()
    for query in ({"q": text}, {"owner": text}, {"q": text, "owner": str(made.user_id), "state": "live"}):
        answer = support.get(LIST, query, follow=True)
        body = answer.content.decode()
        assert answer.status_code in (200, 400)
        assert page(made) not in body
        assert "<script>alert(1)" not in body
    people = support.get(PEOPLE, {"q": text}).content.decode()
    assert f"{PEOPLE}{made.user_id}/change/" not in people
    assert "pbkdf2" not in people
    assert everything() == before


@pytest.mark.parametrize("number", ["0", "-1", "x", "²", "٣", "9" * 5_000, "999999", "1.5", "%00"])
def test_hostile_page_numbers_of_messages_are_no_fault(support, made, number):
    assert support.get(f"{page(made)}?page={number}").status_code == 200


def test_a_persons_page_has_their_conversations_counts_and_dates(support, made):
    conversation_trash(user_id=made.user_id, conversation_id=talk(made.user, title="gone").pk)
    body = support.get(f"{PEOPLE}{made.user_id}/change/").content.decode()
    assert page(made) in body
    assert f"{LIST}?owner={made.user_id}" in body
    panel = support.get(f"{PEOPLE}{made.user_id}/change/").context["panels"][1]
    assert (panel.rows[0][:2], panel.rows[0][-1]) == (("1", "2"), "1")
    assert "What they have" not in staff_client("view_user").get(f"{PEOPLE}{made.user_id}/change/").content.decode()


def test_a_persons_list_is_theirs_and_can_be_narrowed(support, made):
    gone, kept, other = talk(made.user, title="g"), talk(made.user, archived=True, title="k"), ConversationFactory()
    conversation_trash(user_id=made.user_id, conversation_id=gone.pk)
    everyone = (made, gone, kept, other)
    for state, wanted in (("", {made, kept}), ("x", {made, kept}), ("trash", {gone})):
        body = support.get(LIST, {"owner": made.user_id, "state": state}).content.decode()
        assert {one for one in everyone if page(one) in body} == wanted, state


def test_the_owner_is_named_to_those_who_may_see_people(made):
    body = staff_client("view_conversation").get(LIST).content.decode()
    assert str(made.user_id) in body
    assert made.user.email not in body


def test_messages_come_a_page_at_a_time(support, user):
    made = talk(user, *(MessageDraft(role="user", content=str(number)) for number in range(120)))
    ids = list(Message.objects.filter(user=user).order_by("created_at", "id").values_list("pk", flat=True))
    for number, expected in ((1, ids[:50]), (2, ids[50:100]), (3, ids[100:]), (4, [])):
        thread = support.get(page(made), {"page": number}).context["thread"]
        assert [message["url"] for message in thread["messages"]] == [page(made, f"messages/{one}") for one in expected]
    assert "Messages 51 to 100" in support.get(page(made), {"page": 2}).content.decode()


def test_a_message_of_another_conversation_is_not_found_here(support, made):
    other = MessageFactory()
    assert support.get(page(made, f"messages/{other.pk}")).status_code == 404


def test_an_answer_leads_to_its_question(support, made):
    question, answer = message_pages(made)
    assert f'href="{question}"' in support.get(answer).content.decode()
    assert "Follows" not in support.get(question).content.decode()


def test_where_it_was_imported_from_is_told(support, made):
    Conversation.objects.filter(user=made.user, id=made.pk).update(source="chatgpt", external_id="abc-1")
    body = support.get(page(made)).content.decode()
    assert ">chatgpt<" in body
    assert ">abc-1<" in body


# --- deeds ------------------------------------------------------------------------------------------------------------
def test_trash_and_restore_are_the_actions_with_their_change_rows(support, made, owner):
    before = changes(made)
    assert support.post(page(made, "deeds/trash")).status_code == 302
    assert row(made).deleted_at is not None
    assert changes(made) == [*before, ("conversation", "upsert", made.pk)]
    assert owner.get(f"/api/v1/conversations/{made.pk}").status_code == 404
    body = support.get(page(made)).content.decode()
    assert "deeds/restore/" in body
    assert "deeds/trash/" not in body
    support.post(page(made, "deeds/restore"))
    assert (row(made).deleted_at, row(made).version) == (None, made.version + 2)
    assert len(changes(made)) == len(before) + 2
    assert owner.get(f"/api/v1/conversations/{made.pk}").status_code == 200
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "Moved to the trash",
        "Restored from the trash",
    ]


def test_a_refused_deed_is_told_and_leaves_no_history(support, made):
    support.post(page(made, "deeds/trash"))
    body = support.post(page(made, "deeds/trash"), follow=True).content.decode()
    assert "This conversation is in the trash" in body
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(
    "codenames", [(), ("view_conversation", "view_message", "view_content"), ("change_message", "delete_message")]
)
def test_without_the_permission_nothing_is_done(made, codenames):
    client = staff_client(*codenames)
    before = changes(made)
    for path in ("deeds/trash", "deeds/restore", "delete"):
        assert client.post(page(made, path), {"post": "yes"}).status_code == 403
    assert "deeds/" not in client.get(page(made)).content.decode()
    assert (row(made).deleted_at, changes(made)) == (None, before)


def test_outsiders_are_sent_to_the_login(made, owner):
    client = Client()
    client.force_login(made.user)
    for path in (LIST, page(made), *message_pages(made), page(made, "delete")):
        assert client.get(path).status_code == 302
        assert "/admin/login/" in client.get(path)["Location"]
    client.post(page(made, "deeds/trash"))
    assert row(made).deleted_at is None


def test_a_link_does_nothing(support, made):
    assert support.get(page(made, "deeds/trash")).status_code == 405
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(support.user)
    assert careful.post(page(made, "deeds/trash")).status_code == 403
    assert row(made).deleted_at is None


def test_deleting_for_good_wants_the_permission_and_a_confirmation(support, made, owner):
    assert support.get(page(made, "delete")).status_code == 403
    client = staff_client(*SUPPORT, "delete_conversation")
    body = client.get(page(made, "delete")).content.decode()
    assert "Messages: 2" in body
    assert Conversation.objects.filter(user=made.user).exists()
    assert client.post(page(made, "delete"), {"post": "yes"}).status_code == 302
    assert not Conversation.objects.filter(user=made.user).exists()
    assert not Message.objects.filter(user=made.user).exists()
    assert changes(made)[-1] == ("conversation", "delete", made.pk)
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.is_deletion()) == (str(made.pk), True)


def test_two_who_delete_at_once_are_told(made):
    client = staff_client(*SUPPORT, "delete_conversation")

    def somebody_is_faster(execute, sql, params, many, context):
        if "/* conversation_delete */" in sql:
            with connection.connection.cursor() as cursor:
                cursor.execute("DELETE FROM conversations_conversation WHERE user_id = %s", [made.user_id])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(somebody_is_faster):
        body = client.post(page(made, "delete"), {"post": "yes"}, follow=True).content.decode()
    assert "There is no such conversation" in body
    assert not LogEntry.objects.exists()


def test_nothing_is_added_edited_or_deleted_by_the_dozen(made):
    client = staff_client(is_superuser=True)
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}add/", {"title": "x"}).status_code == 403
    assert client.post(page(made), {"title": "x", "starred": "on", "content": "x"}).status_code == 403
    assert client.post(message_pages(made)[0], {"content": "x"}).status_code in (200, 405)
    client.post(LIST, {"action": "delete_selected", "_selected_action": [str(made.pk)], "post": "yes"})
    assert (row(made).title, row(made).version) == ("t", made.version)
    assert sorted(Message.objects.filter(user=made.user).values_list("content", flat=True)) == ["a", "q"]
    for model in ("message", "change", "idempotencykey", "changecounter"):
        assert client.get(f"/admin/conversations/{model}/").status_code == 404


def test_another_persons_id_with_this_owner_is_not_found(support, made):
    other = ConversationFactory(user=UserFactory())
    assert support.post(f"{LIST}{made.user_id}.{other.pk}/deeds/trash/").status_code == 404
    assert row(other).deleted_at is None
