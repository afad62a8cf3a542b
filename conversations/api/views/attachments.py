"""Attachments over HTTP."""

from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request

from chatstore.rendering import BytesRenderer
from chatstore.schema import problems
from conversations.api import examples
from conversations.api import parameters as p
from conversations.api.actor import actor_id, session_to_check
from conversations.api.base import ApiViewSet
from conversations.api.etags import tagged
from conversations.api.paging import Page, query_uuid
from conversations.api.shapes import AttachmentList
from conversations.api.stored_files import Download, download
from conversations.queries.attachments import AttachmentRequest, attachment_bytes, attachments_page


@extend_schema(tags=["attachments"])
class AttachmentViewSet(ApiViewSet):
    """The files that came with the messages of one conversation."""

    checked_by_statement = frozenset({"list"})

    @extend_schema(
        operation_id="attachments_list",
        summary="List attachments",
        parameters=[p.limit(50, 100), p.OFFSET, p.CURSOR, p.MESSAGE_ID, p.IF_NONE_MATCH],
        responses={200: AttachmentList, 304: None},
        examples=examples.ATTACHMENT_LIST,
    )
    def list(self, request: Request, conversation_id: UUID) -> HttpResponse:
        """What is known of them, in the order of their messages; those of messages in the trash are left out."""
        page = Page.of(request, default=50, maximum=100)
        message = request.GET.get("message_id")
        found = attachments_page(
            AttachmentRequest(
                user_id=actor_id(request),
                session_id=session_to_check(request),
                conversation_id=conversation_id,
                message_id=None if message is None else query_uuid("message_id", message),
                limit=page.limit,
                offset=page.offset,
                after=(page.position[0], page.position[1]) if page.position else None,
                backwards=page.backwards,
            )
        )
        return tagged(request, page.envelope(request, found.page, total=found.total))


@extend_schema(tags=["attachments"])
class AttachmentContentViewSet(ApiViewSet):
    """The bytes of an attachment."""

    checked_by_statement = frozenset({"retrieve"})
    renderer_classes = [BytesRenderer]  # for Accept: what is sent does not pass through it

    @extend_schema(
        operation_id="attachments_content",
        summary="Download an attachment",
        parameters=[p.IF_NONE_MATCH, p.RANGE],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            (206, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, description="The range"),
            304: None,
            **problems(416),
        },
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponseBase:
        """Its bytes, as a download. `attachment_missing` (404) says why there are none, in `reason`."""
        found = attachment_bytes(user_id=actor_id(request), session_id=session_to_check(request), attachment_id=pk)
        return download(request, Download(found.name, found.size, f'"{found.sha256}"', found.opened))
