"""What the endpoints of accounts take and give."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from accounts.actions.users import MAX_NAME
from accounts.fields import MAX_EMAIL
from accounts.passwords import MAX_PASSWORD
from accounts.tokens import TokenPair
from chatstore.bodies import Body

Email = Annotated[str, Meta(min_length=1, max_length=MAX_EMAIL)]
Password = Annotated[str, Meta(min_length=1, max_length=MAX_PASSWORD)]
Name = Annotated[str, Meta(max_length=MAX_NAME)]
Language = Annotated[
    str, Meta(max_length=35, pattern=r"^([A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*)?$(?!\n)", description="BCP 47, or empty")
]
Jwt = Annotated[str, Meta(max_length=4_096)]


class Registration(Body, frozen=True):
    """Who would like an account."""

    email: Email
    password: Password
    name: Name = ""
    language: Language = ""


class Credentials(Body, frozen=True):
    """Who signs in."""

    email: Email
    password: Password


class Refresh(Body, frozen=True):
    """The newest refresh token of a session."""

    refresh: Jwt


class ProfilePatch(Body, frozen=True):
    """What a person may change about themselves; what is left out stays."""

    name: Name | None = None
    language: Language | None = None


class PasswordChange(Body, frozen=True):
    """The password, and the next one."""

    current_password: Password
    new_password: Password


class UserOut(Struct):
    """A person, to themselves. `email` is null when an identity provider did not vouch for one."""

    id: UUID
    email: str | None
    name: str
    language: str
    is_staff: bool
    date_joined: datetime


class RegistrationOut(Struct):
    """The new person and their first tokens."""

    user: UserOut
    access: str
    refresh: str


__all__ = [
    "Credentials",
    "PasswordChange",
    "ProfilePatch",
    "Refresh",
    "Registration",
    "RegistrationOut",
    "TokenPair",
    "UserOut",
]
