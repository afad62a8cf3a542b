"""Who sees what, decided once. The hot statements of `queries/` say the same in SQL; a test compares the two."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.db import models

if TYPE_CHECKING:
    from conversations.models import Conversation, Message  # noqa: F401  ruff does not see them in the strings


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user: Any) -> Self:
        """What the user may read: their own."""
        return self.filter(user_id=user.pk)

    def active(self) -> Self:
        return self.filter(deleted_at__isnull=True)

    def in_trash(self) -> Self:
        return self.filter(deleted_at__isnull=False)

    def in_trash_since_before(self, moment: datetime) -> Self:
        return self.filter(deleted_at__lt=moment)


class MessageQuerySet(models.QuerySet["Message"]):
    def visible_to(self, user: Any) -> Self:
        """What the user may read: the messages of their own conversations."""
        return self.filter(user_id=user.pk)

    def active(self) -> Self:
        """Neither in the trash itself nor in a conversation that is."""
        return self.filter(deleted_at__isnull=True, conversation__deleted_at__isnull=True)
