"""People for tests, and clients that are signed in."""

from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import factory
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone
from factory.django import DjangoModelFactory
from rest_framework.test import APIClient

from accounts.models import Session, User
from accounts.tests.factories import UserFactory
from accounts.tokens import Claims, issue_pair
from conversations.models import Attachment, Conversation, Document, Message, Role
from conversations.tests.ownership import watch


class WatchedClient(APIClient):
    """A client whose requests fail the test when one of their SQL statements does not say whose rows it means."""

    def request(self, **kwargs: Any) -> Any:
        with connection.execute_wrapper(watch):
            return super().request(**kwargs)


def client_of(user: User) -> WatchedClient:
    """A client with an access token of a session that begins now."""
    session = Session.objects.create(
        user=user,
        security_stamp=user.security_stamp,
        refresh_jti=uuid4(),
        expires_at=timezone.now() + timedelta(hours=1),
    )
    token = issue_pair(Claims(user.pk, session.pk, session.refresh_jti)).access
    return WatchedClient(raise_request_exception=False, HTTP_AUTHORIZATION=f"Bearer {token}")


class ConversationFactory(DjangoModelFactory):
    class Meta:
        model = Conversation

    user = factory.SubFactory(UserFactory)
    title = factory.Sequence("conversation {}".format)


class MessageFactory(DjangoModelFactory):
    """Rows as they are; the conversation's figures are the actions' work. See `conversation_with`."""

    class Meta:
        model = Message

    conversation = factory.SubFactory(ConversationFactory)
    user = factory.SelfAttribute("conversation.user")  # a child never belongs to someone else
    role, content = Role.USER, factory.Sequence("message {}".format)


class AttachmentFactory(DjangoModelFactory):
    """One whose bytes are missing. See `attachment_with`."""

    class Meta:
        model = Attachment

    message = factory.SubFactory(MessageFactory)
    user = factory.SelfAttribute("message.user")
    conversation = factory.SelfAttribute("message.conversation")
    external_id = factory.Sequence("file-{}".format)
    name, missing = "picture.png", "not_in_export"


def attachment_with(data: bytes, message: Message, **fields: Any) -> Attachment:
    """An attachment whose bytes are in the storage."""
    file = default_storage.save(f"attachments/{message.user_id}/{uuid4()}", ContentFile(data))
    digest = sha256(data).hexdigest()
    return AttachmentFactory(message=message, file=file, sha256=digest, size=len(data), **{"missing": None, **fields})


class DocumentFactory(DjangoModelFactory):
    class Meta:
        model = Document

    user = factory.SubFactory(UserFactory)
    source, kind = "claude", "project"
    external_id = factory.Sequence("project-{}".format)
    raw = factory.LazyFunction(dict)
