"""What the admin does with a record: a list to find it in, a page to see it on, and deeds, which are actions."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.admin.utils import quote, unquote
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from accounts.admin.lists import CappedPaginator, FixedList, template
from accounts.models import User
from chatstore.problems import DomainError

TEMPLATES = Path(__file__).parent / "templates"
Link = tuple[str, str]  # words, URL


def staff_of(request: HttpRequest) -> User:
    """Whom a page of the admin is made for: somebody who is signed in."""
    return cast(User, request.user)


@dataclass(frozen=True, slots=True)
class Deed:
    """What staff may do to a record: a button, an action, and a line of its history."""

    name: str
    label: str
    done: str
    permission: str
    act: Callable[[Any], object]
    applies: Callable[[Any], bool] = lambda record: True
    variant: str = "default"


@dataclass(frozen=True, slots=True)
class Panel:
    """A table below a record."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    links: Sequence[Link] = ()
    note: str = ""

    @property
    def table(self) -> dict[str, Any]:
        return {"headers": self.headers, "rows": self.rows}


class RecordAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Nothing is added, edited or deleted, unless a subclass says so; filters are those of `list_filter`, no others.

    Django lets a query string filter by any column of a model (`?title__startswith=a`): a way to read letter by letter
    what a page hides.
    """

    actions = None
    deeds: ClassVar[Sequence[Deed]] = ()
    list_fullwidth = True
    list_per_page = 50
    list_max_show_all = 0
    ordering = ("-id",)
    paginator = CappedPaginator
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    sortable_by = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in {known.parameter_name for known in self.list_filter}

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        return to_field == "id"

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FixedList]:
        return FixedList

    def order_of(self, request: HttpRequest) -> Sequence[str]:
        """The order of the list, as an index has it."""
        return tuple(self.ordering)

    def rows_seen(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Told of the rows that a list is about to show."""

    def key_of(self, record: Any) -> str:
        """What names a record in URLs and in the history."""
        return str(record.pk)

    def url_of(self, record: Any, page: str = "change", **arguments: str) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, kwargs={"object_id": quote(self.key_of(record)), **arguments})

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_deed"
        deed = path("<path:object_id>/deeds/<slug:deed>/", self.admin_site.admin_view(self.deed_view), name=name)
        return [deed, *super().get_urls()]

    def may_do(self, request: HttpRequest, deed: Deed, record: Any) -> bool:
        """Whether this member of the staff may do this to this record."""
        return staff_of(request).has_perm(deed.permission)

    def deed_view(self, request: HttpRequest, object_id: str, deed: str) -> HttpResponse:
        """Do it, by POST alone: a link from elsewhere does nothing."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        wanted = next((known for known in self.deeds if known.name == deed), None)
        if wanted is None:
            raise Http404
        if not (self.has_view_permission(request) and staff_of(request).has_perm(wanted.permission)):
            raise PermissionDenied  # before it is looked up: who may do nothing learns of no id
        record = self.get_object(request, unquote(object_id))
        if record is None:
            raise Http404
        if not self.may_do(request, wanted, record):
            raise PermissionDenied
        self._do(request, wanted, record)
        return HttpResponseRedirect(self.url_of(record))

    def _do(self, request: HttpRequest, deed: Deed, record: Any) -> None:
        try:
            with transaction.atomic():  # the deed and its line in the history: both, or neither
                deed.act(record)
                self.log_change(request, record, deed.done)
        except DomainError as refusal:
            messages.error(request, refusal.title)
        else:
            messages.success(request, deed.done)

    def panels_of(self, request: HttpRequest, record: Any) -> list[Panel]:
        return []

    def links_of(self, request: HttpRequest, record: Any) -> list[Link]:
        return [("History", self.url_of(record, "history"))]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        record = kwargs["obj"]
        context["deeds"] = [
            {"label": deed.label, "variant": deed.variant, "url": self.url_of(record, "deed", deed=deed.name)}
            for deed in self.deeds
            if deed.applies(record) and self.may_do(request, deed, record)
        ]
        context["links"], context["panels"] = self.links_of(request, record), self.panels_of(request, record)
        context["show_history"] = context["show_delete"] = False  # the site's own links know no key but `id`
        return super().render_change_form(request, context, **kwargs)  # type: ignore[no-any-return]

    @property
    def change_form_outer_before_template(self) -> Any:
        return template(TEMPLATES / "deeds.html")

    @property
    def change_form_outer_after_template(self) -> Any:
        return template(TEMPLATES / "panels.html")

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        return self._log(request, obj, CHANGE, message)

    def log_deletions(self, request: HttpRequest, queryset: Sequence[Any]) -> list[LogEntry]:
        return [self._log(request, record, DELETION, "") for record in queryset]

    def _log(self, request: HttpRequest, record: Any, flag: int, message: Any) -> LogEntry:
        """History outlives what it is about: it knows a record by its id, and nothing of what is in it."""
        return LogEntry.objects.create(
            user_id=staff_of(request).id,
            content_type=ContentType.objects.get_for_model(self.model),
            object_id=self.key_of(record),
            object_repr=str(record.pk),
            action_flag=flag,
            change_message=message if isinstance(message, str) else json.dumps(message),
        )
