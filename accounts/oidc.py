"""Tokens of an outside identity provider: checked against the keys that it publishes (OpenID Connect Core, 3.1.3.7)."""

import threading
import time
from functools import lru_cache
from typing import Any, NamedTuple

import jwt
from django.conf import settings
from django.core.signals import setting_changed
from jwt.api_jwk import PyJWK

from accounts.errors import IdentityProviderUnavailable, TokenExpired, TokenInvalid

TIMEOUT_SECONDS = 3  # of one request for the keys
FRESH_SECONDS = 300  # then they are asked for again
KEPT_SECONDS = 3_600  # known keys go on being used while the provider cannot be reached
COOLDOWN_SECONDS = 10  # between two requests for the keys, whatever tokens come: unknown `kid`s cost nothing to invent
LEEWAY_SECONDS = 10  # between the provider's clock and ours
MAX_SUBJECT = 255  # OpenID Connect Core, section 2
PUBLIC_KEY_TYPES = ("RSA", "EC", "OKP")


class Identity(NamedTuple):
    """Whom the provider speaks of. `email` is one that it has verified, else None."""

    issuer: str
    subject: str
    issued_at: int
    email: str | None
    name: str


class PublishedKeys:
    """The provider's public keys by `kid`. One thread asks for them; those that hold a known key do not wait for it."""

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(url, cache_jwk_set=False, timeout=TIMEOUT_SECONDS)
        self._keys: dict[str | None, PyJWK] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._lock = threading.Lock()

    def find(self, kid: str | None) -> PyJWK:
        """Raises TokenInvalid for an unknown key, IdentityProviderUnavailable when nobody can say."""
        key = self._known(kid)
        if key and self._age() < FRESH_SECONDS:
            return key
        if self._lock.acquire(blocking=key is None):
            try:
                if time.monotonic() - self._asked_at >= COOLDOWN_SECONDS:
                    self._fetch()
            finally:
                self._lock.release()
        if (key := self._known(kid)) and self._age() < KEPT_SECONDS:
            return key
        if self._fetched_at < self._asked_at:  # the last attempt failed
            raise IdentityProviderUnavailable()
        raise TokenInvalid()

    def _known(self, kid: str | None) -> PyJWK | None:
        if kid is None and len(self._keys) == 1:  # OpenID Connect Core, section 10.1: with several it must be named
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _age(self) -> float:
        return time.monotonic() - self._fetched_at

    def _fetch(self) -> None:
        self._asked_at = time.monotonic()
        try:
            found = self._client.get_jwk_set().keys
        except (jwt.PyJWTError, OSError, ValueError):  # unreachable, no JSON, no key of a known kind
            return
        self._keys = {
            key.key_id: key
            for key in found
            # A symmetric key in public would let everybody sign.
            if key.key_type in PUBLIC_KEY_TYPES and key.public_key_use in ("sig", None)
        }
        self._fetched_at = time.monotonic()


@lru_cache(maxsize=1)
def published_keys() -> PublishedKeys:
    """One for the process, so that all its threads share what was fetched."""
    return PublishedKeys(settings.OIDC_JWKS_URL)


def read_identity(token: str) -> Identity:
    """What a token of the configured provider says.

    Raises TokenInvalid, TokenExpired, IdentityProviderUnavailable.
    """
    try:
        key = published_keys().find(jwt.get_unverified_header(token).get("kid"))
        claims = jwt.decode(
            token,
            key,
            algorithms=settings.OIDC_ALGORITHMS,
            audience=settings.OIDC_AUDIENCE,
            issuer=settings.OIDC_ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iat", "sub", "aud", "iss"]},
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpired() from None
    except (jwt.PyJWTError, RecursionError, ValueError):  # ValueError: what is no UTF-8
        raise TokenInvalid() from None
    return _identity(claims)


def _identity(claims: dict[str, Any]) -> Identity:
    subject, email, name = claims["sub"], claims.get("email"), claims.get("name")
    if not 0 < len(subject) <= MAX_SUBJECT or not subject.isprintable():
        raise TokenInvalid()
    verified = claims.get("email_verified")
    is_verified = isinstance(email, str) and (verified is True or verified == "true")  # some providers send the text
    return Identity(
        issuer=settings.OIDC_ISSUER,
        subject=subject,
        issued_at=int(claims["iat"]),
        email=email if is_verified else None,
        name=name if isinstance(name, str) else "",
    )


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "OIDC_JWKS_URL":
        published_keys.cache_clear()


setting_changed.connect(_forget)
