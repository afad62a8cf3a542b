"""Imports over HTTP."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast
from uuid import UUID

from django.http import HttpResponse, QueryDict
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from chatstore.rendering import JsonParser
from chatstore.schema import problems
from conversations.actions.idempotency import Once
from conversations.actions.import_runs import ANY_FORMAT
from conversations.actions.imports import import_cancel, import_create, import_retry
from conversations.api import parameters as p
from conversations.api.actor import actor_id
from conversations.api.base import ApiViewSet
from conversations.api.etags import tagged
from conversations.api.paging import Page, as_bool
from conversations.api.parsing import UploadParser
from conversations.api.shapes_of_jobs import ImportBody, ImportForm, ImportList, ImportOut, ItemList
from conversations.queries.imports import import_get, import_items, import_page
from conversations.uploads import SpooledUpload


@extend_schema(tags=["imports"])
class ImportViewSet(ApiViewSet):
    """A person's imports: never anybody else's."""

    parser_classes = [UploadParser, JsonParser]

    @extend_schema(
        operation_id="imports_create",
        summary="Import a history",
        parameters=[p.IDEMPOTENCY_KEY, p.IMPORT_FORMAT, p.ASYNC],
        request={"multipart/form-data": ImportForm, "application/json": ImportBody},
        responses={200: ImportOut, 202: ImportOut},
    )
    def create(self, request: Request) -> Response:
        """Files as their vendor gave them, or JSON of a known shape: a small one at once, a large one by a worker."""
        fields = _fields(request)
        with _uploads(request) as uploads:
            row, is_queued = import_create(
                user_id=actor_id(request),
                uploads=uploads,
                format_asked=fields.get("format", ANY_FORMAT),
                is_body=_is_body(request),
                by_worker=as_bool("async", fields.get("async", "false")),
                once=_once(request, uploads),
            )
        headers = {"Location": f"/api/v1/imports/{row['id']}"} if is_queued else {}
        return Response(row, status=202 if is_queued else 200, headers=headers)

    @extend_schema(
        operation_id="imports_list",
        summary="List imports",
        parameters=[p.limit(20, 100), p.OFFSET, p.CURSOR, p.IF_NONE_MATCH],
        responses={200: ImportList, 304: None},
    )
    def list(self, request: Request) -> HttpResponse:
        """Newest first, without their reports."""
        page = Page.of(request, default=20, maximum=100)
        found = import_page(
            user_id=actor_id(request),
            limit=page.limit,
            offset=page.offset,
            after=page.position,
            backwards=page.backwards,
        )
        return tagged(request, page.envelope(request, found.page, total=found.total))

    @extend_schema(
        operation_id="imports_retrieve",
        summary="Read an import",
        parameters=[p.IF_NONE_MATCH],
        responses={200: ImportOut, 304: None},
    )
    def retrieve(self, request: Request, pk: UUID) -> HttpResponse:
        """How far it is, or how it ended, with the beginning of its report."""
        return tagged(request, import_get(user_id=actor_id(request), job_id=pk))

    @extend_schema(
        operation_id="imports_items",
        summary="Read the report of an import",
        parameters=[p.limit(50, 500), p.OFFSET, p.CURSOR, p.IF_NONE_MATCH],
        responses={200: ItemList, 304: None},
    )
    @action(detail=True, methods=["get"])
    def items(self, request: Request, pk: UUID) -> HttpResponse:
        """What became of each item: what failed, what was skipped, then the rest in the order of the file."""
        page = Page.of(request, default=50, maximum=500)
        found = import_items(
            user_id=actor_id(request),
            job_id=pk,
            limit=page.limit,
            offset=page.offset,
            after=page.position,
            backwards=page.backwards,
        )
        return tagged(request, page.envelope(request, found.page, total=found.total))

    @extend_schema(
        operation_id="imports_cancel",
        summary="Cancel an import",
        request=None,
        responses={200: ImportOut, **problems(409)},
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: UUID) -> Response:
        """It stops within a batch; what is stored stays, and is reported."""
        return Response(import_cancel(user_id=actor_id(request), job_id=pk))

    @extend_schema(
        operation_id="imports_retry",
        summary="Try an import again",
        request=None,
        responses={202: ImportOut, **problems(409)},
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: UUID) -> Response:
        """From the beginning, with the file that is kept; what came in the first time is found unchanged."""
        row = import_retry(user_id=actor_id(request), job_id=pk)
        return Response(row, status=202, headers={"Location": f"/api/v1/imports/{pk}"})


def _is_body(request: Request) -> bool:
    return isinstance(request.data, bytes)


def _fields(request: Request) -> dict[str, str]:
    """What was asked for, in the form or in the query, which counts more."""
    form = request.data.dict() if isinstance(request.data, QueryDict) else {}  # {} too where nothing was sent
    return {**form, **request.GET.dict()}  # type: ignore[dict-item]  # files are in it too, as `file`


@contextmanager
def _uploads(request: Request) -> Iterator[list[SpooledUpload]]:
    """The files that came with a request, or its body as one; gone at the end, unless they were kept."""
    if _is_body(request):
        uploads = [SpooledUpload.of(cast(bytes, request.data))] if request.data else []
    else:
        uploads = [cast(SpooledUpload, file) for file in request.FILES.getlist("file")]
    try:
        yield uploads
    finally:
        for upload in uploads:
            upload.close()


def _once(request: Request, uploads: Sequence[SpooledUpload]) -> Once | None:
    """The request's Idempotency-Key. What tells one request from another is what the files hold."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    told = hashlib.sha256(request.META.get("QUERY_STRING", "").encode(errors="surrogatepass"))
    for upload in uploads:
        told.update(upload.digest)
    return Once.of(key=key, method=request.method or "", path=request.path, body=told.digest())
