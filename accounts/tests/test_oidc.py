"""Tokens of an outside identity provider, over real HTTP."""

import base64
import hmac
import json
import threading
import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.checks import run_checks
from django.db import connection, transaction
from django.utils import timezone

from accounts import oidc
from accounts.actions.users import user_deactivate, user_from_oidc
from accounts.models import User
from accounts.tests.conftest import bearer, in_threads, post, sign_in
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.identity_provider import AUDIENCE, IdentityProvider

pytestmark = pytest.mark.django_db
ME = "/api/v1/auth/me"


@pytest.fixture
def provider(settings):
    provider = IdentityProvider()
    settings.OIDC_ISSUER, settings.OIDC_AUDIENCE = provider.issuer, AUDIENCE
    settings.OIDC_ALGORITHMS = ["RS256", "ES256"]
    settings.OIDC_JWKS_URL = provider.jwks_url
    oidc.published_keys.cache_clear()
    yield provider
    provider.stop()


@pytest.fixture
def impatient(monkeypatch):
    """Keys are fresh for no time, and may be asked for at any time."""
    monkeypatch.setattr(oidc, "FRESH_SECONDS", 0)
    monkeypatch.setattr(oidc, "COOLDOWN_SECONDS", 0)


def me(token):
    return bearer(token).get(ME)


def verdict(token):
    answer = me(token)
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("kid", ["rsa-1", "ec-1"])
def test_a_person_is_created_at_first_sight_and_known_at_the_second(provider, kid):
    claims = {"email": "Ada@Example.com", "email_verified": True, "name": "Ada"}
    first = me(provider.token(kid, **claims))
    assert first.status_code == 200
    assert (first.json()["email"], first.json()["name"]) == ("ada@example.com", "Ada")
    assert me(provider.token(kid, name="Somebody else")).json() == first.json()
    assert User.objects.count() == 1
    assert provider.requests == 1
    assert not User.objects.get().has_usable_password()


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "ada@example.com"},
        {"email": "ada@example.com", "email_verified": False},
        {"email": "ada@example.com", "email_verified": 1},
        {"email": "no address", "email_verified": True},
        {"email": ["ada@example.com"], "email_verified": True},
        {"email_verified": True},
    ],
    ids=str,
)
def test_an_address_that_is_not_vouched_for_is_not_taken(provider, claims):
    assert me(provider.token(**claims)).json()["email"] is None


def test_a_local_account_with_that_address_is_not_taken_over(provider):
    ada = sign_in(UserFactory(email="ada@example.com"))
    claims = {"email": "ada@example.com", "email_verified": True}
    other = me(provider.token(**claims)).json()
    assert other["id"] != str(ada.user.id)
    assert other["email"] is None
    assert ada.api.get(ME).json()["email"] == "ada@example.com"
    assert me(provider.token(sub="subject-2", **claims)).json()["email"] is None
    assert User.objects.count() == 3


def test_a_person_of_the_provider_cannot_sign_in_with_a_password(provider, api):
    me(provider.token(email="ada@example.com", email_verified=True))
    for password in (PASSWORD, "", "!"):
        assert post(api, "token", email="ada@example.com", password=password or "x").status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another service"},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": "nul \0"},
        {"sub": 7},
        {"iat": None},
        {"exp": None},
        {"iss": None},
        {"iat": int(time.time()) + 3_600},
        {"nbf": int(time.time()) + 3_600},
    ],
    ids=lambda claims: "-".join(claims),  # not the values: a time would name each worker's test otherwise
)
def test_a_claim_that_does_not_fit_is_refused(provider, claims):
    assert verdict(provider.token(**claims)) == (401, "token_invalid")
    assert not User.objects.exists()


def test_an_expired_token_says_so(provider):
    assert verdict(provider.token(exp=int(time.time()) - 60)) == (401, "token_expired")


def test_one_audience_of_several_will_do(provider):
    assert me(provider.token(aud=["another service", AUDIENCE])).status_code == 200


def test_a_token_signed_by_somebody_else_is_refused(provider):
    foreign = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    assert verdict(provider.token(key=foreign)) == (401, "token_invalid")


def test_the_public_key_is_no_shared_secret(provider):
    _, payload, _ = provider.token().split(".")
    for algorithm in ("HS256", "none"):
        header = json.dumps({"alg": algorithm, "typ": "JWT", "kid": "rsa-1"}).encode()
        body = f"{base64.urlsafe_b64encode(header).rstrip(b'=').decode()}.{payload}"
        signature = hmac.digest(provider.document(), body.encode(), "sha256") if algorithm == "HS256" else b""
        token = f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        assert verdict(token) == (401, "token_invalid")


def test_a_published_symmetric_key_is_not_used(provider, settings):
    settings.OIDC_ALGORITHMS = ["RS256", "HS256"]
    secret = b"k" * 32
    provider.extra = [{"kty": "oct", "kid": "shared", "alg": "HS256", "k": base64.urlsafe_b64encode(secret).decode()}]
    assert verdict(provider.token("shared", key=secret, algorithm="HS256")) == (401, "token_invalid")
    assert me(provider.token()).status_code == 200


def test_an_algorithm_that_is_not_configured_is_refused(provider, settings):
    settings.OIDC_ALGORITHMS = ["ES256"]
    assert verdict(provider.token("rsa-1")) == (401, "token_invalid")
    assert me(provider.token("ec-1")).status_code == 200


def test_without_a_kid_a_single_key_will_do(provider):
    del provider.keys["ec-1"]
    assert me(provider.token(None)).status_code == 200


def test_without_a_kid_several_keys_will_not(provider):
    assert verdict(provider.token(None)) == (401, "token_invalid")


def test_a_new_key_is_fetched_when_it_turns_up(provider, impatient):
    assert me(provider.token()).status_code == 200
    provider.keys["rsa-2"] = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    assert me(provider.token("rsa-2")).status_code == 200


def test_a_withdrawn_key_is_refused(provider, impatient):
    token = provider.token()
    assert me(token).status_code == 200
    del provider.keys["rsa-1"]
    assert verdict(token) == (401, "token_invalid")


def test_junk_kids_make_nobody_hammer_the_provider(provider):
    tokens = [provider.token(f"junk-{number}", key=provider.keys["rsa-1"]) for number in range(20)]
    assert {verdict(token) for token in tokens} == {(401, "token_invalid")}
    assert provider.requests == 1
    assert me(provider.token()).status_code == 200


def test_a_provider_that_is_away_is_503_and_asked_seldom(provider):
    provider.stop()
    for _ in range(3):
        answer = me(provider.token())
        assert (answer.status_code, answer.json()["code"]) == (503, "identity_provider_unavailable")
        assert int(answer["Retry-After"]) > 0
    provider.restart()
    assert me(provider.token()).status_code == 503  # the next attempt is due in COOLDOWN_SECONDS
    assert provider.requests == 0


def test_it_is_asked_again_when_it_is_back(provider, impatient):
    provider.stop()
    assert me(provider.token()).status_code == 503
    provider.restart()
    assert me(provider.token()).status_code == 200


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"keys": []}', b'{"keys": [7]}', b'{"keys": 7}', b"\xff"])
def test_an_answer_that_holds_no_keys_is_an_outage(provider, body):
    provider.body = body
    assert verdict(provider.token()) == (503, "identity_provider_unavailable")


def test_known_keys_survive_an_outage_for_a_while(provider, impatient, monkeypatch):
    assert me(provider.token()).status_code == 200
    provider.stop()
    assert me(provider.token()).status_code == 200
    monkeypatch.setattr(oidc, "KEPT_SECONDS", 0)
    assert me(provider.token()).status_code == 503
    provider.restart()


def test_our_own_tokens_need_no_provider(provider):
    ada = sign_in(UserFactory())
    provider.stop()
    assert ada.is_let_in()
    assert provider.requests == 0
    provider.restart()


def test_without_a_configured_issuer_its_tokens_are_refused(provider, settings):
    settings.OIDC_ISSUER = ""
    assert verdict(provider.token()) == (401, "token_invalid")
    assert provider.requests == 0


def test_logout_all_refuses_what_was_issued_before(provider):
    old = provider.token(iat=int(time.time()) - 60)
    assert post(bearer(old), "logout-all").status_code == 204
    assert verdict(old) == (401, "token_revoked")
    User.objects.update(tokens_valid_after=timezone.now() - timedelta(seconds=5))
    assert verdict(old) == (401, "token_revoked")
    assert me(provider.token()).status_code == 200


def test_a_deactivated_person_is_refused(provider):
    token = provider.token()
    user_deactivate(user_id=me(token).json()["id"])
    assert verdict(token) == (401, "account_inactive")


@pytest.mark.django_db(transaction=True)
def test_eight_first_requests_at_once_make_one_person(provider):
    token = provider.token(email="ada@example.com", email_verified=True)
    answers = in_threads(*[lambda: me(token)] * 8)
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["email"] for answer in answers} == {"ada@example.com"}
    assert User.objects.count() == 1
    assert provider.requests == 1


@pytest.mark.django_db(transaction=True)
def test_two_people_with_one_address_at_once_both_come_in(provider):
    claims = {"email": "ada@example.com", "email_verified": True}
    tokens = [provider.token(sub=f"subject-{number}", **claims) for number in range(4)]
    answers = in_threads(*[lambda token=token: me(token) for token in tokens])
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(str(answer.json()["email"]) for answer in answers) == ["None"] * 3 + ["ada@example.com"]


def test_who_comes_second_finds_the_person_that_the_first_one_made():
    seen = {"issuer": "https://idp.example", "subject": "subject-1", "issued_at": int(time.time()), "name": ""}
    first, second = (user_from_oidc(**seen, email="ada@example.com") for _ in range(2))
    assert first == second


@pytest.mark.django_db(transaction=True)
def test_an_address_that_is_being_taken_elsewhere_is_left_to_whoever_commits():
    made = []

    def come():
        seen = {"issuer": "https://idp.example", "subject": "subject-1", "issued_at": int(time.time()), "name": ""}
        made.append(user_from_oidc(**seen, email="ada@example.com"))
        connection.close()

    thread = threading.Thread(target=come)
    with transaction.atomic():
        UserFactory(email="ada@example.com")
        thread.start()
        thread.join(0.3)
        assert not made  # waits for the other transaction
    thread.join(10)
    assert made[0]["email"] is None
    assert made[0]["is_live"]


@pytest.mark.django_db(transaction=True)
def test_a_request_costs_two_round_trips_and_the_first_one_three(provider, django_assert_num_queries):
    token = provider.token()
    for trips in (3, 2, 2):
        with django_assert_num_queries(trips):
            assert me(token).status_code == 200


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("OIDC_AUDIENCE", "", "accounts.E002"),
        ("OIDC_JWKS_URL", "", "accounts.E003"),
        ("OIDC_JWKS_URL", "file:///etc/passwd", "accounts.E003"),
        ("OIDC_ALGORITHMS", ["RS256", "HS256"], "accounts.E004"),
        ("OIDC_ALGORITHMS", ["none"], "accounts.E004"),
        ("OIDC_ALGORITHMS", [], "accounts.E004"),
        ("JWT_KEYS", ["a:short"], "accounts.E001"),
        ("JWT_KEYS", [f"a:{'x' * 40}"], None),
    ],
)
def test_a_configuration_that_cannot_be_right_stops_the_start(provider, settings, name, value, code):
    setattr(settings, name, value)
    found = {message.id for message in run_checks(tags=["security"]) if message.id.startswith("accounts.")}
    assert found == ({code} if code else set())
