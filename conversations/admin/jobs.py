"""Imports and exports: how far they are and how they ended. What was said is not there to be seen."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest

from accounts.admin.records import Deed, Panel, RecordAdmin, staff_of
from accounts.admin.texts import NOTHING, as_uuid, isolated, moment
from conversations.actions.imports import import_cancel
from conversations.models import ImportItem
from conversations.models.job import OPEN, Job

TROUBLES_SHOWN = 100


class JobAdmin(RecordAdmin):
    """Found by id; the newest first, for ids are made in the order of time."""

    list_display = ("id", "owner", "status", "format", "progress", "created")
    search_fields = ("id",)
    search_help_text = "The id of a job"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Uses import_by_id or export_by_id."""
        own = {"owner_email": F("user__email")} if staff_of(request).has_perm("accounts.view_user") else {}
        found: QuerySet[Any] = self.model._default_manager.annotate(**own).order_by("-id")
        return found

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        wanted: UUID | None = as_uuid(search_term)
        return queryset.filter(id=wanted) if wanted else queryset.none(), False

    @admin.display(description="Owner")
    def owner(self, job: Job) -> str:
        return isolated(vars(job).get("owner_email") or str(job.user_id))

    @admin.display(description="Items")
    def progress(self, job: Job) -> str:
        return f"{job.done:,} of {job.total:,}" if job.total is not None else f"{job.done:,}"

    @admin.display(description="Why")
    def why(self, job: Job) -> str:
        return ": ".join(filter(None, (job.reason, job.detail))) or NOTHING

    @admin.display(description="Created")
    def created(self, job: Job) -> str:
        return moment(job.created_at)

    @admin.display(description="Ended")
    def ended(self, job: Job) -> str:
        return moment(job.finished_at)


class ImportJobAdmin(JobAdmin):
    """Imports, with what went wrong in each."""

    deeds: ClassVar[Sequence[Deed]] = (
        Deed(
            "cancel",
            "Cancel",
            "Cancelled",
            "conversations.change_importjob",
            lambda job: import_cancel(user_id=job.user_id, job_id=job.pk),
            applies=lambda job: job.status in OPEN,
        ),
    )
    fields = readonly_fields = (
        "id", "owner", "status", "why", "format", "format_asked", "progress", "bytes_done", "bytes_total", "resumed",
        "attempt", "conversations_imported", "conversations_updated", "conversations_unchanged",
        "conversations_skipped", "conversations_failed", "imported_count", "updated_count", "unchanged_count",
        "attachments_stored", "attachments_missing", "documents_imported", "documents_updated", "documents_unchanged",
        "documents_failed",
        "created", "ended",
    )  # fmt: skip

    def panels_of(self, request: HttpRequest, record: Any) -> list[Panel]:
        """Uses import_item_once: what failed, then what was skipped."""
        found = ImportItem.objects.filter(user_id=record.user_id, job_id=record.pk, outcome__in=("failed", "skipped"))
        rows = [
            (item.index + 1, item.outcome, item.reason, item.detail, item.pointer or NOTHING)
            for item in found.order_by("place")[:TROUBLES_SHOWN]
        ]
        return [Panel("Troubles", ("Item", "Outcome", "Reason", "In words", "Where"), rows)]


class ExportJobAdmin(JobAdmin):
    """Exports; their files are for their owners alone."""

    fields = readonly_fields = (
        "id", "owner", "status", "why", "format", "progress", "size", "attempt", "created", "ended", "expires",
    )  # fmt: skip

    @admin.display(description="Expires")
    def expires(self, job: Any) -> str:
        return moment(job.expires_at)
