"""The tests' people: an owner, another user who owns something too, and an outsider."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conversations.tests.people import WatchedClient


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def user(db: None) -> Any:
    """The person most tests are about."""
    from accounts.tests.factories import UserFactory

    return UserFactory()


@pytest.fixture
def owner(user: Any) -> "WatchedClient":
    """A client signed in as `user`."""
    from conversations.tests.people import client_of

    return client_of(user)


@pytest.fixture
def stranger(db: None) -> "WatchedClient":
    """Signed in, owner of a conversation with a message, with no right to anything else."""
    from conversations.tests.people import ConversationFactory, MessageFactory, client_of

    conversation = ConversationFactory()
    MessageFactory(conversation=conversation)
    return client_of(conversation.user)


@pytest.fixture
def outsider(db: None) -> Any:
    """Without a token."""
    from rest_framework.test import APIClient

    return APIClient(raise_request_exception=False)
