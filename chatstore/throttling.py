"""How many requests: counters of fixed cost on Django's cache, shared by all processes when REDIS_URL is set.

Time is cut into windows of a rate's length, each with one counter; the window that slides with the clock is estimated
as the current count plus the part of the previous one that it still covers (as Cloudflare does). A log of requests
would cost more than two numbers, fixed windows would let twice the rate through around their border, and GCRA needs a
compare-and-set, which Django's cache does not have: `incr` is atomic in Redis and in LocMemCache, and the number it
returns decides, so that of any number of threads exactly as many pass as may. What is refused does not count: whoever
waits `Retry-After` seconds gets in, however often they knocked before.

Without REDIS_URL each process has its own counters, and n workers let through up to n times the rate. When Redis is
away, everything is let through, with a warning a minute: throttling protects the service, and must not stop it.
What a cache key holds of a person is a keyed hash.
"""

import functools
import hashlib
import ipaddress
import math
import sys
import threading
import time
from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache, caches
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from chatstore.logs import get_logger
from chatstore.problems import Throttled
from chatstore.throttle_rates import Rate

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it loads this module: see DEFAULT_THROTTLE_CLASSES

log = get_logger("chatstore.throttling")

PAUSE = 5.0  # seconds without asking a cache that failed: each attempt may cost its whole timeout
WARN_EVERY = 60.0


def check(scope: str, *ident: str) -> None:
    """Refuse if `ident` has used up its rate; counts nothing. Raises Throttled with Retry-After."""
    _refuse(_seconds_to_wait(scope, ident, count=False))


def hit(scope: str, *ident: str) -> None:
    """Count one, and refuse if that was one too many. Raises Throttled with Retry-After."""
    _refuse(_seconds_to_wait(scope, ident, count=True))


class UserThrottle(BaseThrottle):
    """Every authenticated request of one person (scope `user`). Views for the rest have scopes of their own."""

    _wait = 0

    def allow_request(self, request: Request, view: "APIView") -> bool:
        user = request.user
        if user is None or not user.is_authenticated:
            return True
        self._wait = _seconds_to_wait("user", (str(user.pk),), count=True)
        return self._wait == 0

    def wait(self) -> float:
        return self._wait


def client_address(request: HttpRequest) -> str:
    """Whom to count: the peer, or what TRUSTED_PROXIES proxies say of it. IPv6 by its /64: one person has all of that.

    Each proxy appends its peer to X-Forwarded-For: with n of them the n-th from the right was written by one of ours,
    and all to the left of it by whoever. Fewer entries than proxies: somebody came around them, and the peer counts.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    if count := settings.TRUSTED_PROXIES:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        if len(forwarded) >= count:
            return _network(forwarded[-count].strip()) or _network(peer) or "unknown"
    return _network(peer) or "unknown"


def _network(text: str) -> str:
    """An address without its port, or the /64 it is in; empty for what is no address."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _refuse(wait: int) -> None:
    if wait:
        raise Throttled(f"Try again in {wait} seconds.", headers={"Retry-After": str(wait)})


def _seconds_to_wait(scope: str, ident: tuple[str, ...], *, count: bool) -> int:
    """0 to let through."""
    rate: Rate | None = settings.THROTTLE_RATES.get(scope)
    if rate is None or _outage.lasts():
        return 0
    window, elapsed = divmod(time.time(), rate.seconds)
    name = _hashed(scope, ident)
    current, past = f"{name}{int(window):x}", f"{name}{int(window) - 1:x}"
    try:
        before = _past_count(past)
        covered = before * (1 - elapsed / rate.seconds)
        now = _increment(current, 2 * rate.seconds) if count else int(cache.get(current, 0)) + 1
        if covered + now <= rate.requests:
            return 0
        if count:
            now = int(cache.decr(current))
        return _until_free(rate, elapsed, before, now if count else now - 1)
    except ValueError:  # the counter expired between two commands: a new window has begun
        return 1
    except _away():
        _outage.begins()
        return 0


def _away() -> tuple[type[Exception], ...]:
    """What a cache that is away raises. Redis's client costs half a second of a start: not loaded to be caught."""
    redis = sys.modules.get("redis.exceptions")
    return (OSError, redis.RedisError) if redis else (OSError,)


def _until_free(rate: Rate, elapsed: float, before: int, now: int) -> int:
    """Seconds until the sliding window has room for one more, if nothing else is counted; at least 1."""
    room = rate.requests - 1 - now  # what the previous window may still weigh
    if room >= 0:
        wait = rate.seconds * (1 - room / before) - elapsed if before else 1
    else:  # the current one alone is full: it has to become the previous one, and to slide out far enough
        wait = rate.seconds - elapsed + rate.seconds * (1 - (rate.requests - 1) / now)
    return max(1, math.ceil(wait))


def _increment(key: str, lifetime: int) -> int:
    store = caches["default"]
    if hasattr(store, "count"):  # chatstore.counters.RedisCounters: one round trip
        return int(store.count(key, lifetime))
    try:
        return int(cache.incr(key))
    except ValueError:  # the first of its window; of several at once one adds it, and the others count on
        return 1 if cache.add(key, 1, lifetime) else int(cache.incr(key))


@functools.lru_cache(maxsize=10_000)
def _past_count(key: str) -> int:
    """The count of a window that is over: it does not change any more, so one look will do (a round trip less)."""
    return int(cache.get(key, 0))


def _hashed(scope: str, ident: tuple[str, ...]) -> str:
    text = "\0".join((scope, *ident)).encode(errors="surrogatepass")
    # Short, for Django's caches look at each character of a key; 72 bits are plenty for counters that live minutes.
    return urlsafe_b64encode(blake2b(text, key=_key(settings.SECRET_KEY), digest_size=9).digest()).decode()


@functools.lru_cache(maxsize=4)
def _key(secret: str) -> bytes:
    return hashlib.sha256(b"throttling" + secret.encode()).digest()


class _Outage:
    """Of the cache. For a while after a failure it is not asked; the first to ask again finds out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = self._silent_until = float("-inf")

    def lasts(self) -> bool:
        return time.monotonic() < self._until

    def begins(self) -> None:
        now = time.monotonic()
        with self._lock:
            self._until = now + PAUSE
            warn = now >= self._silent_until
            if warn:
                self._silent_until = now + WARN_EVERY
        if warn:
            log.warning("throttling_off", reason="cache_unavailable", exc_info=True)


_outage = _Outage()
