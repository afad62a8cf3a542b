"""What support staff find, see and do in the admin of people, and who does not (hostile.md 32)."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import Session, User
from accounts.tests.conftest import post, sign_in
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
LOGIN, INDEX, PEOPLE = "/admin/login/", "/admin/", "/admin/accounts/user/"
SUPPORT = ("view_user", "change_user", "view_session")


def staff_client(*codenames, **fields):
    """A client of a member of the staff with these permissions."""
    user = UserFactory(is_staff=True, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    client.user = user
    return client


def log_in(email, password=PASSWORD, address="198.51.100.1"):
    client = Client(REMOTE_ADDR=address)
    answer = client.post(LOGIN, {"username": email, "password": password, "next": INDEX})
    assert answer.status_code in (200, 302)
    return client.get(INDEX).status_code == 200


def do(client, person, deed):
    return client.post(f"{PEOPLE}{person.pk}/deeds/{deed}/")


def page(person):
    return f"{PEOPLE}{person.pk}/change/"


@pytest.fixture
def support():
    return staff_client(*SUPPORT)


@pytest.fixture
def root():
    return staff_client(is_superuser=True)


def test_staff_without_permissions_see_nothing(ada):
    client = staff_client()
    body = client.get(INDEX).content.decode()
    assert PEOPLE not in body
    for path in (PEOPLE, page(ada.user), f"{PEOPLE}{ada.user.pk}/history/", f"{PEOPLE}{ada.user.pk}/password/"):
        assert client.get(path).status_code == 403
    for deed in ("deactivate", "reactivate", "sign-out"):
        assert do(client, ada.user, deed).status_code == 403
    assert ada.is_let_in()


def test_permissions_without_the_staff_flag_open_nothing(ada):
    ada.user.user_permissions.set(Permission.objects.all())
    client = Client()
    client.force_login(ada.user)
    assert {client.get(path).status_code for path in (INDEX, PEOPLE, page(ada.user))} == {302}
    assert do(client, ada.user, "sign-out").status_code == 302
    assert ada.is_let_in()


@pytest.mark.parametrize("search", ["ada@example.com", "ADA@", " ada", "{id}", "{{{id}}}", "urn:uuid:{id}"])
def test_a_person_is_found_by_address_its_beginning_or_id(support, ada, stranger, search):
    body = support.get(PEOPLE, {"q": search.format(id=ada.user.pk)}).content.decode()
    assert page(ada.user) in body
    assert page(stranger.user) not in body


@pytest.mark.parametrize(
    "search", ["@example.com", "da@example", "%da", "_da@", "ada@example.com'", "a\\da", "ada\u202e"]
)
def test_it_is_the_beginning_and_nothing_else(support, ada, search):
    assert page(ada.user) not in support.get(PEOPLE, {"q": search}).content.decode()


@pytest.mark.parametrize(
    "query",
    ["q=%00", "q=%27%22%3B--", "q=%ED%A0%80", "q=%FF%FE", "q=" + "a" * 5_000, "q=%25%25%5C_", "q=%EF%B7%90", "p=-1",
     "p=x", "p=999999999999999999999999", "o=1.2.-3", "o=x", "all=", "e=1", "_popup=1", "_facets=1", "q=%E2%80%AE",
     "p=%D9%A3"],
)  # fmt: skip
def test_hostile_queries_of_the_list_are_no_fault(support, ada, query):
    assert support.get(f"{PEOPLE}?{query}").status_code in (200, 302)


@pytest.mark.parametrize(
    "lookup",
    [
        "password__startswith=a",
        "security_stamp=x",
        "email__regex=.*",
        "is_staff=1",
        "name__contains=A",
        "_to_field=email",
    ],
)
def test_filters_of_ones_own_are_refused(support, ada, lookup):
    assert support.get(f"{PEOPLE}?{lookup}").status_code == 400


@pytest.mark.parametrize("path", ["search/?s=x&page=x", "r/1/x/", "r/999/00000000-0000-0000-0000-000000000000/"])
def test_pages_that_nobody_needs_are_not_there(root, path):
    assert root.get(f"/admin/{path}").status_code == 404


@pytest.mark.parametrize(
    "path", ["x/change/", "%00/change/", "'/history/", "a" * 3_000 + "/change/", "../password/", "_5/deeds/sign-out/"]
)
def test_ids_that_are_none_are_no_fault(root, path):
    assert root.get(f"{PEOPLE}{path}").status_code in (302, 404, 405)
    assert root.post(f"{PEOPLE}{path}").status_code in (302, 403, 404)


def test_autocompletion_takes_what_the_search_takes(support, ada):
    path = "/admin/autocomplete/?app_label=accounts&model_name=session&field_name=user&term="
    assert [one["id"] for one in support.get(f"{path}ada@").json()["results"]] == [str(ada.user.pk)]
    assert support.get(f"{path}%00").json()["results"] == []
    assert staff_client().get(f"{path}ada@").status_code == 403


def test_sessions_are_shown_without_anything_of_a_token(support, ada):
    session = Session.objects.get()
    body = support.get(page(ada.user)).content.decode()
    assert "live until" in body
    for secret in (session.refresh_jti, session.security_stamp, ada.user.security_stamp, ada.access, ada.user.password):
        assert str(secret) not in body
    without = staff_client("view_user").get(page(ada.user)).content.decode()
    assert "live until" not in without


def test_a_session_is_told_live_expired_or_ended(support, ada):
    old = sign_in(ada.user)
    Session.objects.filter(pk=Session.objects.latest("id").pk).update(expires_at=timezone.now() - timedelta(days=1))
    body = support.get(page(ada.user)).content.decode()
    assert ("expired" in body, "live until" in body) == (True, True)
    do(support, ada.user, "sign-out")
    assert "Logout All" in support.get(page(ada.user)).content.decode()
    assert not old.is_let_in()
    Session.objects.update(revoked_at=None, revoked_reason="")  # only their stamps are old: a password was changed
    assert "live until" not in support.get(page(ada.user)).content.decode()


def test_a_name_cannot_turn_the_page_about(support, ada):
    User.objects.filter(pk=ada.user.pk).update(name="<b>Ada\u202e\ufdd00000</b>")
    body = support.get(page(ada.user)).content.decode()
    assert '<bdi dir="auto">&lt;b&gt;Ada⟨U+202E⟩⟨U+0000⟩&lt;/b&gt;</bdi>' in body


def test_deactivation_ends_tokens_at_once_and_reactivation_revives_none(support, ada):
    assert do(support, ada.user, "deactivate").status_code == 302
    assert not ada.is_let_in()
    assert not ada.can_refresh()
    assert post(ada.api, "token", email="ada@example.com", password=PASSWORD).status_code == 401
    assert "Reactivate" in support.get(page(ada.user)).content.decode()
    do(support, ada.user, "reactivate")
    assert not ada.is_let_in()
    assert sign_in(ada.user).is_let_in()


def test_signing_somebody_out_ends_their_sessions_and_no_one_elses(support, ada, stranger):
    do(support, ada.user, "sign-out")
    assert not ada.is_let_in()
    assert stranger.is_let_in()
    assert sign_in(ada.user).is_let_in()


def test_who_may_only_look_may_do_nothing(ada):
    client = staff_client("view_user", "view_session")
    assert "deeds/" not in client.get(page(ada.user)).content.decode()
    for deed in ("deactivate", "sign-out"):
        assert do(client, ada.user, deed).status_code == 403
    assert ada.is_let_in()


@pytest.mark.parametrize("rank", [{"is_staff": True}, {"is_superuser": True}])
def test_support_staff_cannot_touch_staff_or_superusers(support, root, rank):
    boss = UserFactory(**rank)
    assert "deeds/" not in support.get(page(boss)).content.decode()
    assert {do(support, boss, deed).status_code for deed in ("deactivate", "sign-out", "reactivate")} == {403}
    boss.refresh_from_db()
    assert boss.is_active
    assert do(root, boss, "deactivate").status_code == 302
    boss.refresh_from_db()
    assert not boss.is_active


def test_nobody_locks_themselves_out(root):
    assert do(root, root.user, "deactivate").status_code == 403
    assert root.get(INDEX).status_code == 200


def test_a_link_does_nothing_and_a_form_of_another_site_neither(support, ada):
    assert support.get(f"{PEOPLE}{ada.user.pk}/deeds/deactivate/").status_code == 405
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(support.user)
    assert do(careful, ada.user, "deactivate").status_code == 403
    assert do(support, ada.user, "promote").status_code == 404
    assert ada.is_let_in()


def test_the_history_names_ids_and_no_address(support, ada):
    do(support, ada.user, "sign-out")
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.object_repr) == (str(ada.user.pk), str(ada.user.pk))
    assert entry.change_message == "Signed out everywhere"
    assert "Signed out everywhere" in support.get(f"{PEOPLE}{ada.user.pk}/history/").content.decode()
