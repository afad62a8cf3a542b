"""The tests' people: an owner, another user who owns something too, and an outsider."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conversations.tests.people import WatchedClient


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def _files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(autouse=True)
def _own_files(settings: Any, _files: Any) -> None:
    """What is uploaded and exported in tests lies apart from what `make run` keeps."""
    settings.UPLOAD_DIR = _files / "uploads"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": _files / "kept"},
        },
    }


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
