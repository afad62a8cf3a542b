"""The filters of the list of conversations. Each is a range of an index."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin.texts import as_uuid
from conversations.models import Conversation

IN_TRASH = "trash"


def owner_of(request: HttpRequest) -> UUID | None:
    """Whose conversations the list is of, if of one person's."""
    return as_uuid(request.GET.get(OwnerFilter.parameter_name, ""))


class OwnerFilter(SimpleListFilter):
    """One person's: the list is reached so from the person's page."""

    title = "person"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        value = request.GET.get(self.parameter_name)
        return [(value, str(owner_of(request) or "no such person"))] if value else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> QuerySet[Conversation]:
        owner = owner_of(request)
        return queryset.filter(user_id=owner) if owner else queryset.none()


class StateFilter(SimpleListFilter):
    """Of one person's only, and never both states at once.

    Among everybody's, the few in the trash would be looked for in the whole table; and no index has all of a person's
    in an order: asked for them by id, the planner was seen to read everybody's along conversation_by_id.
    """

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(IN_TRASH, "In the trash")] if owner_of(request) else []

    def choices(self, changelist: Any) -> Iterator[Any]:
        everything, *others = super().choices(changelist)
        yield {**everything, "display": "In use"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> QuerySet[Conversation]:
        return queryset.filter(deleted_at__isnull=self.value() != IN_TRASH)


def order_of(request: HttpRequest) -> tuple[str, ...]:
    """conversation_by_activity, or conversation_in_trash; for everybody's conversation_by_id."""
    if not owner_of(request):
        return ("-id",)
    in_trash = request.GET.get(StateFilter.parameter_name) == IN_TRASH
    return ("-deleted_at" if in_trash else "-updated_at", "-id")
