"""The settings, all of them, from the environment. What is unset means production: nothing is open by default."""

from pathlib import Path
from typing import Any

from chatstore.env import env_bool, env_choice, env_int, env_list, env_str
from chatstore.postgres.dsn import database_from_dsn
from chatstore.throttle_rates import parse_rates

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

# --- security -------------------------------------------------------------------------------------------------------
DEBUG = env_bool("CHATSTORE_DEBUG", False)
SECRET_KEY = env_str("CHATSTORE_SECRET_KEY")  # empty: Django refuses to start
SECRET_KEY_FALLBACKS = env_list("CHATSTORE_SECRET_KEY_FALLBACKS")
ALLOWED_HOSTS = env_list("CHATSTORE_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env_list("CHATSTORE_CSRF_TRUSTED_ORIGINS")
HTTPS_ONLY = env_bool("CHATSTORE_HTTPS", not DEBUG)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS_ONLY
SESSION_COOKIE_AGE = env_int("CHATSTORE_ADMIN_SESSION_SECONDS", 8 * 3_600, minimum=60)  # a working day
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "chatstore_admin", "chatstore_csrf"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_HSTS_SECONDS = env_int("CHATSTORE_HSTS_SECONDS", 31_536_000 if HTTPS_ONLY else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = (
    False  # a decision about the whole domain, not about this service
)
# TLS ends at the reverse proxy, which redirects: see docs/deployment.md.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env_bool("CHATSTORE_TRUST_PROXY", False) else None
X_FRAME_OPTIONS = "DENY"
# They look for Django's own middleware by name; chatstore.middleware.pages has its subclasses and sends its headers.
SILENCED_SYSTEM_CHECKS = ["security.W001", "security.W002", "security.W003"]
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
CORS_ALLOWED_ORIGINS = env_list("CHATSTORE_CORS_ORIGINS")
CORS_EXPOSE_HEADERS = ["ETag", "Location", "Retry-After", "X-Request-ID", "Idempotency-Replayed", "Content-Disposition"]
CORS_ALLOW_HEADERS = ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-request-id"]

# --- tokens (accounts/tokens.py) --------------------------------------------------------------------------------------
JWT_KEYS = env_list("CHATSTORE_JWT_KEYS")  # "kid:secret", the first signs, all verify; empty: derived from SECRET_KEY
ACCESS_TOKEN_SECONDS = env_int("CHATSTORE_ACCESS_TOKEN_SECONDS", 900, minimum=1)
REFRESH_TOKEN_SECONDS = env_int("CHATSTORE_REFRESH_TOKEN_SECONDS", 30 * 86_400, minimum=1)
# What SimpleJWT reads by itself; algorithm, keys, issuer and lifetimes are in accounts/tokens.py.
SIMPLE_JWT = {"ALGORITHM": "HS256", "USER_ID_CLAIM": "sub", "ISSUER": "chatstore", "UPDATE_LAST_LOGIN": False}
REGISTRATION = env_choice("CHATSTORE_REGISTRATION", "open", ("open", "closed"))
OIDC_ISSUER = env_str("CHATSTORE_OIDC_ISSUER")  # empty: tokens of an outside identity provider are refused
OIDC_AUDIENCE = env_str("CHATSTORE_OIDC_AUDIENCE")
OIDC_JWKS_URL = env_str("CHATSTORE_OIDC_JWKS_URL")
OIDC_ALGORITHMS = env_list("CHATSTORE_OIDC_ALGORITHMS", ["RS256", "ES256"])

# --- limits -----------------------------------------------------------------------------------------------------------
MESSAGE_MAX_CHARACTERS = env_int("CHATSTORE_MESSAGE_MAX_CHARACTERS", 1_000_000, minimum=1)
MESSAGES_PER_REQUEST = env_int("CHATSTORE_MESSAGES_PER_REQUEST", 1_000, minimum=1)
DATA_UPLOAD_MAX_MEMORY_SIZE = env_int("CHATSTORE_MAX_BODY_BYTES", 10_000_000, minimum=1_000)  # more is 413
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
READ_CACHE_BYTES = env_int("CHATSTORE_READ_CACHE_BYTES", 8_000_000)  # of each process, for pages read again; 0: none
MAX_ATTACHMENT_BYTES = env_int("CHATSTORE_MAX_ATTACHMENT_BYTES", 100_000_000, minimum=1)  # larger ones stay outside
# An import: the whole upload, and how much of it (unpacked) is done within the request instead of by a worker.
IMPORT_MAX_BYTES = env_int("CHATSTORE_IMPORT_MAX_BYTES", 2_000_000_000, minimum=1_000)
IMPORT_INLINE_BYTES = env_int("CHATSTORE_IMPORT_INLINE_BYTES", 2_000_000)
IMPORT_FILES = 100
IMPORT_KEEP_DAYS = env_int("CHATSTORE_IMPORT_KEEP_DAYS", 7, minimum=1)  # the file of one that can be tried again
EXPORT_KEEP_HOURS = env_int("CHATSTORE_EXPORT_KEEP_HOURS", 72, minimum=1)
IDEMPOTENCY_HOURS = env_int("CHATSTORE_IDEMPOTENCY_HOURS", 24, minimum=1)
THROTTLE_RATES = parse_rates(env_str("CHATSTORE_THROTTLE_RATES"))
# How many proxies in front may be believed about X-Forwarded-For. 0: none, the peer's address counts.
TRUSTED_PROXIES = env_int("CHATSTORE_TRUSTED_PROXIES", 0)
METRICS_TOKEN = env_str("CHATSTORE_METRICS_TOKEN")  # empty: /metrics answers peers on the loopback interface only

# --- database ---------------------------------------------------------------------------------------------------------
# Without DATABASE_URL nothing connects; manage.py, serve and the tests start an embedded server and set it first.
DATABASE_POOL = {
    "min_size": env_int("CHATSTORE_POOL_MIN", 1),
    "max_size": env_int("CHATSTORE_POOL_MAX", 8, minimum=1),
    "timeout": env_int("CHATSTORE_POOL_TIMEOUT", 5, minimum=1),
    "max_lifetime": 3_600,
    "reconnect_timeout": 5,
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **database_from_dsn(env_str("DATABASE_URL", "postgresql:///chatstore")),
        "ENGINE": "chatstore.postgres",
        "CONN_MAX_AGE": 0,
    }
}
DATABASES["default"]["OPTIONS"] |= {
    "pool": DATABASE_POOL,
    "server_side_binding": True,
    # Hot statements are planned once per connection. 0 turns it off, for a PgBouncer before 1.21.
    "prepare_threshold": env_int("DATABASE_PREPARE_THRESHOLD", 2) or None,
}
DISABLE_SERVER_SIDE_CURSORS = env_bool("DATABASE_DISABLE_SERVER_SIDE_CURSORS", False)
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = DISABLE_SERVER_SIDE_CURSORS
# What listens (the workers) needs a session of its own: past a PgBouncer in transaction mode, notifications get lost.
DATABASE_DIRECT_URL = env_str("DATABASE_DIRECT_URL")  # empty: DATABASE_URL
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOCK_TIMEOUT_MS = env_int("DATABASE_LOCK_TIMEOUT_MS", 5_000, minimum=1)
STATEMENT_TIMEOUT_MS = env_int("DATABASE_STATEMENT_TIMEOUT_MS", 30_000)  # 0: none; manage.py sets that

REDIS_URL = env_str("REDIS_URL")
CACHES = {
    # Only throttling counts in it. Without Redis the counters are each process's own: docs/operations.md.
    "default": {
        "BACKEND": "chatstore.counters.RedisCounters",
        "LOCATION": REDIS_URL,
        # A Redis that hangs must not hold requests up: chatstore.throttling goes on without it.
        "OPTIONS": {"socket_timeout": 0.25, "socket_connect_timeout": 0.25},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100_000}}
}

# --- the application --------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.staticfiles",
    "corsheaders",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "chatstore",
    "accounts",
    "conversations",
]
MIDDLEWARE = [
    "chatstore.middleware.RequestMiddleware",
    *(["corsheaders.middleware.CorsMiddleware"] if CORS_ALLOWED_ORIGINS else []),
    "chatstore.middleware.SecurityHeadersMiddleware",
    "chatstore.middleware.StaticMiddleware",
    "chatstore.middleware.IntakeMiddleware",
    # The API has neither sessions nor cookies: these run for the admin's paths only.
    "chatstore.middleware.AdminSessionMiddleware",
    "chatstore.middleware.AdminCommonMiddleware",
    "chatstore.middleware.AdminCsrfMiddleware",
    "chatstore.middleware.AdminAuthenticationMiddleware",
    "chatstore.middleware.AdminMessageMiddleware",
]
ROOT_URLCONF = "chatstore.urls"
WSGI_APPLICATION = "chatstore.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LANGUAGE_CODE, TIME_ZONE, USE_TZ, USE_I18N = "en", "UTC", True, True

DATA_DIR = Path(env_str("CHATSTORE_DATA_DIR", str(BASE_DIR / "var"))).resolve()
UPLOAD_DIR = DATA_DIR / "uploads"  # beside the storage, so that keeping a file is a rename
# Attachments, uploads, exports: below DATA_DIR, or in a bucket that every process reaches (S3 or its protocol).
STORAGE_BUCKET = env_str("CHATSTORE_STORAGE_BUCKET")
STORAGES = {
    "default": {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": STORAGE_BUCKET,
            "endpoint_url": env_str("CHATSTORE_STORAGE_ENDPOINT") or None,
            "region_name": env_str("CHATSTORE_STORAGE_REGION") or None,
            "access_key": env_str("CHATSTORE_STORAGE_ACCESS_KEY") or None,
            "secret_key": env_str("CHATSTORE_STORAGE_SECRET_KEY") or None,
            "default_acl": "private",
            "file_overwrite": False,
        },
    }
    if STORAGE_BUCKET
    else {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / "files",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# --- the workers (manage.py run_jobs) ---------------------------------------------------------------------------------
# A worker that has not been heard of for so long is taken to be dead, and its job is given to another.
JOBS_STALLED_SECONDS = env_int("CHATSTORE_JOBS_STALLED_SECONDS", 30, minimum=2)
JOBS_CONCURRENCY = env_int("CHATSTORE_JOBS_CONCURRENCY", 2, minimum=1)  # jobs at a time, in one worker
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "tasks"
STATIC_URL, STATIC_ROOT = "/static/", BASE_DIR / "static"
# Production serves what `collectstatic` gathered; `make run` has gathered nothing.
WHITENOISE_USE_FINDERS = env_bool("CHATSTORE_STATIC_FINDERS", DEBUG)
WHITENOISE_AUTOREFRESH = False

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["chatstore.rendering.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["chatstore.rendering.JsonParser"],
    "DEFAULT_THROTTLE_CLASSES": ["chatstore.throttling.UserThrottle"] if THROTTLE_RATES else [],
    "DEFAULT_SCHEMA_CLASS": "chatstore.schema.ApiSchema",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "chatstore.rendering.Negotiation",
    "URL_FORMAT_OVERRIDE": None,  # `?format=` is ours: the form of a context, or of an export
    "EXCEPTION_HANDLER": "chatstore.problems.problem_handler",
    "UNAUTHENTICATED_USER": None,
    "NUM_PROXIES": TRUSTED_PROXIES,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "chatstore",
    "DESCRIPTION": "The self-hosted store for people's conversations with language models.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": False,
    "COMPONENT_SPLIT_PATCH": False,  # what may be patched is a struct of its own
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["chatstore.schema.finish"],
}
UNFOLD = {
    "SITE_TITLE": "chatstore",
    "SITE_HEADER": "chatstore",
    "SITE_SUBHEADER": "Support",
    "SITE_SYMBOL": "forum",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "href": "data:,"}],  # none: a browser would ask for /favicon.ico
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "navigation": [
            {
                "title": "Support",
                "items": [
                    {
                        "title": title,
                        "icon": icon,
                        "link": f"/admin/{model}/",
                        "permission": f"accounts.admin.navigation.{permission}",
                    }
                    for title, icon, model, permission in (
                        ("People", "person_search", "accounts/user", "may_see_people"),
                        ("Conversations", "forum", "conversations/conversation", "may_see_conversations"),
                        ("Imports", "upload", "conversations/importjob", "may_see_imports"),
                        ("Exports", "download", "conversations/exportjob", "may_see_exports"),
                        ("Groups", "shield_person", "auth/group", "may_see_groups"),
                    )
                ],
            }
        ]
    },
}

LOG_LEVEL = env_choice("CHATSTORE_LOG_LEVEL", "info", ("debug", "info", "warning", "error")).upper()
LOGGING_CONFIG = "chatstore.logs.configure"
LOGGING = {"level": LOG_LEVEL, "console": DEBUG}
