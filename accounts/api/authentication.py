"""Who is asking: the bearer token of a request (RFC 6750), checked in one round trip."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.actions.users import user_from_oidc
from accounts.errors import REALM, AccountInactive, TokenInvalid, TokenRevoked
from accounts.models import User
from accounts.oidc import read_identity
from accounts.queries import principal, user_by_oidc, user_by_session
from accounts.tokens import Claims, our_header, read_access_token
from chatstore.logs import bind_user
from chatstore.sql import Row


class BearerAuthentication(BaseAuthentication):
    """`request.user` is a User with `queries.PRINCIPAL_FIELDS`, the rest deferred.

    `request.auth` are the Claims of one of our tokens, None for an identity provider's.
    """

    def authenticate(self, request: Request) -> tuple[User, Claims | None] | None:
        """None without a bearer token: the permission classes answer then. Raises errors.Unauthorised."""
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        if not token.isascii():
            raise TokenInvalid()
        if settings.OIDC_ISSUER and our_header(token) is None:
            return _live(_row_of_identity(token)), None
        claims = read_access_token(token)
        return _live(user_by_session(user_id=claims.user_id, session_id=claims.session_id)), claims

    def authenticate_header(self, request: Request) -> str:
        return REALM


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom the signature of a token names. Whether the session still lives is not known yet."""

    pk: UUID
    session_id: UUID

    is_authenticated = True
    is_anonymous = False


class SignedBearerAuthentication(BearerAuthentication):
    """For views whose statement asks for the session itself (`queries.CALLER_IS_LIVE`): `request.user` is a Caller.

    Such a view gives nothing away before that statement has found rows, and calls `confirm` before it refuses.
    """

    def authenticate(self, request: Request) -> Any:
        claims = _signed_claims(request)
        if claims is None:
            return super().authenticate(request)
        bind_user(claims.user_id)
        return Caller(claims.user_id, claims.session_id), claims


def caller_of(request: HttpRequest) -> Caller | None:
    """Whom our own token names; None without one. Raises errors.Unauthorised for a bad one."""
    claims = _signed_claims(request)
    return claims and Caller(claims.user_id, claims.session_id)


def _signed_claims(request: Request | HttpRequest) -> Claims | None:
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token.isascii() or (settings.OIDC_ISSUER and our_header(token) is None):
        return None
    return read_access_token(token)


def confirm(user: Any) -> None:
    """Raise errors.Unauthorised if this is a Caller whose session has ended."""
    if isinstance(user, Caller):
        _live(user_by_session(user_id=user.pk, session_id=user.session_id))


def _row_of_identity(token: str) -> Row | None:
    identity = read_identity(token)
    known = user_by_oidc(issuer=identity.issuer, subject=identity.subject, issued_at=identity.issued_at)
    return known or user_from_oidc(**identity._asdict())


def _live(row: Row | None) -> User:
    if row is None:
        raise TokenRevoked()
    if not row["is_active"]:
        raise AccountInactive()
    if not row["is_live"]:
        raise TokenRevoked()
    bind_user(row["id"])  # every log line from here on says whose request it is
    return principal(row)


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The security scheme of the OpenAPI document."""

    target_class = BearerAuthentication
    match_subclasses = True
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
