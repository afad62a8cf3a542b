"""POST /auth/password, and its races."""

import threading

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection, transaction
from rest_framework.test import APIClient

from accounts.actions.users import password_change
from accounts.models import Session
from accounts.tests.conftest import SignedIn, in_threads, post, sign_in
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
NEXT = "staple battery horse correct"


def change(person, current=PASSWORD, following=NEXT):
    return post(person.api, "password", current_password=current, new_password=following)


def test_every_session_ends_but_the_one_in_the_answer(ada):
    other_device = sign_in(ada.user)
    answer = change(ada)
    assert answer.status_code == 200
    for device in (ada, other_device):
        assert not device.is_let_in()
        assert not device.can_refresh()
    assert SignedIn(ada.user, **answer.json()).is_let_in()
    assert SignedIn(ada.user, **answer.json()).can_refresh()
    assert post(APIClient(), "token", email=ada.user.email, password=PASSWORD).status_code == 401
    assert sign_in(ada.user, NEXT).is_let_in()


def test_a_wrong_current_password_changes_nothing(ada):
    answer = change(ada, current="wrong")
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")
    assert ada.is_let_in()
    assert sign_in(ada.user).is_let_in()


def test_the_new_one_is_validated(ada):
    answer = change(ada, following="12345678")
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/new_password"}
    assert {error["code"] for error in answer.json()["errors"]} == {"password_too_common", "password_entirely_numeric"}
    assert change(ada, following="ada@example.com").json()["errors"][0]["code"] == "password_too_similar"
    assert sign_in(ada.user).is_let_in()


def test_guessing_with_a_stolen_access_token_is_throttled(ada, settings):
    statuses = [change(ada, current=f"guess {number}").status_code for number in range(12)]
    assert statuses[:10] == [403] * 10
    assert statuses[10:] == [429] * 2


def test_a_person_of_an_identity_provider_has_no_password_to_change():
    user = UserFactory()
    person = sign_in(user)
    user.set_unusable_password()
    user.save(update_fields=["password"])
    assert change(person).json()["code"] == "wrong_password"


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_with_the_same_password_one_wins():
    ada = sign_in(UserFactory())
    words = ["first passphrase, long", "second passphrase, long"]
    answers = in_threads(*[lambda word=word: change(ada, following=word) for word in words])
    assert sorted(answer.status_code for answer in answers) in ([200, 401], [200, 403])
    winner = next(number for number in (0, 1) if answers[number].status_code == 200)
    assert sign_in(ada.user, words[winner]).is_let_in()


class SlowHasher(MD5PasswordHasher):
    """A hash that takes as long as a test wants it to."""

    algorithm = "slow"
    verified, go_on = threading.Event(), threading.Event()

    def verify(self, password, encoded):
        matches = super().verify(password, encoded)
        if threading.current_thread() is not threading.main_thread():
            self.verified.set()
            assert self.go_on.wait(10)
        return matches


@pytest.mark.django_db(transaction=True)
def test_a_password_that_changes_while_it_is_being_verified_opens_nothing(settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.SlowHasher"]
    user = UserFactory()
    answers = []

    def late():
        answers.append(post(APIClient(), "token", email=user.email, password=PASSWORD))
        connection.close()

    thread = threading.Thread(target=late)
    thread.start()
    assert SlowHasher.verified.wait(10)
    password_change(user=user, current_password=PASSWORD, new_password=NEXT)
    SlowHasher.go_on.set()
    thread.join(10)
    assert (answers[0].status_code, answers[0].json()["code"]) == (401, "invalid_credentials")
    assert Session.objects.filter(user=user, revoked_at=None).count() == 1  # the change's own


@pytest.mark.django_db(transaction=True)
def test_a_sign_in_that_does_not_see_the_uncommitted_change_dies_with_it():
    user = UserFactory()
    with transaction.atomic():
        password_change(user=user, current_password=PASSWORD, new_password=NEXT)
        [late] = in_threads(lambda: sign_in(user, PASSWORD))
    assert not late.is_let_in()
    assert not late.can_refresh()


@pytest.mark.django_db(transaction=True)
def test_no_old_session_survives_a_change_that_races_sign_ins_and_refreshes():
    for _ in range(5):
        user = UserFactory()
        ada = sign_in(user)

        def login(user=user):
            answer = post(APIClient(), "token", email=user.email, password=PASSWORD)
            return SignedIn(user, **answer.json()) if answer.status_code == 200 else None

        def refresh(ada=ada):
            answer = post(APIClient(), "token/refresh", refresh=ada.refresh)
            return SignedIn(ada.user, **answer.json()) if answer.status_code == 200 else None

        changing = sign_in(user)
        changed, *others = in_threads(lambda person=changing: change(person), login, login, refresh, login)
        assert changed.status_code == 200
        for old in filter(None, others):
            assert not old.is_let_in()
            assert not old.can_refresh()
        assert SignedIn(user, **changed.json()).is_let_in()
