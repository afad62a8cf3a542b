"""A conversation: what a list shows of it, and which of its branches the reader is on."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from chatstore.owned import OwnedModel
from conversations.querysets import ConversationQuerySet


class Conversation(OwnedModel):
    """One conversation of one person. Its figures are kept with it, so that a list reads no messages."""

    title = models.TextField(blank=True, default="", db_default="")
    title_is_generated = models.BooleanField(default=False, db_default=False)
    model = models.TextField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, db_default={})
    tags = ArrayField(models.TextField(), default=list, blank=True, db_default=[])
    starred = models.BooleanField(default=False, db_default=False)
    archived = models.BooleanField(default=False, db_default=False)

    message_count = models.PositiveIntegerField(default=0, db_default=0)  # on all branches, those in the trash not
    hidden_count = models.PositiveIntegerField(default=0, db_default=0)  # of these: the hidden ones
    # The leaf the reader sees. No foreign key: it would close a circle, and its cascade would delete the conversation
    # with the message. Every action that moves it checks it, and a message goes for good only with its conversation.
    current_message_id = models.UUIDField(null=True, blank=True)
    # Whether all messages in (created_at, id) order are the active branch: then one index range reads it. Once a
    # branch begins, or an import's times contradict its tree, the branch is walked from its leaf instead.
    linear = models.BooleanField(default=True, db_default=True)
    # Goes up with every change of the conversation or of a message in it: the strong ETag of both.
    version = models.PositiveBigIntegerField(default=1, db_default=1)

    source = models.TextField(null=True, blank=True)  # the format it was imported from; null: made here
    external_id = models.TextField(null=True, blank=True)
    digest = models.BinaryField(
        null=True, blank=True
    )  # of what was imported: the same again is not compared row by row
    source_updated_at = models.DateTimeField(null=True, blank=True)  # as the newest import said: an older copy is known
    raw = models.JSONField(null=True, blank=True)  # the record as its source had it, messages excepted

    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    last_message_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        permissions = [("view_content", "Can see what people wrote: titles, messages, tags, metadata")]  # in the admin
        indexes = [
            # CONVERSATION_PAGE: the list, newest activity first, without a sort. The trash has its own.
            models.Index(
                F("user"),
                F("updated_at").desc(),
                F("id").desc(),
                name="conversation_by_activity",
                condition=Q(deleted_at__isnull=True),
            ),
            # CONVERSATION_PAGE with ordering=created_at.
            models.Index(
                fields=["user", "created_at", "id"],
                name="conversation_by_creation",
                condition=Q(deleted_at__isnull=True),
            ),
            # The trash: its list, and what is due to be emptied.
            models.Index(
                fields=["user", "deleted_at"], name="conversation_in_trash", condition=Q(deleted_at__isnull=False)
            ),
            # STANDING: 403 or 404 for an id that is not the reader's own; the key begins with the user.
            models.Index(fields=["id"], name="conversation_by_id"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(hidden_count__lte=F("message_count")), name="conversation_hidden_are_messages"
            ),
            models.CheckConstraint(
                condition=Q(external_id__isnull=True) | Q(source__isnull=False), name="conversation_external_has_source"
            ),
            models.UniqueConstraint(
                fields=["user", "source", "external_id"],
                condition=Q(external_id__isnull=False),
                name="conversation_imported_once",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)  # never the title: it would reach logs and the admin's history
