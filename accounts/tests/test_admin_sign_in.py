"""Who comes into the admin, and how often somebody may guess (hostile.md 31, 32)."""

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.actions.users import user_deactivate
from accounts.tests.conftest import post
from accounts.tests.factories import PASSWORD, UserFactory
from accounts.tests.test_admin import INDEX, LOGIN, log_in, staff_client
from chatstore.throttle_rates import parse_rates

pytestmark = pytest.mark.django_db


def test_staff_come_in_with_their_address_in_any_case(db):
    UserFactory(email="sue@example.com", is_staff=True)
    assert log_in(" SUE@Example.com ")
    assert not log_in("sue@example.com", "wrong")


def test_others_do_not_come_in_and_the_refusal_is_the_same(ada):
    UserFactory(email="gone@example.com", is_staff=True, is_active=False)
    errors = set()
    for email, password in (
        ("ada@example.com", PASSWORD),
        ("ada@example.com", "wrong"),
        ("gone@example.com", PASSWORD),
        ("nobody@example.com", PASSWORD),
    ):
        assert not log_in(email, password)
        form = Client().post(LOGIN, {"username": email, "password": password}).context["form"]
        errors.add(str(form.errors))
    assert len(errors) == 1


def test_who_is_deactivated_is_out_of_the_admin_at_once(db):
    support = staff_client()
    assert support.get(INDEX).status_code == 200
    user_deactivate(user_id=support.user.pk)
    assert support.get(INDEX).status_code == 302


def test_guessing_in_the_admin_and_at_the_api_is_counted_together(db):
    UserFactory(email="sue@example.com", is_staff=True)
    for _ in range(5):
        assert not log_in("sue@example.com", "wrong", address="127.0.0.1")
        assert post(APIClient(), "token", email="sue@example.com", password="wrong").status_code == 401
    answer = Client().post(LOGIN, {"username": "SUE@example.com", "password": PASSWORD})
    assert "Too many failed attempts" in answer.content.decode()
    assert not log_in("sue@example.com", address="127.0.0.1")
    assert log_in("sue@example.com", address="203.0.113.9")  # the victim is not locked out


def test_an_address_that_tries_many_accounts_waits(settings):
    settings.THROTTLE_RATES = parse_rates("login_address=3/min")
    UserFactory(email="sue@example.com", is_staff=True)
    assert not any(log_in(f"guess{number}@example.com", "x") for number in range(3))
    assert not log_in("sue@example.com")


def test_right_passwords_of_others_than_staff_count_too(ada):
    assert not any(log_in("ada@example.com") for _ in range(11))
    assert "Too many" in Client(REMOTE_ADDR="198.51.100.1").post(
        LOGIN, {"username": "ada@example.com", "password": PASSWORD}
    ).content.decode()  # fmt: skip


@pytest.mark.parametrize(
    "email",
    ["", "\0", "a\0b@example.com", "x" * 5_000, "'; --", "%", "\ufdd0", "\ud800".encode("utf-16", "surrogatepass")],
)
def test_hostile_addresses_are_refused_and_no_fault(email):
    answer = Client().post(LOGIN, {"username": email, "password": "x"})
    assert answer.status_code == 200
    assert answer.context["form"].errors
