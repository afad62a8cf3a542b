"""Logout, logout-all and deactivation end access tokens at the next request."""

from datetime import timedelta

import pytest
from django.contrib.auth import authenticate, get_user, login
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command

from accounts.actions.sessions import sessions_revoke_all
from accounts.actions.users import user_activate, user_deactivate
from accounts.models import Session, User
from accounts.tests.conftest import post, sign_in
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tokens import RefreshToken, read_token

pytestmark = pytest.mark.django_db


def test_logout_ends_one_session_at_once(ada):
    other_device = sign_in(ada.user)
    assert post(ada.api, "logout", refresh=ada.refresh).status_code == 204
    assert not ada.is_let_in()
    assert not ada.can_refresh()
    assert other_device.is_let_in()


def test_the_refusal_says_why(ada):
    post(ada.api, "logout", refresh=ada.refresh)
    answer = ada.api.get("/api/v1/auth/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert answer["WWW-Authenticate"].startswith('Bearer realm="api", error="invalid_token"')


def test_one_device_can_sign_another_one_out_and_twice_does_no_harm(ada):
    other_device = sign_in(ada.user)
    assert post(other_device.api, "logout", refresh=ada.refresh).status_code == 204
    assert post(other_device.api, "logout", refresh=ada.refresh).status_code == 204
    assert not ada.is_let_in()
    assert Session.objects.get(revoked_at__isnull=False).revoked_reason == "logout"


def test_an_expired_refresh_token_still_signs_its_session_out(ada):
    claims = read_token(RefreshToken, ada.refresh)
    expired = RefreshToken()
    expired.payload |= {"sub": str(claims.user_id), "sid": str(claims.session_id), "jti": claims.jti.hex}
    expired.set_exp(lifetime=timedelta(seconds=-1))
    assert post(ada.api, "logout", refresh=str(expired)).status_code == 204
    assert not ada.can_refresh()


def test_another_persons_refresh_token_is_refused_and_lives_on(ada, stranger):
    answer = post(stranger.api, "logout", refresh=ada.refresh)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/refresh", "code": "token_invalid", "detail": "Not a refresh token of yours"}
    ]
    assert ada.is_let_in()
    assert ada.can_refresh()


def test_logout_wants_a_refresh_token_and_an_access_token(ada, api):
    assert post(api, "logout", refresh=ada.refresh).status_code == 401
    assert post(ada.api, "logout").status_code == 422
    assert post(ada.api, "logout", refresh=ada.access).status_code == 422
    assert ada.is_let_in()


def test_logout_all_ends_every_session_and_no_one_elses(ada, stranger):
    other_device = sign_in(ada.user)
    assert post(ada.api, "logout-all").status_code == 204
    for device in (ada, other_device):
        assert not device.is_let_in()
        assert not device.can_refresh()
    assert stranger.is_let_in()
    assert sign_in(ada.user).is_let_in()


def test_deactivation_ends_every_session_and_reactivation_revives_none(ada):
    user_deactivate(user_id=ada.user.id)
    answer = ada.api.get("/api/v1/auth/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "account_inactive")
    user_activate(user_id=ada.user.id)
    assert not ada.is_let_in()
    assert sign_in(ada.user).is_let_in()


def test_an_account_switched_off_by_hand_is_refused_at_once(ada):
    User.objects.filter(id=ada.user.id).update(is_active=False)
    assert not ada.is_let_in()


def test_a_deleted_person_is_refused(ada):
    ada.user.delete()
    answer = ada.api.get("/api/v1/auth/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert not Session.objects.exists()


def test_a_password_set_by_the_admin_or_a_command_ends_every_session(ada, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda prompt: "another long passphrase")
    call_command("changepassword", "ada@example.com", verbosity=0)
    assert not ada.is_let_in()
    assert not ada.can_refresh()


def test_createsuperuser_makes_somebody_who_can_sign_in_with_an_address(monkeypatch, db):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", email="Root@Example.com", interactive=False, verbosity=0)
    root = User.objects.get_by_natural_key("ROOT@example.com")
    assert root.is_staff
    assert root.is_superuser
    assert sign_in(root).is_let_in()


@pytest.mark.parametrize("end", [sessions_revoke_all, user_deactivate])
def test_the_admins_cookie_session_ends_as_well(rf, end):
    staff = UserFactory(is_staff=True)
    request = rf.get("/admin/")
    request.session = SessionStore()
    login(request, authenticate(email=staff.email, password=PASSWORD))
    assert get_user(request) == staff
    end(user_id=staff.id)
    assert get_user(request).is_anonymous


def test_signing_in_to_the_admin_with_an_outdated_hash_works_at_once(rf, settings):
    staff = UserFactory(is_staff=True)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher", *settings.PASSWORD_HASHERS]
    request = rf.get("/admin/")
    request.session = SessionStore()
    login(request, authenticate(email=staff.email, password=PASSWORD))
    assert User.objects.get().password.startswith("scrypt$")
    assert get_user(request) == staff


def test_a_rename_through_the_orm_ends_no_session(ada):
    ada.user.name = "Augusta"
    ada.user.save()
    assert ada.is_let_in()
