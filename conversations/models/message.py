"""A message: one row each, never a blob of a whole chat."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from chatstore.owned import OwnedForeignKey, OwnedModel
from conversations.querysets import MessageQuerySet


class Role(models.TextChoices):
    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Status(models.TextChoices):
    COMPLETE = "complete"
    STREAMING = "streaming"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class Message(OwnedModel):
    """One utterance. The tree is `parent` alone: children are derived, never stored."""

    conversation = OwnedForeignKey("Conversation", models.CASCADE, related_name="messages")
    parent = OwnedForeignKey("self", models.CASCADE, within="conversation", null=True, blank=True, related_name="+")
    role = models.TextField(choices=Role)
    content = models.TextField(blank=True, default="", db_default="")
    parts = models.JSONField(default=list, blank=True, db_default=[])  # structured content, verbatim
    status = models.TextField(choices=Status, default=Status.COMPLETE, db_default=Status.COMPLETE)
    model = models.TextField(null=True, blank=True)
    tool_calls = models.JSONField(null=True, blank=True)
    tool_results = models.JSONField(null=True, blank=True)
    sources = models.JSONField(null=True, blank=True)
    selected_text = models.TextField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True, db_default={})
    language = models.TextField(null=True, blank=True)
    tokens_in = models.PositiveIntegerField(null=True, blank=True)  # null: the source does not say. 0: it says none.
    tokens_out = models.PositiveIntegerField(null=True, blank=True)
    tokens_used = models.PositiveIntegerField(null=True, blank=True)
    cost_cents = models.DecimalField(max_digits=20, decimal_places=8, null=True, blank=True)
    response_cached = models.BooleanField(null=True, blank=True)
    response_time_ms = models.PositiveIntegerField(null=True, blank=True)
    hidden = models.BooleanField(default=False, db_default=False)
    version = models.PositiveIntegerField(default=1, db_default=1)  # its strong ETag

    external_id = models.TextField(null=True, blank=True)
    raw = models.JSONField(null=True, blank=True)  # the record as its source had it

    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        indexes = [
            # HISTORY_PAGE, CONTEXT: one conversation in reading order, from either end, without a sort.
            models.Index(fields=["user", "conversation", "created_at", "id"], name="message_reading_order"),
            # The cascade from a parent, by all its columns: with fewer, the planner may read the whole conversation for
            # each of its messages when it is deleted.
            models.Index(
                fields=["user", "conversation", "parent"], name="message_children", condition=Q(parent__isnull=False)
            ),
            # STANDING: 403 or 404 for an id that is not the reader's own; the key begins with the user.
            models.Index(fields=["id"], name="message_by_id"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(role__in=Role.values), name="message_role_known"),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="message_status_known"),
            models.CheckConstraint(condition=~Q(parent=F("id")), name="message_not_its_own_parent"),
            models.CheckConstraint(
                condition=Q(cost_cents__isnull=True) | Q(cost_cents__gte=0), name="message_cost_not_negative"
            ),
            # What `parent` refers to: a parent is of the same conversation.
            models.UniqueConstraint(fields=["user", "conversation", "id"], name="message_in_conversation"),
            models.UniqueConstraint(
                fields=["user", "conversation", "external_id"],
                condition=Q(external_id__isnull=False),
                name="message_imported_once",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
