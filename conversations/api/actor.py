"""Who acts: from the token alone."""

from uuid import UUID

from django.http import HttpRequest
from rest_framework.request import Request

AnyRequest = Request | HttpRequest  # DRF's passes on what Django's has; `user` is who acts in either


def session_to_check(request: AnyRequest) -> UUID | None:
    """The session that the statement has to find alive; None when authentication has seen to it."""
    return getattr(request.user, "session_id", None)


def actor_id(request: AnyRequest) -> UUID:
    """The id of the user whose token came with the request."""
    return request.user.pk  # type: ignore[return-value]
