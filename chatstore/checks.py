"""Misconfiguration, found before anyone meets it: `manage.py check --deploy --database default`.

Errors are what makes the service unsafe or wrong; warnings what a small installation may have decided so.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import Error as DatabaseFault
from django.db import connections

MIN_SECRET = 32  # characters: an HMAC with SHA-256 is as strong as 32 random bytes (RFC 7518, section 3.2)
MIN_DISTINCT = 8
MIN_POSTGRESQL = 15

Apps = Sequence[AppConfig] | None


@register(Tags.security, deploy=True)
def secret_key_is_strong(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """Cursors are signed with it, and access tokens unless CHATSTORE_JWT_KEYS is set."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if all(len(key) >= MIN_SECRET and len(set(key)) >= MIN_DISTINCT for key in keys):
        return []
    hint = (
        "python -c 'import secrets; print(secrets.token_urlsafe(48))', into CHATSTORE_SECRET_KEY or a file for _FILE."
    )
    return [Error(f"A secret key has fewer than {MIN_SECRET} random characters.", hint=hint, id="chatstore.E001")]


@register(Tags.security, deploy=True)
def debug_is_off(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    if not settings.DEBUG:
        return []
    hint = "Unset CHATSTORE_DEBUG: the admin's error pages would show settings, queries and their parameters."
    return [Error("CHATSTORE_DEBUG is on.", hint=hint, id="chatstore.E002")]


@register(Tags.security, deploy=True)
def hosts_are_named(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    hint = (
        "List the names in CHATSTORE_ALLOWED_HOSTS: the links of an answer are built from the Host that a client sent."
    )
    return [Warning("Every Host header is accepted.", hint=hint, id="chatstore.W003")]


@register(Tags.database, deploy=True)
def prepared_statements_are_on(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    if settings.DATABASES["default"].get("OPTIONS", {}).get("prepare_threshold") is not None:
        return []
    hint = "Set DATABASE_PREPARE_THRESHOLD=2, unless a PgBouncer before 1.21 is in between."
    return [Warning("Every hot read is planned anew: prepare_threshold is None.", hint=hint, id="chatstore.W004")]


@register(Tags.security, deploy=True)
def throttling_is_shared(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    if not settings.THROTTLE_RATES:
        hint = "CHATSTORE_THROTTLE_RATES=off is for load tests: passwords can be guessed as fast as they are hashed."
        return [Warning("Nothing is throttled.", hint=hint, id="chatstore.W005")]
    if settings.REDIS_URL:
        return []
    hint = "Set REDIS_URL. Without it n processes let through up to n times each rate."
    return [Warning("Each process counts requests on its own.", hint=hint, id="chatstore.W006")]


@register(Tags.security, deploy=True)
def https_is_on(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    if settings.HTTPS_ONLY:
        return []
    hint = "Unset CHATSTORE_HTTPS: the admin's cookies would travel in clear, and browsers would not insist on HTTPS."
    return [Warning("HTTPS is off.", hint=hint, id="chatstore.W007")]


@register(Tags.security, deploy=True)
def proxies_are_counted(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    """Behind a proxy all requests come from its address."""
    if settings.SECURE_PROXY_SSL_HEADER is None or settings.TRUSTED_PROXIES:
        return []
    hint = "Set CHATSTORE_TRUSTED_PROXIES to their number: all clients together share the rates of one address."
    return [Warning("A proxy is trusted for HTTPS but not for addresses.", hint=hint, id="chatstore.W008")]


@register(Tags.staticfiles, deploy=True)
def static_files_are_there(app_configs: Apps, **kwargs: Any) -> list[CheckMessage]:
    if settings.WHITENOISE_USE_FINDERS or settings.STATIC_ROOT.is_dir():
        return []
    hint = "Run manage.py collectstatic: the admin and /api/docs have no styles and scripts."
    return [Warning("There are no static files.", hint=hint, id="chatstore.W009")]


@register(Tags.database)
def server_is_suitable(app_configs: Apps, databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Runs with `--database` only, as all of Django's checks that connect."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        try:
            found += _faults_of_server(alias)
        except DatabaseFault:
            hint = "Is the server up, and DATABASE_URL right?"
            found.append(Error(f"The database {alias!r} cannot be reached.", hint=hint, id="chatstore.E010"))
    return found


def _faults_of_server(alias: str) -> list[CheckMessage]:
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('TimeZone'), current_setting('server_encoding'),"
            " current_setting('server_version_num')::int / 10000"
        )
        zone, encoding, version = cursor.fetchone()
    found: list[CheckMessage] = []
    if zone not in ("UTC", "Etc/UTC", "GMT"):
        hint = "Django sets it on every connection: does a pooler, or ALTER ROLE, set it again?"
        found.append(
            Error(f"Sessions of {alias!r} are not in UTC: times read raw would be wrong.", hint, id="chatstore.E011")
        )
    if encoding != "UTF8":
        hint = "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        found.append(Error(f"The database {alias!r} is not in UTF-8.", hint, id="chatstore.E012"))
    if version < MIN_POSTGRESQL:
        hint = f"Upgrade to PostgreSQL {MIN_POSTGRESQL} or later."
        found.append(Error(f"The server of {alias!r} is PostgreSQL {version}.", hint, id="chatstore.E013"))
    return found
