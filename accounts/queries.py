"""The reads: who is asking, in one prepared statement a request."""

from uuid import UUID

from accounts.models import User
from chatstore.sql import Row, fetch_one

# What a request needs to know of a person. The rest is deferred: `request.user.name` would be a query of its own.
PRINCIPAL_FIELDS = {"id", "email", "is_active", "is_staff", "is_superuser"}
_IN_MODEL_ORDER = [field.attname for field in User._meta.concrete_fields if field.attname in PRINCIPAL_FIELDS]

# Two probes: accounts_user_pkey, accounts_session_pkey (user_id, id). No row: no such person; is_live: the session is.
USER_BY_SESSION = """
    SELECT u.id, u.email, u.is_active, u.is_staff, u.is_superuser, s.id IS NOT NULL AS is_live
      FROM accounts_user u
      LEFT JOIN accounts_session s
        ON s.user_id = u.id AND s.user_id = %(user_id)s AND s.id = %(session_id)s
       AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp() AND s.security_stamp = u.security_stamp
     WHERE u.id = %(user_id)s
"""

# The same as a condition of a hot statement, which then needs no round trip before it. Parameters `user` and `session`;
# without a session the caller was checked already. Uses the same two keys.
CALLER_IS_LIVE = """
    (%(session)s::uuid IS NULL OR EXISTS (
        SELECT FROM accounts_user u
          JOIN accounts_session s ON s.user_id = u.id AND s.security_stamp = u.security_stamp
         WHERE u.id = %(user)s AND u.is_active AND s.user_id = %(user)s AND s.id = %(session)s::uuid
           AND s.revoked_at IS NULL AND s.expires_at > statement_timestamp()))
"""

# Uses user_oidc_known; its condition must stand here for the planner to see that.
USER_BY_OIDC = """
    SELECT id, email, is_active, is_staff, is_superuser,
           tokens_valid_after IS NULL OR to_timestamp(%(issued_at)s) >= tokens_valid_after AS is_live
      FROM accounts_user
     WHERE oidc_issuer = %(issuer)s AND oidc_subject = %(subject)s AND NOT oidc_subject = ''
"""

# Uses user_email_taken.
CREDENTIALS_BY_EMAIL = "SELECT id, password, is_active FROM accounts_user WHERE email = %(email)s"

# Uses accounts_user_pkey.
CREDENTIALS_BY_ID = "SELECT id, password, is_active FROM accounts_user WHERE id = %(user_id)s"

PROFILE_COLUMNS = "id, email, name, language, is_staff, date_joined"

# Uses accounts_user_pkey.
PROFILE = f"SELECT {PROFILE_COLUMNS} FROM accounts_user WHERE id = %(user_id)s"


def user_by_session(*, user_id: UUID, session_id: UUID) -> Row | None:
    """PRINCIPAL_FIELDS and `is_live`, ready for `principal`; None when there is no such person."""
    return fetch_one(USER_BY_SESSION, {"user_id": user_id, "session_id": session_id})


def user_by_oidc(*, issuer: str, subject: str, issued_at: int) -> Row | None:
    """The same for a person of an identity provider; `is_live`: the token is younger than the last logout-all."""
    return fetch_one(USER_BY_OIDC, {"issuer": issuer, "subject": subject, "issued_at": issued_at})


def principal(row: Row) -> User:
    """The row as a User whose other fields are deferred: no second query, and permissions work as everywhere."""
    user = User.from_db("default", _IN_MODEL_ORDER, [row[name] for name in _IN_MODEL_ORDER])
    user.id = UUID(row["id"])
    return user


def user_profile(*, user_id: UUID) -> Row | None:
    """PROFILE_COLUMNS as an answer needs them; None when the person is gone."""
    return fetch_one(PROFILE, {"user_id": user_id})
