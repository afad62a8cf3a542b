"""What every view of this app does the same way."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from chatstore.sql import Row
from chatstore.storable import answer_from_storable
from conversations.actions.idempotency import AnswerGiven, Once
from conversations.api.etags import etag
from conversations.models import Conversation


class ApiViewSet(GenericViewSet[Conversation]):
    """Translates: validate, call one function, render. Who sees what is decided below `api/`."""

    queryset = Conversation.objects.none()  # for the schema
    pagination_class = None
    filter_backends: list[Any] = []

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, AnswerGiven):
            body = answer_from_storable(exc.body.encode())
            return HttpResponse(  # type: ignore[return-value]
                body, status=exc.status, content_type="application/json", headers={"Idempotency-Replayed": "true"}
            )
        return super().handle_exception(exc)


def once(request: Request) -> Once | None:
    """The request's Idempotency-Key, if it has one. Raises IdempotencyKeyInvalid."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    return (
        Once.of(key=key, method=request.method or "", path=request.path, body=request.body) if key is not None else None
    )


def answer(row: Row, *, status: int = 200, location: str = "") -> Response:
    """One row with its ETag; its `version` is not for the body."""
    headers = {"ETag": etag(row.pop("version"))} | ({"Location": location} if location else {})
    return Response(row, status=status, headers=headers)
