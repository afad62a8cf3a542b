"""The endpoints of accounts: each translates, calls one action, and renders."""

from typing import cast

import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.actions.sessions import session_open, session_refresh, session_revoke, sessions_revoke_all
from accounts.actions.users import password_change, user_register, user_update
from accounts.api.bodies import (
    Credentials,
    PasswordChange,
    ProfilePatch,
    Refresh,
    Registration,
    RegistrationOut,
    UserOut,
)
from accounts.api.profile_etag import etag, is_known, require_match
from accounts.errors import InvalidCredentials, TokenInvalid, TokenRevoked, WrongPassword
from accounts.fields import normalised_email
from accounts.models import User
from accounts.queries import user_profile
from accounts.tokens import RefreshToken, ReturnedRefreshToken, TokenPair, read_token
from chatstore import throttling
from chatstore.bodies import validated
from chatstore.problems import Invalid
from chatstore.rendering import encode_json
from chatstore.schema import IF_MATCH, IF_NONE_MATCH, problems
from chatstore.sql import Row

SECRET = {"Cache-Control": "no-store"}  # RFC 6749, section 5.1: an answer with tokens is nobody's to keep


class OpenView(APIView):
    """For those who have no token yet; one that they send is not looked at."""

    authentication_classes = []
    permission_classes = []
    throttle_classes = []  # the views count by themselves


class RegisterView(OpenView):
    @extend_schema(
        operation_id="auth_register",
        summary="Create an account",
        tags=["accounts"],
        request=Registration,
        responses={201: RegistrationOut, **problems(403, 409, 429)},
    )
    def post(self, request: Request) -> Response:
        """Create an account and sign in. Closed servers answer 403 `registration_closed`, a known address 409."""
        body = validated(Registration, request)
        throttling.hit("register", throttling.client_address(request))
        profile, tokens = user_register(**msgspec.structs.asdict(body))
        return Response({"user": profile, **msgspec.structs.asdict(tokens)}, status=201, headers=SECRET)


class TokenView(OpenView):
    @extend_schema(
        operation_id="auth_token",
        summary="Sign in",
        tags=["accounts"],
        request=Credentials,
        responses={200: TokenPair, **problems(401, 429)},
    )
    def post(self, request: Request) -> Response:
        """Exchange e-mail and password for tokens. A refusal is the same, in words and time, whatever its cause.

        Failures are counted by address, and by address and account: nobody can lock somebody else out.
        """
        body, address = validated(Credentials, request), throttling.client_address(request)
        counters = (("login", address, normalised_email(body.email)), ("login_address", address))
        for counter in counters:
            throttling.check(*counter)
        try:
            tokens = session_open(email=body.email, password=body.password)
        except InvalidCredentials:
            for counter in counters:
                throttling.hit(*counter)
            raise
        return _tokens(tokens)


class RefreshView(OpenView):
    @extend_schema(
        operation_id="auth_token_refresh",
        summary="Get the next pair of tokens",
        tags=["accounts"],
        request=Refresh,
        responses={200: TokenPair, **problems(401, 429)},
    )
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for a new pair; it works once, and there is no grace period.

        A second use (401 `token_reused`) means that it is in two hands and ends the session with all its tokens: a
        client refreshes once at a time.
        """
        body = validated(Refresh, request)
        throttling.hit("refresh", throttling.client_address(request))
        return _tokens(session_refresh(read_token(RefreshToken, body.refresh)))


class LogoutView(APIView):
    @extend_schema(
        operation_id="auth_logout",
        summary="Sign out",
        tags=["accounts"],
        request=Refresh,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        """End the session of a refresh token, with its access tokens; also 204 when it has ended already."""
        body = validated(Refresh, request)
        try:
            claims = read_token(ReturnedRefreshToken, body.refresh)
        except TokenInvalid:
            raise _not_your_refresh_token() from None
        if claims.user_id != _user(request).id:
            raise _not_your_refresh_token()
        session_revoke(claims)
        return Response(status=204)


class LogoutAllView(APIView):
    @extend_schema(
        operation_id="auth_logout_all",
        summary="Sign out everywhere",
        tags=["accounts"],
        request=None,
        responses={204: None},
    )
    def post(self, request: Request) -> Response:
        """End every session, and refuse what an identity provider has issued so far, from the next request on."""
        sessions_revoke_all(user_id=_user(request).id)
        return Response(status=204)


class MeView(APIView):
    @extend_schema(
        operation_id="auth_me_retrieve",
        summary="Your profile",
        tags=["accounts"],
        parameters=[IF_NONE_MATCH],
        responses={200: UserOut, 304: None},
    )
    def get(self, request: Request) -> Response:
        """Who you are here."""
        body = encode_json(_profile(request))
        headers = {"ETag": etag(body)}
        return (
            Response(status=304, headers=headers) if is_known(request, etag(body)) else Response(body, headers=headers)
        )

    @extend_schema(
        operation_id="auth_me_update",
        summary="Change your profile",
        tags=["accounts"],
        parameters=[IF_MATCH],
        request=ProfilePatch,
        responses={200: UserOut},
    )
    def patch(self, request: Request) -> Response:
        """Change your name or language. Other fields in the body mean nothing."""
        patch, seen = validated(ProfilePatch, request), None
        if "If-Match" in request.headers:
            seen = _profile(request)
            require_match(request, etag(encode_json(seen)))
        profile = user_update(user_id=_user(request).id, name=patch.name, language=patch.language, seen=seen)
        body = encode_json(profile)
        return Response(body, headers={"ETag": etag(body)})


class PasswordView(APIView):
    @extend_schema(
        operation_id="auth_password",
        summary="Change your password",
        tags=["accounts"],
        request=PasswordChange,
        responses={200: TokenPair, **problems(403)},
    )
    def post(self, request: Request) -> Response:
        """Change your password. Every session ends, everywhere; you go on with the tokens in the answer.

        A wrong current password is 403 `wrong_password`, and counts as a failed sign-in.
        """
        body, user = validated(PasswordChange, request), _user(request)
        counter = ("login", throttling.client_address(request), str(user.id))
        throttling.check(*counter)
        try:
            tokens = password_change(user=user, current_password=body.current_password, new_password=body.new_password)
        except WrongPassword:
            throttling.hit(*counter)
            raise
        return _tokens(tokens)


def _user(request: Request) -> User:
    return cast(User, request.user)


def _profile(request: Request) -> Row:
    profile = user_profile(user_id=_user(request).id)
    if profile is None:  # deleted since the token was checked
        raise TokenRevoked()
    return profile


def _tokens(tokens: TokenPair) -> Response:
    return Response(msgspec.structs.asdict(tokens), headers=SECRET)


def _not_your_refresh_token() -> Invalid:
    words = "Not a refresh token of yours"
    return Invalid(errors=[{"pointer": "/refresh", "code": TokenInvalid.code, "detail": words}])
