"""Answers kept for a while, so that a POST sent again does not happen again."""

from django.db import models
from django.db.models.functions import Now

from chatstore.owned import OwnedForeignKey, OwnedModel


class IdempotencyKey(OwnedModel):
    """The answer to one POST. Its `id` is made from the client's key, so the table's own key makes it unique."""

    fingerprint = models.BinaryField()  # SHA-256 of method, path and body
    status = models.PositiveSmallIntegerField()
    body = models.TextField()  # the answer as JSON text: jsonb would reorder its keys
    # Of the ETag that came with it; null: it had none.
    version = models.PositiveBigIntegerField(null=True, blank=True)
    # What it is about: an answer that quotes a conversation goes for good together with it.
    conversation = OwnedForeignKey("Conversation", models.CASCADE, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # The cascade from a conversation that is deleted for good.
            models.Index(fields=["user", "conversation"], name="idempotency_conversation"),
            # Expiry, in batches by age.
            models.Index(fields=["created_at"], name="idempotency_by_age"),
        ]

    def __str__(self) -> str:
        return str(self.id)
