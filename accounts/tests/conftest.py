"""Fast hashes, fresh throttle counters, and people who are signed in through the API."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from chatstore.throttle_rates import parse_rates


@pytest.fixture(autouse=True)
def cheap_passwords_and_fresh_counters(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.THROTTLE_RATES = parse_rates("")  # the defaults; elsewhere the tests run without
    cache.clear()


@pytest.fixture
def api() -> APIClient:
    """A client without a token."""
    return APIClient(raise_request_exception=False)


@dataclass
class SignedIn:
    """A person, what a sign-in gave them, and clients that hold it."""

    user: User
    access: str
    refresh: str

    @property
    def api(self) -> APIClient:
        return bearer(self.access)

    def is_let_in(self) -> bool:
        """Whether the access token opens the API."""
        status = self.api.get("/api/v1/auth/me").status_code
        assert status in (200, 401)
        return status == 200

    def can_refresh(self) -> bool:
        """Whether the refresh token gives a new pair (and, if so, uses it up)."""
        status = post(APIClient(), "token/refresh", refresh=self.refresh).status_code
        assert status in (200, 401)
        return status == 200


def bearer(token: str, **defaults: Any) -> APIClient:
    return APIClient(raise_request_exception=False, HTTP_AUTHORIZATION=f"Bearer {token}", **defaults)


def post(client: APIClient, path: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.post(f"/api/v1/auth/{path}", body, format="json", headers=headers or {})


def sign_in(user: User, password: str = PASSWORD) -> SignedIn:
    answer = post(APIClient(), "token", email=user.email, password=password)
    assert answer.status_code == 200, answer.content
    return SignedIn(user, **answer.json())


@pytest.fixture
def ada(db) -> SignedIn:
    return sign_in(UserFactory(email="ada@example.com"))


@pytest.fixture
def stranger(db) -> SignedIn:
    return sign_in(UserFactory())


def in_threads(*work: Callable[[], Any]) -> list[Any]:
    """Run all at once, each with a database connection of its own; what they return, in their order."""
    results: list[Any] = [None] * len(work)
    barrier = threading.Barrier(len(work))

    def run(index: int) -> None:
        barrier.wait(10)
        try:
            results[index] = work[index]()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return results
