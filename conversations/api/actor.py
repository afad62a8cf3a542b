"""Who acts: from the token alone."""

from uuid import UUID

from rest_framework.request import Request


def actor_id(request: Request) -> UUID:
    """The id of the user whose token came with the request."""
    return request.user.pk  # type: ignore[return-value]
