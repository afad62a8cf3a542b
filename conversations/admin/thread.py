"""The messages of a conversation in the admin: a page of them at a time, and each on a page of its own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.lists import template
from accounts.admin.records import staff_of
from accounts.admin.texts import NOTHING, isolated, moment, shown
from conversations.admin.content import OF_MESSAGE, PREVIEW, Kind, columns, content_seen, may_see_content, told
from conversations.models import Conversation, Message

PER_PAGE = 50
CONTENT: dict[str, Kind] = {"content": "text"}
SUMMARY = ("id", "role", "status", "model", "hidden", "tokens_in", "tokens_out", "created_at", "deleted_at")
DETAILS = (
    *SUMMARY, "parent_id", "version", "language", "tokens_used", "cost_cents", "response_cached", "response_time_ms",
    "external_id", "updated_at",
)  # fmt: skip
LABELS = {
    "raw": "As imported",
    "external_id": "External id",
    "created_at": "Created",
    "updated_at": "Updated",
    "deleted_at": "In the trash since",
}


def may_see_messages(request: HttpRequest) -> bool:
    return staff_of(request).has_perm("conversations.view_message")


def page_of(request: HttpRequest, conversation: Conversation, url_of: Callable[[UUID], str]) -> dict[str, Any] | None:
    """What thread.html shows, in reading order, with all branches and the trash. None for who may see no messages."""
    if not may_see_messages(request):
        return None
    visible, number = may_see_content(request), _page_number(request)
    first = (number - 1) * PER_PAGE
    rows = list(
        _messages_of(conversation)
        .annotate(**columns(CONTENT, visible=visible, most=PREVIEW))
        .order_by("created_at", "id")
        .values(*SUMMARY, *columns(CONTENT, visible=visible))[first : first + PER_PAGE + 1]
    )
    page = rows[:PER_PAGE]
    if visible:
        ids = [row["id"] for row in page]
        content_seen(staff_id=staff_of(request).id, owner_id=conversation.user_id, kind="message", ids=ids)
    return {
        "messages": [_card(row, url_of(row["id"])) for row in page],
        "range": f"{first + 1:,} to {first + len(page):,}" if page else "",
        "previous": number - 1 if number > 1 else None,
        "next": number + 1 if len(rows) > PER_PAGE else None,
    }


def message_page(
    site: Any, request: HttpRequest, object_id: str, message_id: UUID, url_of: Callable[[Conversation, UUID], str]
) -> HttpResponse:
    """One message, whole, as far as a browser can take it."""
    if not (site.has_view_permission(request) and may_see_messages(request)):
        raise PermissionDenied
    conversation, visible = site.get_object(request, unquote(object_id)), may_see_content(request)
    content = columns(OF_MESSAGE, visible=visible)
    row = (
        conversation
        and _messages_of(conversation).filter(id=message_id).annotate(**content).values(*DETAILS, *content).first()
    )
    if not row:
        raise Http404
    if visible:
        content_seen(staff_id=staff_of(request).id, owner_id=conversation.user_id, kind="message", ids=[message_id])
    facts = [(_label(name), _fact(row, name)) for name in DETAILS]
    if row["parent_id"]:
        link = format_html('<a href="{}">{}</a>', url_of(conversation, row["parent_id"]), row["parent_id"])
        facts[DETAILS.index("parent_id")] = ("Follows", link)
    context = {
        **site.admin_site.each_context(request),
        "title": "Message",
        "opts": site.opts,
        "object": conversation,
        "back": site.url_of(conversation),
        "facts": {"rows": [*facts, *((_label(name), told(row, name, kind)) for name, kind in OF_MESSAGE.items())]},
    }
    return TemplateResponse(request, template(Path(__file__).parent / "templates/message.html"), context)


def _messages_of(conversation: Conversation) -> QuerySet[Message]:
    """Uses message_reading_order, or message_in_conversation."""
    found: QuerySet[Message] = Message.objects.filter(user_id=conversation.user_id, conversation_id=conversation.pk)
    return found


def _page_number(request: HttpRequest) -> int:
    asked = request.GET.get("page", "")
    return max(1, int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 1


def _card(row: Mapping[str, Any], url: str) -> dict[str, Any]:
    marks = [] if row["status"] == "complete" else [row["status"]]
    marks += ["hidden from the person"] if row["hidden"] else []
    marks += ["in the trash"] if row["deleted_at"] else []
    return {
        "url": url,
        "role": row["role"],
        "at": moment(row["created_at"]),
        "model": shown(row["model"] or ""),
        "tokens": row["tokens_out"] if row["tokens_out"] is not None else row["tokens_in"],
        "marks": marks,
        "text": told(row, "content", "text", most=PREVIEW),
    }


def _label(name: str) -> str:
    return LABELS.get(name, name.removesuffix("_id").replace("_", " ").capitalize())


def _fact(row: Mapping[str, Any], name: str) -> SafeString | str:
    match row[name]:
        case None | "":
            return NOTHING
        case str(text):
            return isolated(text)
        case bool(flag):
            return "yes" if flag else "no"
        case value if name.endswith("_at"):
            return moment(value)
        case value:
            return str(value)
