"""POST /auth/token: one refusal, whatever its cause."""

import time

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission

from accounts.models import Session, User
from accounts.tests.conftest import bearer, post, sign_in
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


def refusal(api, email, password):
    answer = post(api, "token", email=email, password=password)
    body = answer.json()
    return answer.status_code, answer["WWW-Authenticate"], body["code"], body["title"], body["detail"]


def test_every_refusal_reads_the_same(api):
    UserFactory(email="ada@example.com")
    UserFactory(email="gone@example.com", is_active=False)
    UserFactory(email="elsewhere@example.com", password=None)
    refusals = {
        refusal(api, "ada@example.com", "wrong"),
        refusal(api, "nobody@example.com", PASSWORD),
        refusal(api, "gone@example.com", PASSWORD),
        refusal(api, "elsewhere@example.com", "!"),
        refusal(api, "no address at all \0", PASSWORD),
        refusal(api, "ada@example.com", "nul \0"),
    }
    assert len(refusals) == 1
    [(status, challenge, code, _, _)] = refusals
    assert (status, code) == (401, "invalid_credentials")
    assert challenge.startswith("Bearer ")


def test_lone_surrogates_are_a_wrong_password(api):
    UserFactory(email="ada@example.com")
    body = b'{"email": "ada@example.com", "password": "\\ud800"}'
    assert api.post("/api/v1/auth/token", body, content_type="application/json").status_code == 401


def test_every_refusal_takes_the_same_time(api, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    UserFactory(email="ada@example.com")
    UserFactory(email="gone@example.com", is_active=False)
    UserFactory(email="elsewhere@example.com", password=None)
    started = time.thread_time()
    make_password(PASSWORD)
    one_hash = time.thread_time() - started
    for email in ("ada@example.com", "nobody@example.com", "gone@example.com", "elsewhere@example.com"):
        started = time.thread_time()
        assert refusal(api, email, "wrong")[0] == 401
        assert 0.4 < (time.thread_time() - started) / one_hash < 2.5, email  # without: 0.01


def test_a_request_without_a_token_is_told_how(api):
    answer = api.get("/api/v1/auth/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer["Content-Type"] == "application/problem+json"


def test_a_hash_of_outdated_strength_is_renewed_and_nobody_signed_out(api, settings):
    user = UserFactory()
    before = sign_in(user)
    old = user.password
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher", *settings.PASSWORD_HASHERS]
    assert sign_in(user).is_let_in()
    user.refresh_from_db()
    assert user.password != old
    assert user.password.startswith("scrypt$")
    assert before.is_let_in()


def test_expired_sessions_go_with_the_next_sign_in(settings):
    user = UserFactory()
    sign_in(user)
    Session.objects.filter(user=user).update(expires_at="2020-01-01T00:00:00Z")
    sign_in(user)
    assert Session.objects.filter(user=user).count() == 1


def test_the_user_of_a_request_has_permissions_as_everywhere(rf):
    from accounts.api.authentication import BearerAuthentication

    user = UserFactory(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_user"))
    request = rf.get("/", headers={"Authorization": f"bearer  {sign_in(user).access}"})
    found, claims = BearerAuthentication().authenticate(request)
    assert isinstance(found, User)
    assert found == user
    assert (found.is_authenticated, found.is_staff, found.email) == (True, True, user.email)
    assert found.has_perm("accounts.view_user")
    assert not found.has_perm("accounts.delete_user")
    assert found.name == "Ada"  # deferred: read when it is asked for
    assert claims.user_id == user.id


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Token abc", "Bearer a b c", "Bearer \xff.b.c"]
)
def test_odd_authorization_headers_are_401(api, header):
    answer = api.get("/api/v1/auth/me", headers={"Authorization": header})
    assert answer.status_code == 401


def test_open_endpoints_do_not_look_at_a_token(ada):
    assert post(bearer("rubbish"), "token", email="ada@example.com", password=PASSWORD).status_code == 200
