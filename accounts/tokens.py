"""Access and refresh tokens: SimpleJWT's classes, over our keyring and with its known holes closed.

Claims: `sub` (the user), `sid` (the session), `jti`, `token_type`, `iss`, `iat`, `exp`. A token alone opens nothing:
its session must live (`queries.user_by_session`), and of the refresh tokens of a session only the newest works.
"""

import base64
import binascii
import time
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar
from uuid import UUID

import jwt
import msgspec
from django.conf import settings
from jwt.types import Options
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import (
    ExpiredTokenError,
    TokenBackendError,
    TokenBackendExpiredToken,
    TokenError,
)
from rest_framework_simplejwt.tokens import AccessToken as SimpleAccessToken
from rest_framework_simplejwt.tokens import Token

from accounts.errors import TokenExpired, TokenInvalid
from accounts.keyring import Keyring, keyring

ALGORITHM: Literal["HS256"] = "HS256"
ISSUER = "chatstore"
REQUIRED_CLAIMS = ["sub", "sid", "jti", "iat", "exp", "iss"]

T = TypeVar("T", bound=Token)


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """What we write into a token's header, and all that may stand there: no `jku`, `x5u`, `jwk` or `crit`."""

    alg: Literal["HS256"]
    kid: str
    typ: Literal["JWT"]


class Claims(NamedTuple):
    """Whose token it is, of which session; `jti` tells the tokens of a session apart."""

    user_id: UUID
    session_id: UUID
    jti: UUID


class TokenPair(msgspec.Struct, frozen=True):
    """What a sign-in or a refresh gives."""

    access: str
    refresh: str


class KeyringBackend(TokenBackend):
    """Signs with the first key and verifies with the one that the header names; the algorithm is not negotiable."""

    def __init__(self, *, verify_exp: bool = True) -> None:
        super().__init__(ALGORITHM, issuer=ISSUER)
        self.options: Options = {"require": REQUIRED_CLAIMS, "verify_aud": False, "verify_exp": verify_exp}

    def encode(self, payload: dict[str, Any]) -> str:
        keys = keyring()
        headers = {"kid": keys.signing_kid}
        return jwt.encode({**payload, "iss": ISSUER}, keys.signing_key, algorithm=ALGORITHM, headers=headers)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """The verified claims; `verify=False` is not offered. Raises TokenBackendError."""
        header = our_header(token)
        if header is None:
            raise TokenBackendError("Token is invalid")
        try:
            return jwt.decode(
                token, keyring().keys[header.kid], algorithms=[ALGORITHM], issuer=ISSUER, options=self.options
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenBackendExpiredToken("Token is expired") from error
        except (jwt.InvalidTokenError, RecursionError) as error:
            raise TokenBackendError("Token is invalid") from error


class AccessToken(SimpleAccessToken):
    """Opens the API for some minutes."""

    _token_backend = KeyringBackend()

    @property
    def lifetime(self) -> timedelta:  # type: ignore[override]
        return timedelta(seconds=settings.ACCESS_TOKEN_SECONDS)


class RefreshToken(Token):
    """Gets the next pair, once."""

    token_type = "refresh"  # noqa: S105
    _token_backend = KeyringBackend()

    @property
    def lifetime(self) -> timedelta:  # type: ignore[override]
        return timedelta(seconds=settings.REFRESH_TOKEN_SECONDS)


class ReturnedRefreshToken(RefreshToken):
    """At logout an expired one will do: its session may live on in another hand."""

    _token_backend = KeyringBackend(verify_exp=False)

    def check_exp(self, *args: Any, **kwargs: Any) -> None:
        pass


def our_header(token: str) -> Header | None:
    """The header, if it is one of ours with a key that we have; its signature is not looked at yet."""
    encoded = token.partition(".")[0]
    try:
        header = msgspec.json.decode(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)), type=Header)
    except (binascii.Error, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    return header if header.kid in keyring().keys else None


def issue_pair(claims: Claims) -> TokenPair:
    """The tokens of a session; `claims.jti` is the refresh token's, which the session remembers."""
    access, refresh = AccessToken(), RefreshToken()
    for token in (access, refresh):
        token["sub"], token["sid"] = str(claims.user_id), str(claims.session_id)
    refresh["jti"] = claims.jti.hex
    return TokenPair(str(access), str(refresh))


def read_access_token(token: str) -> Claims:
    """What an access token says. Raises TokenInvalid, TokenExpired.

    A client sends the same one with every request for a quarter of an hour; its signature stays as good as it was.
    Whether its session lives is not remembered: the database is asked each time.
    """
    claims, expires_at = _verified_access_token(token, keyring())
    if expires_at <= time.time():
        raise TokenExpired()
    return claims


# Only good tokens are remembered (an exception is not cached), and under the keys that they were verified with.
@lru_cache(maxsize=10_000)
def _verified_access_token(token: str, keys: Keyring) -> tuple[Claims, int]:
    return _read(AccessToken, token)


def read_token(kind: type[T], token: str) -> Claims:
    """What a token of this kind says. Raises TokenInvalid, TokenExpired."""
    return _read(kind, token)[0]


def _read(kind: type[T], token: str) -> tuple[Claims, int]:
    try:
        payload = kind(token).payload  # type: ignore[arg-type]  # its annotation is wrong: text is what it takes
        return Claims(UUID(payload["sub"]), UUID(payload["sid"]), UUID(payload["jti"])), int(payload["exp"])
    except ExpiredTokenError:
        raise TokenExpired() from None
    except (TokenError, ValueError, AttributeError, TypeError, OverflowError):  # claims that are no UUIDs, no times
        raise TokenInvalid() from None
