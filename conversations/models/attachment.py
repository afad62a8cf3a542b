"""Files that came with messages: what is known of them stands here, their bytes in Django's default storage."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from chatstore.owned import OwnedForeignKey, OwnedModel


class Attachment(OwnedModel):
    """A file that came with a message, whether its bytes are here or not."""

    conversation = OwnedForeignKey("Conversation", models.CASCADE, related_name="attachments")
    message = OwnedForeignKey("Message", models.CASCADE, within="conversation", related_name="attachments")
    external_id = models.TextField()
    name = models.TextField(blank=True, default="", db_default="")  # as the source has it: never used as a path
    media_type = models.TextField(blank=True, default="", db_default="")  # the source's word for it: never believed
    size = models.PositiveBigIntegerField(null=True, blank=True)  # of the bytes here; of missing ones, what was said
    text = models.TextField(blank=True, default="", db_default="")  # what the vendor read out of the file
    raw = models.JSONField(null=True, blank=True)  # the record as its source had it
    sha256 = models.TextField(null=True, blank=True)  # of the bytes here, in hex; their strong ETag
    file = models.TextField(blank=True, default="", db_default="")  # the storage's name for them, made of our own ids
    missing = models.TextField(null=True, blank=True)  # why there are no bytes; null: they are here
    created_at = models.DateTimeField(db_default=Now())  # the message's time

    class Meta:
        indexes = [
            # ATTACHMENT_PAGE: those of a conversation in reading order, without a sort.
            models.Index(fields=["user", "conversation", "created_at", "id"], name="attachment_reading_order"),
            # REFUSAL: 403 or 404 for an id that is not the reader's own; the key begins with the user.
            models.Index(fields=["id"], name="attachment_by_id"),
        ]
        constraints = [
            # The cascade from a message, too: it begins with all the columns of the reference.
            models.UniqueConstraint(
                fields=["user", "conversation", "message", "external_id"], name="attachment_imported_once"
            ),
            # A storage's name belongs to one row: deleting that row may delete the file.
            models.UniqueConstraint(fields=["user", "file"], condition=~Q(file=""), name="attachment_owns_its_file"),
            models.CheckConstraint(
                condition=(~Q(file="") & Q(missing__isnull=True)) | (Q(file="") & Q(missing__isnull=False)),
                name="attachment_here_or_missing",
            ),
            models.CheckConstraint(
                condition=Q(file="", sha256__isnull=True)
                | (~Q(file="") & Q(sha256__isnull=False, sha256__regex="^[0-9a-f]{64}$", size__isnull=False)),
                name="attachment_bytes_known",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)  # never the name: it would reach logs and the admin's history
