"""People: how they come, what they change, how they go."""

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts.actions.sessions import new_claims, session_params, sessions_end
from accounts.errors import RegistrationClosed, WrongPassword
from accounts.fields import MAX_EMAIL, normalised_email
from accounts.models import RevocationReason, User
from accounts.passwords import new_password_hash, password_matches
from accounts.queries import CREDENTIALS_BY_ID, PROFILE_COLUMNS, user_by_oidc
from accounts.tokens import TokenPair, issue_pair
from chatstore.owned import new_id
from chatstore.problems import Invalid, PreconditionFailed
from chatstore.sql import Row, fetch_one, write
from chatstore.storable import to_storable

MAX_NAME = 200

# The person and their first session. user_email_taken refuses a second one, in a race as well.
USER_REGISTER = f"""
    WITH person AS (
        INSERT INTO accounts_user (id, email, name, language, password, is_superuser, security_stamp)
        VALUES (%(user_id)s, %(email)s, %(name)s, %(language)s, %(password)s, false, %(stamp)s)
        RETURNING {PROFILE_COLUMNS}
    ), session AS (
        INSERT INTO accounts_session (id, user_id, security_stamp, refresh_jti, expires_at)
        SELECT %(session_id)s::uuid, id, %(stamp)s::uuid, %(jti)s::uuid,
               statement_timestamp() + make_interval(secs => %(lifetime)s)
          FROM person
    )
    SELECT {PROFILE_COLUMNS} FROM person
"""

# Uses accounts_user_pkey. What is None stays. `seen_*` is what If-Match vouches for; without one, anything will do.
USER_UPDATE = f"""
    UPDATE accounts_user
       SET name = coalesce(%(name)s, name), language = coalesce(%(language)s, language)
     WHERE id = %(user_id)s
       AND (%(any_version)s OR (name = %(seen_name)s AND language = %(seen_language)s))
    RETURNING {PROFILE_COLUMNS}
"""

# Uses accounts_user_pkey and the prefix of accounts_session_pkey. One statement: of two changes at once with the same
# old password one is refused, and the session that goes on has the new stamp.
CREDENTIALS_CHANGE = """
    WITH changed AS (
        UPDATE accounts_user
           SET password = %(renewed)s, security_stamp = %(stamp)s, tokens_valid_after = statement_timestamp()
         WHERE id = %(user_id)s AND password = %(verified)s AND is_active
        RETURNING id, security_stamp
    ), ended AS (
        UPDATE accounts_session SET revoked_at = statement_timestamp(), revoked_reason = 'password_changed'
          FROM changed
         WHERE user_id = %(user_id)s AND user_id = changed.id AND revoked_at IS NULL
    )
    INSERT INTO accounts_session (id, user_id, security_stamp, refresh_jti, expires_at)
    SELECT %(session_id)s::uuid, id, security_stamp, %(jti)s::uuid,
           statement_timestamp() + make_interval(secs => %(lifetime)s)
      FROM changed
    RETURNING user_id
"""

# Uses accounts_user_pkey.
USER_ACTIVATE = "UPDATE accounts_user SET is_active = true WHERE id = %(user_id)s"

# An address that another account has is not taken, and does not lead to that account: whoever controls a claim of the
# identity provider, or registered a stranger's address here, would get the other's conversations.
USER_FROM_OIDC = """
    INSERT INTO accounts_user
           (id, email, name, password, is_superuser, security_stamp, oidc_issuer, oidc_subject)
    SELECT %(user_id)s::uuid,
           CASE WHEN NOT EXISTS (SELECT FROM accounts_user WHERE email = %(email)s) THEN %(email)s END,
           %(name)s, %(password)s, false, %(stamp)s::uuid, %(issuer)s, %(subject)s
    ON CONFLICT DO NOTHING
    RETURNING id, email, is_active, is_staff, is_superuser, true AS is_live
"""


def user_register(*, email: str, password: str, name: str = "", language: str = "") -> tuple[Row, TokenPair]:
    """A new person, signed in: their profile (`PROFILE_COLUMNS`) and tokens.

    Raises RegistrationClosed, Invalid, EmailTaken (by the name of its constraint).
    """
    if settings.REGISTRATION != "open":
        raise RegistrationClosed()
    address = normalised_email(email)
    if not is_address(address):
        raise Invalid(errors=[{"pointer": "/email", "code": "invalid_email", "detail": "Not an e-mail address"}])
    encoded = new_password_hash(password, user=User(email=address, name=name), pointer="/password")
    claims = new_claims(new_id())
    person = {"email": address, "name": to_storable(name), "language": language, "password": encoded, "stamp": uuid4()}
    [profile] = write(USER_REGISTER, session_params(claims) | person)
    return profile, issue_pair(claims)


def user_update(*, user_id: UUID, name: str | None = None, language: str | None = None, seen: Row | None = None) -> Row:
    """Change one's own profile; None leaves a field as it is. Returns the profile.

    Raises PreconditionFailed when it is no longer as `seen`, a profile.
    """
    params: dict[str, Any] = {
        "user_id": user_id,
        "name": None if name is None else to_storable(name),
        "language": language,
        "any_version": seen is None,
        "seen_name": seen["name"] if seen else "",
        "seen_language": seen["language"] if seen else "",
    }
    rows = write(USER_UPDATE, params, repeatable=seen is None)
    if not rows:
        raise PreconditionFailed()
    return rows[0]


def password_confirm(*, user_id: UUID, password: str) -> str:
    """Ask for the password again, before something grave; returns the stored hash. Raises WrongPassword."""
    account = fetch_one(CREDENTIALS_BY_ID, {"user_id": user_id})
    matches, _ = password_matches(password, account["password"] if account else None)
    if account is None or not matches:
        raise WrongPassword()
    return str(account["password"])


def password_change(*, user: User, current_password: str, new_password: str) -> TokenPair:
    """A new password. Every session ends, also the one that asks; it goes on with the tokens that this returns.

    Raises WrongPassword, Invalid.
    """
    verified = password_confirm(user_id=user.id, password=current_password)
    renewed = new_password_hash(new_password, user=user, pointer="/new_password")
    claims = new_claims(user.id)
    params = session_params(claims) | {"verified": verified, "renewed": renewed, "stamp": uuid4()}
    if not write(CREDENTIALS_CHANGE, params):
        raise WrongPassword()  # another change was faster
    return issue_pair(claims)


def user_deactivate(*, user_id: UUID) -> None:
    """Nobody can sign in as them, and who is signed in is out with the next request. Their data stays."""
    sessions_end(user_id=user_id, reason=RevocationReason.DEACTIVATED, stays_active=False)


def user_activate(*, user_id: UUID) -> None:
    """They can sign in again; sessions that ended stay ended."""
    write(USER_ACTIVATE, {"user_id": user_id}, repeatable=True)


def user_from_oidc(*, issuer: str, subject: str, issued_at: int, email: str | None, name: str) -> Row | None:
    """The person whom an identity provider names, made at first sight: a row as `queries.user_by_oidc` gives.

    `email` is one that the provider has verified; it is kept if it is an address and free. None: two conflicts at once.
    """
    address = normalised_email(email or "")
    params = {
        "user_id": new_id(),
        "email": address if is_address(address) else None,
        "name": to_storable(name[:MAX_NAME]),
        "password": make_password(None),
        "stamp": uuid4(),
        "issuer": issuer,
        "subject": subject,
    }
    # No row: another request was faster with this person, or another person with the address.
    for attempt in (params, params | {"email": None}):
        if rows := write(USER_FROM_OIDC, attempt, repeatable=True):
            return rows[0]
        if row := user_by_oidc(issuer=issuer, subject=subject, issued_at=issued_at):
            return row
    return None


def is_address(text: str) -> bool:
    """An e-mail address that can be stored and sent to."""
    try:
        validate_email(text)
    except ValidationError:
        return False
    return len(text) <= MAX_EMAIL and text.isascii()  # the validator's [A-Z] lets the Kelvin sign and the long s pass
