"""What an export holds beside conversations, kept whole."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from chatstore.owned import OwnedModel


class Document(OwnedModel):
    """A memory, a project, a prompt, a folder, …: shown and given back as its source had it, and no more."""

    source = models.TextField()  # the format it was imported from
    kind = models.TextField()
    external_id = models.TextField()
    title = models.TextField(blank=True, default="", db_default="")
    raw = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())  # when it was first imported
    updated_at = models.DateTimeField(db_default=Now())  # when an import last changed it

    class Meta:
        indexes = [
            # DOCUMENT_PAGE: the list, newest first, without a sort.
            models.Index(fields=["user", "created_at", "id"], name="document_by_creation"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["user", "source", "kind", "external_id"], name="document_imported_once"),
            models.CheckConstraint(condition=~Q(source="") & ~Q(kind=""), name="document_named"),
        ]

    def __str__(self) -> str:
        return str(self.id)
