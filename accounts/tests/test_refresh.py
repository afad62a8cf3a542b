"""POST /auth/token/refresh: a refresh token works once (hostile.md 29)."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.actions.users import user_deactivate
from accounts.models import Session
from accounts.tests.conftest import SignedIn, in_threads, post, sign_in
from accounts.tests.factories import UserFactory
from accounts.tokens import AccessToken, RefreshToken, read_token

pytestmark = pytest.mark.django_db


def refreshed(person: SignedIn) -> SignedIn:
    answer = post(APIClient(), "token/refresh", refresh=person.refresh)
    assert answer.status_code == 200, answer.content
    assert set(answer.json()) == {"access", "refresh"}
    return SignedIn(person.user, **answer.json())


def test_each_pair_gets_the_next(ada):
    second = refreshed(ada)
    third = refreshed(second)
    assert len({ada.refresh, second.refresh, third.refresh}) == 3
    assert third.is_let_in()
    assert ada.is_let_in()  # the same session: an access token lives out its minutes
    assert Session.objects.count() == 1


def test_a_dead_one_ends_the_whole_family(ada):
    other_device = sign_in(ada.user)
    second = refreshed(ada)
    answer = post(APIClient(), "token/refresh", refresh=ada.refresh)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_reused")
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]
    assert not second.is_let_in()
    assert not second.can_refresh()
    assert Session.objects.get(id=read_token(AccessToken, ada.access).session_id).revoked_reason == "reused"
    assert other_device.is_let_in()


@pytest.mark.django_db(transaction=True)
def test_of_eight_parallel_refreshes_exactly_one_succeeds():
    ada = sign_in(UserFactory())
    answers = in_threads(*[lambda: post(APIClient(), "token/refresh", refresh=ada.refresh)] * 8)
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    assert {answer.json()["code"] for answer in answers if answer.status_code == 401} <= {
        "token_reused",
        "token_revoked",
    }
    [winner] = [SignedIn(ada.user, **answer.json()) for answer in answers if answer.status_code == 200]
    assert not winner.is_let_in()  # nobody can tell which of the eight was the thief
    assert not winner.can_refresh()


def test_a_session_lives_on_from_refresh_to_refresh(ada, settings):
    soon = timezone.now() + timedelta(minutes=1)
    Session.objects.filter(user=ada.user).update(expires_at=soon)
    refreshed(ada)
    session = Session.objects.get(user=ada.user)
    assert session.expires_at > timezone.now() + timedelta(seconds=settings.REFRESH_TOKEN_SECONDS - 60)


def test_an_expired_session_is_over_whatever_its_tokens_say(ada):
    Session.objects.filter(user=ada.user).update(expires_at=timezone.now())
    assert not ada.is_let_in()
    assert not ada.can_refresh()


def test_an_expired_token_says_so(ada):
    claims = read_token(RefreshToken, ada.refresh)
    expired = RefreshToken()
    expired.payload |= {"sub": str(claims.user_id), "sid": str(claims.session_id), "jti": claims.jti.hex}
    expired.set_exp(lifetime=timedelta(seconds=-1))
    answer = post(APIClient(), "token/refresh", refresh=str(expired))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_expired")
    assert ada.can_refresh()


def test_deactivation_and_erasure_end_it(ada, stranger):
    user_deactivate(user_id=ada.user.id)
    assert not ada.can_refresh()
    stranger.user.delete()
    assert not stranger.can_refresh()


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 4_096, "\0", "é.é.é"])
def test_rubbish_is_401(api, token):
    answer = post(api, "token/refresh", refresh=token)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


def test_what_is_no_text_is_422(api):
    assert post(api, "token/refresh", refresh=7).status_code == 422
    assert post(api, "token/refresh").status_code == 422
    assert post(api, "token/refresh", refresh="x" * 5_000).status_code == 422


def test_an_access_token_refreshes_nothing(ada):
    answer = post(APIClient(), "token/refresh", refresh=ada.access)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
