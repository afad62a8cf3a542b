"""What the service has around its API, and views that do what no real one should."""

import types
import uuid
from typing import Any

from django.contrib import admin
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from drf_spectacular.views import SpectacularSwaggerView
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chatstore import health, metrics
from chatstore.bodies import Body, validated
from chatstore.logs import get_logger
from chatstore.sql import fetch_one
from chatstore.throttling import UserThrottle

log = get_logger("chatstore.tests")


class Note(Body):
    title: str = ""
    number: int = 0
    metadata: dict[str, Any] = {}


class ByHeader(BaseAuthentication):
    """Believes whoever says who they are."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        key = request.headers.get("X-User")
        return (types.SimpleNamespace(pk=uuid.UUID(key), is_authenticated=True), None) if key else None


class Open(APIView):
    authentication_classes = [ByHeader]
    permission_classes = [AllowAny]
    throttle_classes: list[Any] = []


class Notes(Open):
    def get(self, request: Request) -> Response:
        log.info("note_read", figure=7)
        return Response({"host": request.get_host()})

    def post(self, request: Request) -> Response:
        note = validated(Note, request)
        return Response({"title": note.title, "number": note.number, "metadata": note.metadata}, status=201)


class Tagged(Open):
    def get(self, request: Request) -> Response:
        return Response({}, headers={"ETag": '"1"'})


class Limited(Open):
    throttle_classes = [UserThrottle]

    def get(self, request: Request) -> Response:
        return Response({})


class Fails(Open):
    def post(self, request: Request) -> Response:
        raise ValueError(f"{bytes(request.data)!r} {request.get_full_path()} {request.headers}")


class Violates(Open):
    """A constraint that is in no table of domain errors: PostgreSQL's message quotes the row."""

    def post(self, request: Request) -> Response:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE IF NOT EXISTS twice (value text CONSTRAINT only_once UNIQUE)")
            cursor.execute("INSERT INTO twice VALUES (%s)", [request.data.decode()])
            cursor.execute("INSERT INTO twice VALUES (%s)", [request.data.decode()])
        return Response({})


class Asks(Open):
    def get(self, request: Request) -> Response:
        return Response(fetch_one("SELECT 1 AS one", {}))


def plain(request: HttpRequest) -> HttpResponse:
    """Not DRF's, and in need of the database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse(b"{}", content_type="application/json")


def plain_failure(request: HttpRequest) -> HttpResponse:
    raise KeyError(request.GET.get("q"))


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def parts() -> Any:
        yield b"first"
        raise ValueError(request.GET.get("q"))

    return StreamingHttpResponse(parts(), content_type="text/plain")


urlpatterns = [
    path("api/v1/notes", Notes.as_view()),
    path("api/v1/tagged", Tagged.as_view()),
    path("api/v1/limited", Limited.as_view()),
    path("api/v1/fails", Fails.as_view()),
    path("api/v1/violates", Violates.as_view()),
    path("api/v1/asks", Asks.as_view()),
    path("api/v1/plain", plain),
    path("api/v1/plain-failure", plain_failure),
    path("api/v1/stream", stream),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="docs"), name="docs"),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics_view),
    path("admin/", admin.site.urls),
]
handler400, handler403 = "chatstore.problems.bad_request", "chatstore.problems.forbidden"
handler404, handler500 = "chatstore.problems.not_found", "chatstore.problems.server_error"
