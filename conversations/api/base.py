"""What every view of this app does the same way."""

from typing import Any, ClassVar

import msgspec
from django.http import HttpResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.api.authentication import SignedBearerAuthentication, confirm
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

    # Actions whose statement asks for the caller's session itself: one round trip less.
    checked_by_statement: ClassVar[frozenset[str]] = frozenset()
    # Actions whose answer says where to find what they made.
    located: ClassVar[frozenset[str]] = frozenset({"create", "fork"})

    def get_authenticators(self) -> list[BaseAuthentication]:
        request, actions = getattr(self, "request", None), getattr(self, "action_map", None) or {}
        if request is not None and actions.get((request.method or "").lower()) in self.checked_by_statement:
            return [SignedBearerAuthentication()]
        return super().get_authenticators()

    def handle_exception(self, exc: Exception) -> Response:
        try:
            if not getattr(exc, "caller_is_live", False):
                confirm(getattr(self.request, "_user", None))  # nobody is refused a thing whose session has ended
        except Exception as refusal:
            exc = refusal
        if isinstance(exc, AnswerGiven):
            return self._replay(exc)
        return super().handle_exception(exc)

    def _replay(self, given: AnswerGiven) -> Response:
        headers = {"Idempotency-Replayed": "true"}
        if given.version is not None:
            headers["ETag"] = etag(given.version)
        about = msgspec.json.decode(given.body, type=_About)
        if about.id and self.action in self.located:
            headers["Location"] = location(about.id, within=about.conversation_id)
        body = answer_from_storable(given.body.encode())
        return HttpResponse(  # type: ignore[return-value]
            body, status=given.status, content_type="application/json", headers=headers
        )


class _About(msgspec.Struct):
    """What a kept answer is about; nothing, if it is a list."""

    id: str = ""
    conversation_id: str = ""


def location(made: str, *, within: str = "") -> str:
    """Where a conversation is, or a message `within` one."""
    return f"/api/v1/conversations/{within}/messages/{made}" if within else f"/api/v1/conversations/{made}"


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
