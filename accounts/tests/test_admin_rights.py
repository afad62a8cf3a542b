"""Rights and passwords are a superuser's to give: `change_user` alone is no way to either (hostile.md 32)."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from accounts.models import Session, User
from accounts.tests.conftest import sign_in
from accounts.tests.factories import PASSWORD
from accounts.tests.test_admin import INDEX, PEOPLE, SUPPORT, log_in, page, staff_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def support():
    return staff_client(*SUPPORT)


@pytest.fixture
def root():
    return staff_client(is_superuser=True)


@pytest.mark.parametrize(
    "codenames", [SUPPORT, ("view_user", "change_user", "delete_user", "add_user", "change_group", "change_permission")]
)
def test_rights_cannot_be_taken_with_change_user(ada, codenames):
    client = staff_client(*codenames)
    before = set(client.user.user_permissions.all())
    everything = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)]
    group = Group.objects.create(name="Gods")
    rights = {"is_staff": "on", "is_superuser": "on", "user_permissions": everything, "groups": [str(group.pk)]}
    for person in (ada.user, client.user):
        assert client.post(page(person), rights).status_code == 403
        person.refresh_from_db()
        assert not person.is_superuser
        assert not person.groups.exists()
    assert set(client.user.user_permissions.all()) == before
    assert (
        client.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Gods", "permissions": everything}).status_code
        == 403
    )
    assert client.post("/admin/auth/group/add/", {"name": "Mine"}).status_code == 403
    assert client.get("/admin/auth/group/").status_code == 403


def test_nobody_is_added_or_deleted_here(root, ada):
    assert root.get(f"{PEOPLE}add/").status_code == 403
    assert root.post(f"{PEOPLE}add/", {"email": "new@example.com"}).status_code == 403
    assert root.post(f"{PEOPLE}{ada.user.pk}/delete/", {"post": "yes"}).status_code == 403
    root.post(PEOPLE, {"action": "delete_selected", "_selected_action": [str(ada.user.pk)], "post": "yes"})
    assert User.objects.filter(pk=ada.user.pk).exists()


def test_a_superuser_gives_rights_and_writes_nothing_else(root, ada, django_assert_max_num_queries):
    group = Group.objects.create(name="Support")
    with django_assert_max_num_queries(40) as queries:
        answer = root.post(
            page(ada.user), {"is_staff": "on", "groups": [str(group.pk)], "name": "x", "email": "x@example.com"}
        )
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    [update] = [q["sql"] for q in queries.captured_queries if q["sql"].startswith('UPDATE "accounts_user"')]
    assert re.search(r'SET "is_staff" = true WHERE', update)
    ada.user.refresh_from_db()
    assert (ada.user.is_staff, ada.user.is_superuser, ada.user.name, ada.user.email) == (
        True,
        False,
        "Ada",
        "ada@example.com",
    )
    assert list(ada.user.groups.all()) == [group]
    assert ada.is_let_in()
    assert LogEntry.objects.get().object_repr == str(ada.user.pk)


def test_superusers_manage_groups(root):
    view = Permission.objects.get(codename="view_user")
    assert root.post("/admin/auth/group/add/", {"name": "Support", "permissions": [view.pk]}).status_code == 302
    assert list(Group.objects.get(name="Support").permissions.all()) == [view]
    assert root.get("/admin/auth/group/").status_code == 200


def set_password(client, person, **fields):
    return client.post(reverse("admin:auth_user_password_change", args=[person.pk]), fields)


def test_a_new_password_ends_every_session(root, ada):
    new = "another long passphrase"
    assert set_password(root, ada.user, password1=new, password2=new, usable_password="true").status_code == 302
    assert not ada.is_let_in()
    assert not ada.can_refresh()
    assert Session.objects.get().revoked_reason == "password_changed"
    assert sign_in(ada.user, new).is_let_in()


def test_taking_the_password_away_ends_every_session(root, ada):
    fields = {"usable_password": "false", "unset-password": "1"}
    assert set_password(root, ada.user, **fields).status_code == 302
    assert not ada.is_let_in()
    assert not User.objects.get(pk=ada.user.pk).has_usable_password()


def test_a_weak_password_is_refused_and_ends_nothing(root, ada):
    assert set_password(root, ada.user, password1="password", password2="password").status_code == 200
    assert ada.is_let_in()


def test_support_staff_set_no_passwords(support, ada):
    """With one they could sign in as the person, and read everything."""
    new = "another long passphrase"
    assert set_password(support, ada.user, password1=new, password2=new).status_code == 403
    assert sign_in(ada.user).is_let_in()


def test_staff_change_their_own_password_and_their_api_sessions_end(support):
    api = sign_in(support.user)
    new = "another long passphrase"
    fields = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert support.post("/admin/password_change/", fields).status_code == 302
    assert not api.is_let_in()
    assert support.get(INDEX).status_code == 200
    assert log_in(support.user.email, new)
