"""Lists that cost the same however long they are: no table is counted, and there is one order, which an index has."""

import functools
from pathlib import Path
from typing import Any, cast

from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template import engines
from django.utils.functional import cached_property
from unfold.views import ChangeList


@functools.cache
def template(file: Path) -> Any:
    """A template that stands beside the code of an admin: no other part of the product renders HTML."""
    return engines["django"].from_string(file.read_text(encoding="utf-8"))


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not subscriptable when it runs
    """Counts to MOST and no further, and has pages for so many rows: who looks for more has to search."""

    MOST = 1_000

    @cached_property
    def count(self) -> int:
        found = cast("QuerySet[Any]", self.object_list)
        return found[: self.MOST].count()  # in the list's order: along its index, not along the table

    @property
    def is_capped(self) -> bool:
        return self.count >= self.MOST

    @property
    def template_name(self) -> Any:
        return template(Path(__file__).parent / "templates/pagination.html")


class FixedList(ChangeList):  # type: ignore[misc]  # unfold has no types
    """In the order that its admin gives it. `?o=` would sort whole tables, also by columns that only some may see."""

    result_list: Any

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str]:
        return list(self.model_admin.order_of(request))

    def get_ordering_field_columns(self) -> dict[int, str]:
        return {}

    def url_for_result(self, result: Model) -> str:
        return str(self.model_admin.url_of(result))

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        self.model_admin.rows_seen(request, self.result_list)
