"""A PostgreSQL connection string as Django's database settings."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict


def database_from_dsn(dsn: str) -> dict[str, Any]:
    """`postgresql://user:password@host:port/name?sslmode=…`, or libpq's `key=value` form; libpq itself parses it."""
    try:
        known = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    except ProgrammingError as error:
        # Without the text of the error: it quotes the string, password included.
        raise ImproperlyConfigured("DATABASE_URL: expected postgresql://user:password@host:port/name") from error
    return {
        "NAME": known.pop("dbname", ""),
        "USER": known.pop("user", ""),
        "PASSWORD": known.pop("password", ""),
        "HOST": known.pop("host", ""),
        "PORT": known.pop("port", ""),
        "OPTIONS": known,
    }
