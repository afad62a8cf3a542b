"""Passwords: slow by design, so nothing here runs inside a transaction."""

from django.contrib.auth import password_validation
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, check_password, make_password
from django.core.exceptions import ValidationError

from accounts.models import User
from chatstore.problems import Invalid

MAX_PASSWORD = 1_024  # characters; the hash takes any length, the validators should not


def password_matches(password: str, encoded: str | None) -> tuple[bool, str | None]:
    """Whether it is the password, and a new hash of it when the stored one is of an outdated strength.

    Without a stored one (no such account, or one that signs in elsewhere) it takes the same time: a hash is computed.
    """
    renewed: list[str] = []
    matches = check_password(
        _encodable(password), encoded or UNUSABLE_PASSWORD_PREFIX, setter=lambda raw: renewed.append(make_password(raw))
    )
    return matches, renewed[0] if matches and renewed else None


def new_password_hash(password: str, *, user: User, pointer: str) -> str:
    """The hash of a password that Django's validators accept. Raises Invalid, an error for each that does not."""
    if password != _encodable(password):
        raise Invalid(errors=[{"pointer": pointer, "code": "invalid", "detail": "Half a surrogate pair is no text"}])
    try:
        password_validation.validate_password(password, user)
    except ValidationError as refused:
        raise Invalid(
            errors=[
                {"pointer": pointer, "code": error.code or "invalid", "detail": " ".join(error.messages)}
                for error in refused.error_list
            ]
        ) from None
    return make_password(password)


def _encodable(password: str) -> str:
    """Lone surrogates, which JSON may carry, have no UTF-8: as `?` they match no password, in the same time."""
    return password.encode("utf-8", "replace").decode()
