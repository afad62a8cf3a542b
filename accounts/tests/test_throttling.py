"""Who tries too often waits; nobody can make somebody else wait (hostile.md 31)."""

import pytest
from rest_framework.test import APIClient

from accounts.tests.conftest import post
from accounts.tests.factories import PASSWORD, UserFactory
from chatstore.throttle_rates import parse_rates

pytestmark = pytest.mark.django_db


def attempt(email, password="wrong", address="198.51.100.1", forwarded=None):
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    return post(APIClient(REMOTE_ADDR=address), "token", email=email, password=password, headers=headers)


@pytest.fixture
def ada():
    return UserFactory(email="ada@example.com")


def exhaust(**kwargs):
    assert [attempt("ada@example.com", **kwargs).status_code for _ in range(10)] == [401] * 10


def test_after_ten_failures_an_address_waits_with_that_account(ada):
    exhaust()
    answer = attempt("ada@example.com", PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
    assert int(answer["Retry-After"]) >= 1
    assert attempt("ADA@example.com ", PASSWORD).status_code == 429
    other = UserFactory()
    assert attempt(other.email, PASSWORD).status_code == 200


def test_the_victim_signs_in_from_elsewhere(ada):
    exhaust()
    assert attempt("ada@example.com", PASSWORD, address="203.0.113.9").status_code == 200


def test_successes_do_not_count(ada):
    assert {attempt("ada@example.com", PASSWORD).status_code for _ in range(25)} == {200}


def test_an_unknown_account_is_throttled_alike():
    assert [attempt("nobody@example.com").status_code for _ in range(11)] == [401] * 10 + [429]


def test_an_address_that_tries_many_accounts_waits(ada, settings):
    settings.THROTTLE_RATES = parse_rates("login_address=5/min")
    assert [attempt(f"person{number}@example.com").status_code for number in range(6)] == [401] * 5 + [429]
    assert attempt("ada@example.com", PASSWORD).status_code == 429
    assert attempt("ada@example.com", PASSWORD, address="203.0.113.9").status_code == 200


def test_a_made_up_x_forwarded_for_is_not_believed(ada):
    statuses = [attempt("ada@example.com", forwarded=f"192.0.2.{number}").status_code for number in range(12)]
    assert statuses == [401] * 10 + [429] * 2


def test_behind_a_proxy_only_what_the_proxy_wrote_counts(ada, settings):
    settings.TRUSTED_PROXIES = 1
    statuses = [
        attempt("ada@example.com", address="10.0.0.1", forwarded=f"192.0.2.{number}, 198.51.100.7").status_code
        for number in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2
    elsewhere = attempt("ada@example.com", PASSWORD, address="10.0.0.1", forwarded="198.51.100.7, 203.0.113.9")
    assert elsewhere.status_code == 200


def test_registrations_and_refreshes_of_an_address_are_counted(settings):
    settings.THROTTLE_RATES = parse_rates("register=2/h,refresh=3/min")
    registrations = [
        post(APIClient(), "register", email=f"n{number}@example.com", password=PASSWORD).status_code
        for number in range(3)
    ]
    assert registrations == [201, 201, 429]
    assert [post(APIClient(), "token/refresh", refresh="x").status_code for _ in range(4)] == [401] * 3 + [429]


def test_throttling_can_be_off_for_load_tests(ada, settings):
    settings.THROTTLE_RATES = parse_rates("off")
    assert {attempt("ada@example.com").status_code for _ in range(15)} == {401}
