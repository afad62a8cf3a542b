"""Imports and exports: what was asked for, how far it is, and what became of each item.

The queue (procrastinate) holds ids only. All that a person may see of a job, and all that must go with the person,
stands here.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from chatstore.owned import OwnedForeignKey, OwnedModel


class JobStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (JobStatus.QUEUED, JobStatus.RUNNING)


class Outcome(models.TextChoices):
    IMPORTED = "imported"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


class Job(OwnedModel):
    """What imports and exports have in common.

    `attempt` counts the workers that took it up: whoever is not the last one writes nothing any more, so a job that is
    run twice at once is harmless. `heartbeat_at` is when the worker was last heard of.
    """

    status = models.TextField(choices=JobStatus, default=JobStatus.QUEUED)
    reason = models.TextField(blank=True, default="", db_default="")  # why it failed or stopped; stable snake_case
    detail = models.TextField(blank=True, default="", db_default="")  # the same in words; never text of a chat
    attempt = models.PositiveIntegerField(default=0, db_default=0)
    done = models.PositiveIntegerField(default=0, db_default=0)  # items
    total = models.PositiveIntegerField(null=True, blank=True)  # null: not known before the end
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(db_default=Now())

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.id)


class ImportJob(Job):
    """One import. Conversations are counted by outcome, messages too; a skipped or failed item is one item."""

    format_asked = models.TextField(default="auto", db_default="auto")
    format = models.TextField(blank=True, default="", db_default="")  # what it turned out to be; "" until then
    files = ArrayField(models.TextField(), default=list, blank=True, db_default=[])  # their names are of our making
    resumed = models.BooleanField(default=False, db_default=False)  # a later attempt went on where an earlier one ended
    bytes_done = models.PositiveBigIntegerField(default=0, db_default=0)
    bytes_total = models.PositiveBigIntegerField(default=0, db_default=0)

    conversations_imported = models.PositiveIntegerField(default=0, db_default=0)
    conversations_updated = models.PositiveIntegerField(default=0, db_default=0)
    conversations_unchanged = models.PositiveIntegerField(default=0, db_default=0)
    conversations_skipped = models.PositiveIntegerField(default=0, db_default=0)
    conversations_failed = models.PositiveIntegerField(default=0, db_default=0)
    imported_count = models.PositiveIntegerField(default=0, db_default=0)
    updated_count = models.PositiveIntegerField(default=0, db_default=0)
    unchanged_count = models.PositiveIntegerField(default=0, db_default=0)
    attachments_stored = models.PositiveIntegerField(default=0, db_default=0)
    attachments_missing = models.PositiveIntegerField(default=0, db_default=0)
    documents_imported = models.PositiveIntegerField(default=0, db_default=0)
    documents_updated = models.PositiveIntegerField(default=0, db_default=0)
    documents_unchanged = models.PositiveIntegerField(default=0, db_default=0)
    documents_failed = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        indexes = [
            # IMPORT_PAGE: the list, newest first, without a sort.
            models.Index(fields=["user", "created_at", "id"], name="import_by_creation"),
            # STANDING: 403 or 404 for an id that is not the reader's own; the key begins with the user.
            models.Index(fields=["id"], name="import_by_id"),
            # LEFT_BEHIND: what has lost its worker; few rows, of everybody.
            models.Index(fields=["heartbeat_at"], name="import_open", condition=Q(status__in=["queued", "running"])),
            # EXPIRED: files that nobody came back for.
            models.Index(fields=["finished_at"], name="import_with_files", condition=~Q(files=[])),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=JobStatus.values), name="import_status_known"),
        ]


class ImportItem(OwnedModel):
    """What became of one item of an import. No foreign key to the conversation: the report tells of what is gone."""

    job = OwnedForeignKey("ImportJob", models.CASCADE, related_name="items")
    index = models.PositiveIntegerField()  # its place among all that was read
    place = models.PositiveBigIntegerField()  # in the report: what failed first, then what was skipped, then the rest
    external_id = models.TextField(null=True, blank=True)
    outcome = models.TextField(choices=Outcome)
    reason = models.TextField(blank=True, default="", db_default="")
    detail = models.TextField(blank=True, default="", db_default="")
    pointer = models.TextField(null=True, blank=True)  # RFC 6901, into the JSON text that the item stands in
    conversation_id = models.UUIDField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="import_item_outcome_known"),
            # IMPORT_ITEMS: the report in its order, without a sort; and the cascade from the job.
            models.UniqueConstraint(fields=["user", "job", "place"], name="import_item_once"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class ExportJob(Job):
    """One export, and the file that it made. `conversations` are the ids wanted; empty: the whole account."""

    format = models.TextField()
    conversations = ArrayField(models.UUIDField(), default=list, blank=True, db_default=[])
    redact = models.BooleanField(default=False, db_default=False)
    file = models.TextField(blank=True, default="", db_default="")  # its name in the storage, of our making
    size = models.PositiveBigIntegerField(null=True, blank=True)  # bytes
    sha256 = models.BinaryField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            # EXPORT_PAGE: the list, newest first, without a sort.
            models.Index(fields=["user", "created_at", "id"], name="export_by_creation"),
            # STANDING: 403 or 404 for an id that is not the reader's own; the key begins with the user.
            models.Index(fields=["id"], name="export_by_id"),
            # LEFT_BEHIND: what has lost its worker; few rows, of everybody.
            models.Index(fields=["heartbeat_at"], name="export_open", condition=Q(status__in=["queued", "running"])),
            # EXPIRED: files whose time is over.
            models.Index(fields=["expires_at"], name="export_with_file", condition=~Q(file="")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=JobStatus.values), name="export_status_known"),
        ]
