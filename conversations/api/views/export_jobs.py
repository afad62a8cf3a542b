"""Exports of many conversations over HTTP."""

from functools import partial
from typing import Any
from uuid import UUID

from django.core.files.storage import default_storage
from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from chatstore.bodies import validated
from chatstore.schema import problems
from conversations.actions.exports import export_create
from conversations.api import parameters as p
from conversations.api.actor import actor_id
from conversations.api.base import ApiViewSet, once
from conversations.api.etags import tagged
from conversations.api.paging import Page
from conversations.api.shapes_of_jobs import ExportList, ExportOut
from conversations.api.stored_files import Download, download
from conversations.drafts import ExportDraft
from conversations.interchange.writers import WRITERS
from conversations.problems import ExportExpired, ExportNotReady
from conversations.queries.exports import export_file, export_get, export_page

_FILES: dict[Any, Any] = {
    (status, writer.MEDIA_TYPE.partition(";")[0]): OpenApiTypes.BINARY
    for writer in WRITERS.values()
    for status in (200, 206)
}


@extend_schema(tags=["exports"])
class ExportJobViewSet(ApiViewSet):
    """A person's exports: never anybody else's."""

    @extend_schema(
        operation_id="exports_create",
        summary="Export conversations",
        parameters=[p.IDEMPOTENCY_KEY],
        request=ExportDraft,
        responses={202: ExportOut},
    )
    def create(self, request: Request) -> Response:
        """The conversations named, or all of them: a worker writes the file."""
        draft = validated(ExportDraft, request)
        row = export_create(
            user_id=actor_id(request),
            format=draft.format,
            conversations=draft.conversations,
            redact=draft.redact,
            once=once(request),
        )
        return Response(row, status=202, headers={"Location": f"/api/v1/exports/{row['id']}"})

    @extend_schema(
        operation_id="exports_list",
        summary="List exports",
        parameters=[p.limit(20, 100), p.OFFSET, p.CURSOR, p.IF_NONE_MATCH],
        responses={200: ExportList, 304: None},
    )
    def list(self, request: Request) -> HttpResponse:
        """Newest first."""
        page = Page.of(request, default=20, maximum=100)
        found = export_page(
            user_id=actor_id(request),
            limit=page.limit,
            offset=page.offset,
            after=page.position,
            backwards=page.backwards,
        )
        return tagged(request, page.envelope(request, found.page, total=found.total))

    @extend_schema(
        operation_id="exports_retrieve",
        summary="Read an export",
        parameters=[p.IF_NONE_MATCH],
        responses={200: ExportOut, 304: None},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:
        """How far it is, or how it ended."""
        return tagged(request, export_get(user_id=actor_id(request), job_id=pk))

    @extend_schema(
        operation_id="exports_download",
        summary="Download an export",
        parameters=[p.RANGE, p.IF_RANGE, p.IF_NONE_MATCH],
        responses={**_FILES, 304: None, **problems(409, 410, 416)},
    )
    @action(detail=True, methods=["get"])
    def download(self, request: Request, pk: UUID) -> HttpResponseBase:
        """The file, or a part of it. The ETag is the SHA-256 of the whole."""
        row = export_file(user_id=actor_id(request), job_id=pk)
        if row["is_expired"]:
            raise ExportExpired()
        if not row["file"]:
            raise ExportNotReady()
        tag, writer = f'"{row["sha256"]}"', WRITERS[row["format"]]
        opened = partial(default_storage.open, row["file"])
        name = f"chatstore-{pk}.{writer.EXTENSION}"
        try:
            return download(request, Download(name, row["size"], tag, opened, writer.MEDIA_TYPE))
        except FileNotFoundError:  # it expired just now
            raise ExportExpired() from None

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """A file comes as what it is, whatever Accept says; refusals are problems."""
        if self.action != "download":
            return super().perform_content_negotiation(request, force)
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type
