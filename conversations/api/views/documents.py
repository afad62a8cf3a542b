"""Documents over HTTP."""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from conversations.api import examples
from conversations.api import parameters as p
from conversations.api.actor import actor_id, session_to_check
from conversations.api.base import ApiViewSet
from conversations.api.etags import tagged
from conversations.api.filters import document_filters
from conversations.api.paging import Page
from conversations.api.shapes import DocumentList
from conversations.queries.documents import DocumentRequest, documents_page


@extend_schema(tags=["documents"])
class DocumentViewSet(ApiViewSet):
    """What a person's imports brought beside conversations."""

    checked_by_statement = frozenset({"list"})

    @extend_schema(
        operation_id="documents_list",
        summary="List documents",
        parameters=[p.limit(20, 100), p.OFFSET, p.CURSOR, *p.DOCUMENT_FILTERS, p.IF_NONE_MATCH],
        responses={200: DocumentList, 304: None},
        examples=examples.DOCUMENT_LIST,
    )
    def list(self, request: Request) -> HttpResponse:
        """Memories, projects, prompts, …, whole; those of the newest import first."""
        page = Page.of(request, default=20, maximum=100)
        found = documents_page(
            DocumentRequest(
                user_id=actor_id(request),
                session_id=session_to_check(request),
                limit=page.limit,
                offset=page.offset,
                filters=document_filters(request),
                after=(page.position[0], page.position[1]) if page.position else None,
                backwards=page.backwards,
            )
        )
        return tagged(request, page.envelope(request, found.page, total=found.total))
