"""Who acts: from the token alone."""

from uuid import UUID

from rest_framework.request import Request


def session_to_check(request: Request) -> UUID | None:
    """The session that the statement has to find alive; None when authentication has seen to it."""
    return getattr(request.user, "session_id", None)


def actor_id(request: Request) -> UUID:
    """The id of the user whose token came with the request."""
    return request.user.pk  # type: ignore[return-value]
