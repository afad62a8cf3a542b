"""A person's page, with what they have here: counts and dates of their conversations, and the latest of them."""

from typing import Any, cast

from django.db.models import Count, Max, Min, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.admin.people import UserAdmin
from accounts.admin.records import Panel, staff_of
from accounts.admin.texts import moment
from accounts.models import User
from conversations.admin.content import columns, may_see_content, titles_seen, told
from conversations.admin.conversations import PLAIN, TITLE, TITLE_PREVIEW, ConversationAdmin
from conversations.admin.filters import IN_TRASH
from conversations.models import Conversation

LATEST = 20
COUNTED = 10_000  # of a person's conversations, the newest


class PersonAdmin(UserAdmin):
    """Accounts know nothing of conversations; this is the same page with them."""

    def panels_of(self, request: HttpRequest, record: Any) -> list[Panel]:
        panels = super().panels_of(request, record)
        if staff_of(request).has_perm("conversations.view_conversation"):
            site = cast(ConversationAdmin, self.admin_site.get_model_admin(Conversation))
            panels += [figures_panel(record), latest_panel(request, record, site)]
        return panels


def figures_panel(person: User) -> Panel:
    """Counts and dates. Uses conversation_by_activity and conversation_in_trash: the newest COUNTED of each."""
    theirs = Conversation.objects.filter(user_id=person.pk)
    in_use = theirs.filter(deleted_at__isnull=True).order_by("-updated_at", "-id")[:COUNTED]
    figures = in_use.values("id", "message_count", "created_at", "updated_at").aggregate(
        count=Count("id"), messages=Sum("message_count"), first=Min("created_at"), last=Max("updated_at")
    )
    in_trash = theirs.filter(deleted_at__isnull=False).order_by("-deleted_at")[:COUNTED].count()
    more = "+" if figures["count"] == COUNTED else ""
    return Panel(
        title="What they have here",
        headers=("Conversations", "Messages in them", "First created", "Last activity", "In the trash"),
        rows=[
            (
                f"{figures['count']:,}{more}",
                f"{figures['messages'] or 0:,}{more}",
                moment(figures["first"]),
                moment(figures["last"]),
                f"{in_trash:,}{'+' if in_trash == COUNTED else ''}",
            )
        ],
        note=f"Of the {COUNTED:,} with the latest activity." if more else "",
    )


def latest_panel(request: HttpRequest, person: User, site: ConversationAdmin) -> Panel:
    """The latest conversations in use. Uses conversation_by_activity."""
    visible = may_see_content(request)
    found = Conversation.objects.filter(user_id=person.pk, deleted_at__isnull=True).only(*PLAIN)
    latest = list(
        found.annotate(**columns(TITLE, visible=visible, most=TITLE_PREVIEW)).order_by("-updated_at", "-id")[:LATEST]
    )
    if visible:
        titles_seen(request, latest)
    everything = f"{reverse('admin:conversations_conversation_changelist')}?owner={person.pk}"
    return Panel(
        title="Latest conversations",
        headers=("Conversation", "Title", "Messages", "Last activity"),
        rows=[
            (
                format_html(
                    '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', site.url_of(one), one.pk
                ),
                told(vars(one), "title", "text", most=TITLE_PREVIEW),
                one.message_count,
                moment(one.updated_at),
            )
            for one in latest
        ],
        links=[("All of their conversations", everything), ("Their trash", f"{everything}&state={IN_TRASH}")],
    )
