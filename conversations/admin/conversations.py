"""Conversations: found by id or from their owner's page, seen, moved to the trash and back, deleted for good."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.options import ModelAdmin as DjangoModelAdmin
from django.contrib.admin.utils import unquote
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from accounts.admin.lists import template
from accounts.admin.records import Deed, Link, RecordAdmin, staff_of
from accounts.admin.texts import NOTHING, as_uuid, isolated, moment
from chatstore.problems import DomainError
from conversations.actions.conversations import conversation_delete, conversation_restore, conversation_trash
from conversations.admin import filters, thread
from conversations.admin.content import OF_CONVERSATION, Kind, columns, content_seen, may_see_content, titles_seen, told
from conversations.models import Conversation

TITLE: dict[str, Kind] = {"title": "text"}
TITLE_PREVIEW = 80
PLAIN = (
    "id", "user_id", "model", "starred", "archived", "message_count", "hidden_count", "source", "external_id",
    "created_at", "updated_at", "last_message_at", "deleted_at",
)  # fmt: skip
FACTS = (
    "id", "owner", "state", "message_count", "hidden_count", "model_told", "origin", "created", "updated",
    "last_message", "thrown_away",
)  # fmt: skip
CONTENT = ("title_told", "tags_told", "metadata_told", "raw_told")


def split_key(key: str) -> dict[str, UUID]:
    """`<owner>.<id>`, as this admin's links have it, or an id alone, as people paste it; {} for what is neither."""
    owner, _, own = key.rpartition(".")
    ids = {"id": as_uuid(own)} | ({"user_id": as_uuid(owner)} if owner else {})
    found = {name: value for name, value in ids.items() if value}
    return found if len(found) == len(ids) else {}


class ConversationAdmin(RecordAdmin):
    """Two people may own the same id (clients choose it): links name the owner, and so do the statements behind."""

    deeds: ClassVar[Sequence[Deed]] = (
        Deed(
            "trash",
            "Move to the trash",
            "Moved to the trash",
            "conversations.change_conversation",
            lambda one: conversation_trash(user_id=one.user_id, conversation_id=one.pk),
            applies=lambda one: one.deleted_at is None,
        ),
        Deed(
            "restore",
            "Restore from the trash",
            "Restored from the trash",
            "conversations.change_conversation",
            lambda one: conversation_restore(user_id=one.user_id, conversation_id=one.pk),
            applies=lambda one: one.deleted_at is not None,
        ),
    )
    fieldsets = ((None, {"fields": FACTS}), ("Content", {"fields": CONTENT}))
    readonly_fields = (*FACTS, *CONTENT)
    list_display = ("on_one_line", "owner", "title_told", "message_count", "state", "updated")
    list_filter = (filters.OwnerFilter, filters.StateFilter)
    search_fields = ("id",)
    search_help_text = "The id of a conversation"

    # --- what is asked for --------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        """Uses conversation_by_id, or the table's key where the owner is known. Titles for those who may see them."""
        own = {"owner_email": F("user__email")} if staff_of(request).has_perm("accounts.view_user") else {}
        titles = columns(TITLE, visible=may_see_content(request), most=TITLE_PREVIEW)
        found: QuerySet[Conversation] = Conversation.objects.only(*PLAIN).annotate(**own, **titles).order_by("-id")
        return found

    def order_of(self, request: HttpRequest) -> Sequence[str]:
        return filters.order_of(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Conversation], search_term: str
    ) -> tuple[QuerySet[Conversation], bool]:
        """By id alone: what is written in conversations is nothing that staff may search."""
        if not search_term.strip():
            return queryset, False
        conversation_id = as_uuid(search_term)
        return queryset.filter(id=conversation_id) if conversation_id else queryset.none(), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Conversation | None:
        """None also for an id that two people have and that comes without an owner."""
        key = split_key(object_id)
        if not key:
            return None
        content = columns(OF_CONVERSATION, visible=may_see_content(request))
        rows = list(self.get_queryset(request).annotate(**content).filter(**key)[:2])
        return rows[0] if len(rows) == 1 else None

    def key_of(self, record: Any) -> str:
        return f"{record.user_id}.{record.pk}"

    def rows_seen(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        if may_see_content(request):
            titles_seen(request, rows)

    # --- pages --------------------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        message = path(
            "<path:object_id>/messages/<uuid:message_id>/",
            self.admin_site.admin_view(self.message_view),
            name="conversations_conversation_message",
        )
        return [message, *super().get_urls()]

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """A pasted id leads to the page of the one who owns it; if there are two, to a list of both."""
        key = split_key(unquote(object_id))
        if key and "user_id" not in key and request.method == "GET" and self.has_view_permission(request):
            owners = list(self.get_queryset(request).filter(**key)[:2])
            if len(owners) == 1:
                return HttpResponseRedirect(self.url_of(owners[0]))
            if owners:
                return HttpResponseRedirect(f"{_list_url()}?q={key['id']}")
        answer: HttpResponse = super().change_view(request, object_id, *args, **kwargs)
        return answer

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        conversation: Conversation = kwargs["obj"]
        if may_see_content(request):
            content_seen(
                staff_id=staff_of(request).id, owner_id=conversation.user_id, kind="conversation", ids=[conversation.pk]
            )
        context["thread"] = thread.page_of(request, conversation, lambda one: self._message_url(conversation, one))
        return super().render_change_form(request, context, **kwargs)

    @property
    def change_form_outer_after_template(self) -> Any:
        return template(Path(__file__).parent / "templates/thread.html")

    def message_view(self, request: HttpRequest, object_id: str, message_id: UUID) -> HttpResponse:
        return thread.message_page(self, request, object_id, message_id, self._message_url)

    def _message_url(self, conversation: Conversation, message_id: UUID) -> str:
        return self.url_of(conversation, "message", message_id=str(message_id))

    def links_of(self, request: HttpRequest, record: Any) -> list[Link]:
        links = super().links_of(request, record)
        if self.has_delete_permission(request, record):
            links.append(("Delete for good …", self.url_of(record, "delete")))
        return links

    # --- deleting for good --------------------------------------------------------------------------------------------
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(DjangoModelAdmin.has_delete_permission(self, request, obj))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        try:
            answer: HttpResponse = super().delete_view(request, object_id, extra_context)
        except DomainError as refusal:  # somebody was faster
            messages.error(request, refusal.title)
            return HttpResponseRedirect(_list_url())
        return answer

    def get_deleted_objects(self, objs: Sequence[Conversation], request: HttpRequest) -> tuple[Any, ...]:
        """What the page of confirmation says. Django would read every message, and show it."""
        figures = {"conversations": len(objs), "messages": sum(one.message_count for one in objs)}
        return [str(one.pk) for one in objs], figures, set(), []

    def delete_model(self, request: HttpRequest, obj: Conversation) -> None:
        conversation_delete(user_id=obj.user_id, conversation_id=obj.pk)

    # --- columns and fields -------------------------------------------------------------------------------------------
    @admin.display(description="Id")
    def on_one_line(self, one: Conversation) -> str:
        return format_html('<span class="whitespace-nowrap">{}</span>', one.pk)

    @admin.display(description="Owner")
    def owner(self, one: Conversation) -> str:
        if "owner_email" not in vars(one):
            return str(one.user_id)
        url = reverse("admin:accounts_user_change", args=[one.user_id])
        name = isolated(vars(one)["owner_email"] or str(one.user_id))
        return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', url, name)

    @admin.display(description="Title")
    def title_told(self, one: Conversation) -> str:
        whole = "metadata_size" in vars(one)  # its own page
        return told(vars(one), "title", "text", **({} if whole else {"most": TITLE_PREVIEW}))

    @admin.display(description="Tags")
    def tags_told(self, one: Conversation) -> str:
        return told(vars(one), "tags", "texts")

    @admin.display(description="Metadata")
    def metadata_told(self, one: Conversation) -> str:
        return told(vars(one), "metadata", "json")

    @admin.display(description="As imported")
    def raw_told(self, one: Conversation) -> str:
        return told(vars(one), "raw", "json")

    @admin.display(description="State")
    def state(self, one: Conversation) -> str:
        words = ["in the trash" if one.deleted_at else "in\N{NO-BREAK SPACE}use"]
        return ", ".join([*words, *(name for name in ("archived", "starred") if getattr(one, name))])

    @admin.display(description="Model")
    def model_told(self, one: Conversation) -> str:
        return isolated(one.model or "")

    @admin.display(description="Imported from")
    def origin(self, one: Conversation) -> str:
        if not one.source:
            return NOTHING
        return format_html("{} {}", isolated(one.source), isolated(one.external_id or ""))

    @admin.display(description="Created")
    def created(self, one: Conversation) -> str:
        return moment(one.created_at)

    @admin.display(description="Last activity")
    def updated(self, one: Conversation) -> str:
        return moment(one.updated_at)

    @admin.display(description="Last message")
    def last_message(self, one: Conversation) -> str:
        return moment(one.last_message_at)

    @admin.display(description="In the trash since")
    def thrown_away(self, one: Conversation) -> str:
        return moment(one.deleted_at)


def _list_url() -> str:
    return reverse("admin:conversations_conversation_changelist")
