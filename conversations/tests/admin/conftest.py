"""Support staff, and a person whose conversation holds words that only few may see."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from accounts.tests.factories import UserFactory
from conversations.actions.conversations import conversation_create
from conversations.drafts import ConversationDraft, MessageDraft
from conversations.models import Conversation, Message

LIST, PEOPLE = "/admin/conversations/conversation/", "/admin/accounts/user/"
SUPPORT = ("view_user", "change_user", "view_session", "view_conversation", "change_conversation", "view_message")
SECRET = "xylophone"  # in every field with content, and nowhere else


def staff_client(*codenames: str, **fields: Any) -> Client:
    """A client of a member of the staff with these permissions."""
    user = UserFactory(is_staff=True, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    client.user = user
    return client


def talk(owner: User, *messages: MessageDraft, **fields: Any) -> Conversation:
    row, _ = conversation_create(user_id=owner.pk, draft=ConversationDraft(messages=list(messages), **fields))
    return Conversation.objects.get(user=owner, id=row["id"])


def page(conversation: Conversation, rest: str = "change") -> str:
    return f"{LIST}{conversation.user_id}.{conversation.pk}/{rest}/"


def message_pages(conversation: Conversation) -> list[str]:
    return [
        page(conversation, f"messages/{message.pk}") for message in conversation.messages.order_by("created_at", "id")
    ]


@pytest.fixture
def support(db: None) -> Client:
    """May see and do what support does, and no content."""
    return staff_client(*SUPPORT)


@pytest.fixture
def trusted(db: None) -> Client:
    """The same, and may see content."""
    return staff_client(*SUPPORT, "view_content")


@pytest.fixture
def secret(user: User) -> Conversation:
    """The word SECRET wherever people's words may be."""
    message = MessageDraft(
        role="user",
        content=f"my {SECRET}",
        parts=[{"type": "text", "text": SECRET}],
        tool_calls=[{SECRET: 1}],
        tool_results={"a": SECRET},
        sources=[SECRET],
        selected_text=SECRET,
        metadata={SECRET: SECRET},
    )
    made = talk(user, message, title=f"a {SECRET}", tags=[SECRET], metadata={"x": SECRET})
    Conversation.objects.filter(user=user, id=made.pk).update(raw={"raw": SECRET})
    Message.objects.filter(user=user, conversation=made).update(raw={"raw": SECRET})
    return made
