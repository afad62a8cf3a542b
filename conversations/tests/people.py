"""People for tests, and clients that are signed in."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import factory
from django.db import connection
from django.utils import timezone
from factory.django import DjangoModelFactory
from rest_framework.test import APIClient

from accounts.models import Session, User
from accounts.tests.factories import UserFactory
from accounts.tokens import Claims, issue_pair
from conversations.models import Conversation, Message, Role
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
