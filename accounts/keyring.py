"""The keys of our tokens: the first signs, all verify, so that one can be replaced without signing anybody out."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.crypto import salted_hmac

MINIMUM_BYTES = 32  # RFC 7518, section 3.2: for HS256 no shorter than the hash
_KID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, eq=False)  # a dictionary key by identity
class Keyring:
    """Keys by their `kid`, which is looked up here and nowhere else: it never becomes a path, a URL or a query."""

    signing_kid: str
    keys: dict[str, bytes]

    @property
    def signing_key(self) -> bytes:
        return self.keys[self.signing_kid]


@lru_cache(maxsize=1)
def keyring() -> Keyring:
    """The keys of the settings. Raises ImproperlyConfigured, which never quotes a secret."""
    if settings.JWT_KEYS:
        return parse_keys(settings.JWT_KEYS)
    keys = {}
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        key = salted_hmac("accounts.keyring", "HS256", secret=secret, algorithm="sha256").digest()
        keys[hashlib.sha256(key).hexdigest()[:8]] = key
    return Keyring(next(iter(keys)), keys)


def parse_keys(entries: Sequence[str]) -> Keyring:
    """`["2026b:secret", "2026a:older secret"]`, the signing one first. Raises ImproperlyConfigured."""
    keys: dict[str, bytes] = {}
    for number, entry in enumerate(entries, 1):
        kid, _, secret = entry.partition(":")
        if not _KID.fullmatch(kid) or kid in keys:
            raise ImproperlyConfigured(f"CHATSTORE_JWT_KEYS, entry {number}: expected kid:secret, each kid once")
        if len(secret.encode()) < MINIMUM_BYTES:
            raise ImproperlyConfigured(f"CHATSTORE_JWT_KEYS, {kid!r}: a secret of at least {MINIMUM_BYTES} bytes")
        keys[kid] = secret.encode()
    return Keyring(next(iter(keys)), keys)


def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting in ("JWT_KEYS", "SECRET_KEY", "SECRET_KEY_FALLBACKS"):
        keyring.cache_clear()


setting_changed.connect(_forget)
