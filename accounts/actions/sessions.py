"""Signing in, staying signed in, signing out. Each write is one statement, so that no race fits in between."""

from uuid import UUID, uuid4

from django.conf import settings

from accounts.errors import InvalidCredentials, TokenReused, TokenRevoked
from accounts.fields import normalised_email
from accounts.models import RevocationReason
from accounts.passwords import password_matches
from accounts.queries import CREDENTIALS_BY_EMAIL
from accounts.tokens import Claims, TokenPair, issue_pair
from chatstore.owned import new_id
from chatstore.sql import fetch_one, write
from chatstore.storable import to_storable

# Uses accounts_user_pkey, and accounts_session_pkey for what has expired, which is kept until the next sign-in.
# The password is compared again here: between its verification and now it may have been changed. One that changes
# while this runs leaves a session with the old stamp, which is dead.
SESSION_OPEN = """
    WITH gone AS (
        DELETE FROM accounts_session WHERE user_id = %(user_id)s AND expires_at < statement_timestamp()
    )
    INSERT INTO accounts_session (id, user_id, security_stamp, refresh_jti, expires_at)
    SELECT %(session_id)s::uuid, id, security_stamp, %(jti)s::uuid,
           statement_timestamp() + make_interval(secs => %(lifetime)s)
      FROM accounts_user
     WHERE id = %(user_id)s AND password = %(verified)s AND is_active
    RETURNING user_id
"""

# Uses accounts_user_pkey. Another request may have renewed it, or changed the password: then nothing is done.
CREDENTIALS_RENEW = """
    UPDATE accounts_user SET password = %(renewed)s WHERE id = %(user_id)s AND password = %(verified)s RETURNING id
"""

# Uses accounts_session_pkey. Of parallel refreshes with one token the first rotates; the next waits for its row lock,
# finds another jti and ends the session; the rest find it ended. There is no grace period: a client refreshes once at
# a time.
SESSION_REFRESH = """
    UPDATE accounts_session s
       SET refresh_jti = CASE WHEN s.refresh_jti = %(old)s THEN %(new)s::uuid ELSE s.refresh_jti END,
           refreshed_at = CASE WHEN s.refresh_jti = %(old)s THEN statement_timestamp() ELSE s.refreshed_at END,
           expires_at = CASE WHEN s.refresh_jti = %(old)s
                             THEN statement_timestamp() + make_interval(secs => %(lifetime)s) ELSE s.expires_at END,
           revoked_at = CASE WHEN s.refresh_jti = %(old)s THEN NULL ELSE statement_timestamp() END,
           revoked_reason = CASE WHEN s.refresh_jti = %(old)s THEN '' ELSE 'reused' END
      FROM accounts_user u
     WHERE s.user_id = %(user_id)s AND s.id = %(session_id)s
       AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp()
       AND u.id = s.user_id AND u.is_active AND u.security_stamp = s.security_stamp
    RETURNING s.refresh_jti = %(new)s AS rotated
"""

# Uses accounts_session_pkey.
SESSION_REVOKE = """
    UPDATE accounts_session SET revoked_at = statement_timestamp(), revoked_reason = %(reason)s
     WHERE user_id = %(user_id)s AND id = %(session_id)s AND revoked_at IS NULL
"""

# Uses accounts_user_pkey and the prefix of accounts_session_pkey. The new stamp also ends a session that another
# request is just opening, which this statement cannot see.
SESSIONS_END = """
    WITH stamped AS (
        UPDATE accounts_user
           SET security_stamp = %(stamp)s, tokens_valid_after = statement_timestamp(),
               is_active = is_active AND %(stays_active)s
         WHERE id = %(user_id)s
        RETURNING id
    )
    UPDATE accounts_session SET revoked_at = statement_timestamp(), revoked_reason = %(reason)s
      FROM stamped
     WHERE user_id = %(user_id)s AND user_id = stamped.id AND revoked_at IS NULL
"""


def session_open(*, email: str, password: str) -> TokenPair:
    """Sign in: the tokens of a new session. Raises InvalidCredentials, in the same time whatever the cause."""
    account = fetch_one(CREDENTIALS_BY_EMAIL, {"email": to_storable(normalised_email(email))})
    matches, renewed = password_matches(password, account["password"] if account else None)
    if account is None or not matches or not account["is_active"]:
        raise InvalidCredentials()
    user_id, verified = UUID(account["id"]), account["password"]
    if renewed and write(CREDENTIALS_RENEW, {"user_id": user_id, "verified": verified, "renewed": renewed}):
        verified = renewed
    claims = new_claims(user_id)
    if not write(SESSION_OPEN, session_params(claims) | {"verified": verified}):
        raise InvalidCredentials()
    return issue_pair(claims)


def session_refresh(claims: Claims) -> TokenPair:
    """The next pair of a session, which now lives on for another REFRESH_TOKEN_SECONDS; `claims` are a refresh token's.

    Raises TokenReused for a token that is not the session's newest, and ends the session; TokenRevoked for a session
    that has ended.
    """
    following = claims._replace(jti=uuid4())
    rows = write(SESSION_REFRESH, session_params(following) | {"old": claims.jti, "new": following.jti})
    if not rows:
        raise TokenRevoked()
    if not rows[0]["rotated"]:
        raise TokenReused()
    return issue_pair(following)


def session_revoke(claims: Claims) -> None:
    """Sign out of one session; one that has ended already stays as it is."""
    params = {"user_id": claims.user_id, "session_id": claims.session_id, "reason": RevocationReason.LOGOUT.value}
    write(SESSION_REVOKE, params, repeatable=True)


def sessions_revoke_all(*, user_id: UUID) -> None:
    """Sign out everywhere: every session, and every token that an identity provider has issued so far."""
    sessions_end(user_id=user_id, reason=RevocationReason.LOGOUT_ALL)


def sessions_end(*, user_id: UUID, reason: RevocationReason, stays_active: bool = True) -> None:
    """End every session of a person; if they do not stay active, no other begins."""
    params = {"user_id": user_id, "stamp": uuid4(), "reason": reason.value, "stays_active": stays_active}
    write(SESSIONS_END, params, repeatable=True)


def new_claims(user_id: UUID) -> Claims:
    """Of a session that is about to begin."""
    return Claims(user_id, session_id=new_id(), jti=uuid4())


def session_params(claims: Claims) -> dict[str, object]:
    """What the statements that begin or prolong a session take."""
    return {**claims._asdict(), "lifetime": settings.REFRESH_TOKEN_SECONDS}
