"""The statements use the indexes that their comments name."""

from uuid import uuid4

import pytest
from django.db import connection

from accounts import queries
from accounts.actions import sessions, users

pytestmark = pytest.mark.django_db

PARAMS = {
    **dict.fromkeys(("user_id", "session_id", "jti", "old", "new", "stamp"), uuid4()),
    **dict.fromkeys(
        ("email", "password", "verified", "renewed", "issuer", "subject", "name", "seen_name", "seen_language"), "x"
    ),
    **{"language": "", "any_version": False, "issued_at": 1, "lifetime": 60, "reason": "logout", "stays_active": True},
}


@pytest.mark.parametrize(
    ("statement", "indexes"),
    [
        (queries.USER_BY_SESSION, {"accounts_user_pkey", "accounts_session_pkey"}),
        (queries.USER_BY_OIDC, {"user_oidc_known"}),
        (queries.CREDENTIALS_BY_EMAIL, {"user_email_taken"}),
        (queries.CREDENTIALS_BY_ID, {"accounts_user_pkey"}),
        (queries.PROFILE, {"accounts_user_pkey"}),
        (sessions.SESSION_OPEN, {"accounts_user_pkey", "accounts_session_pkey"}),
        (sessions.CREDENTIALS_RENEW, {"accounts_user_pkey"}),
        (sessions.SESSION_REFRESH, {"accounts_user_pkey", "accounts_session_pkey"}),
        (sessions.SESSION_REVOKE, {"accounts_session_pkey"}),
        (sessions.SESSIONS_END, {"accounts_user_pkey", "accounts_session_pkey"}),
        (users.USER_UPDATE, {"accounts_user_pkey"}),
        (users.CREDENTIALS_CHANGE, {"accounts_user_pkey", "accounts_session_pkey"}),
        (users.USER_ACTIVATE, {"accounts_user_pkey"}),
        (users.USER_FROM_OIDC, {"user_email_taken"}),
    ],
)
def test_each_statement_probes_indexes_only(statement, indexes):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # the tables of a test are too small for an index
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute(
            f"EXPLAIN {statement}", {key: value for key, value in PARAMS.items() if f"%({key})s" in statement}
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert {name for name in indexes if name in plan} == indexes, plan
    assert "Seq Scan" not in plan
