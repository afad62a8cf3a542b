"""How `accounts` refuses, in the vocabulary of chatstore/problems.py."""

from typing import Any, ClassVar

from chatstore.problems import BY_CONSTRAINT, Conflict, DomainError, Forbidden

REALM = 'Bearer realm="api"'
IDENTITY_PROVIDER_RETRY_SECONDS = 10


class Unauthorised(DomainError):
    """401, which says how to authenticate (RFC 9110, section 15.5.2)."""

    status, code, title = 401, "not_authenticated", "A valid access token is needed"
    challenge: ClassVar[str] = REALM

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": self.challenge}, **members)


class InvalidCredentials(Unauthorised):
    """Wrong password, unknown address, inactive account: which of them is not told."""

    code, title = "invalid_credentials", "No active account has this e-mail address and password"


class TokenInvalid(Unauthorised):
    """Not a token of ours, not of this kind, or tampered with (RFC 6750, section 3.1)."""

    code, title = "token_invalid", "The token is not valid"
    challenge = f'{REALM}, error="invalid_token"'


class TokenExpired(TokenInvalid):
    code, title = "token_expired", "The token has expired"
    challenge = f'{TokenInvalid.challenge}, error_description="expired"'


class TokenRevoked(TokenInvalid):
    """Its session has ended: logout, logout-all, a changed password, a deleted account."""

    code, title = "token_revoked", "The session of this token has ended"
    challenge = f'{TokenInvalid.challenge}, error_description="revoked"'


class TokenReused(TokenInvalid):
    """A refresh token came a second time, so it is in two hands: the whole session ends (RFC 9700, section 4.14.2)."""

    code, title = "token_reused", "This refresh token was used before; its session has ended"
    challenge = f'{TokenInvalid.challenge}, error_description="reused"'


class AccountInactive(TokenInvalid):
    code, title = "account_inactive", "This account is not active"
    challenge = f'{TokenInvalid.challenge}, error_description="inactive"'


class WrongPassword(Forbidden):
    """The current password, asked for again before something grave."""

    code, title = "wrong_password", "The password is wrong"


class RegistrationClosed(Forbidden):
    code, title = "registration_closed", "New accounts are not open to everybody here"


class EmailTaken(Conflict):
    code, title = "email_taken", "There is an account with this e-mail address already"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, pointer="/email")


class IdentityProviderUnavailable(DomainError):
    status, code, title = 503, "identity_provider_unavailable", "The identity provider cannot be reached; try again"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail, headers={"Retry-After": str(IDENTITY_PROVIDER_RETRY_SECONDS)})


BY_CONSTRAINT["user_email_taken"] = EmailTaken
