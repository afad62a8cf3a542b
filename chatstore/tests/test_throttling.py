"""Exactly as many as may, whoever asks at once and whatever they say of themselves."""

import shutil
import socket
import subprocess
import threading
import time
import uuid

import pytest
from django.core.cache import cache
from django.test import RequestFactory

from chatstore import throttling
from chatstore.problems import Throttled
from chatstore.throttle_rates import Rate
from chatstore.throttling import check, client_address, hit

pytestmark = pytest.mark.urls("chatstore.tests.urls")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    if not (binary := shutil.which("redis-server")):
        pytest.skip("no redis-server here (apt-get install redis-server): the shared counters are not tested")
    port = _free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=tmp_path_factory.mktemp("redis"))
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait()


@pytest.fixture(params=["locmem", "redis"])
def counters(request, settings):
    """Both caches; nothing is remembered of earlier tests."""
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
        settings.CACHES = {"default": {"BACKEND": "chatstore.counters.RedisCounters", "LOCATION": url}}
    cache.clear()
    throttling._past_count.cache_clear()
    return request.param


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets: `clock[0]` in seconds, at the start of a window of any rate in these tests."""
    now = [1_800_000_000.0]
    monkeypatch.setattr(throttling.time, "time", lambda: now[0])
    return now


@pytest.fixture
def rate(settings):
    def put(requests, seconds=60):
        settings.THROTTLE_RATES = {"login": Rate(requests, seconds), "user": Rate(requests, seconds)}

    return put


def passes(times, *ident):
    """How many of `times` are let through."""
    through = 0
    for _ in range(times):
        try:
            hit("login", *ident)
            through += 1
        except Throttled:
            pass
    return through


@pytest.mark.usefixtures("counters", "clock")
def test_as_many_pass_as_may(rate):
    rate(5)
    assert passes(20, "a") == 5
    assert passes(20, "b") == 5
    assert passes(20, "a", "b") == 5


@pytest.mark.usefixtures("counters", "clock")
def test_of_many_threads_exactly_as_many_pass(rate):
    rate(50)
    found, gate = [], threading.Barrier(16)

    def knock():
        gate.wait()
        found.append(passes(20, "all"))

    threads = [threading.Thread(target=knock) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 50


@pytest.mark.usefixtures("counters")
def test_no_burst_fits_around_the_border_of_two_windows(rate, clock):
    rate(10)
    clock[0] += 59
    assert passes(20, "a") == 10
    clock[0] += 2
    assert passes(20, "a") == 0
    clock[0] += 29  # half of the old window is out
    assert passes(20, "a") == 5


@pytest.mark.usefixtures("counters")
@pytest.mark.parametrize(("requests", "before"), [(1, 0), (5, 0), (5, 31), (10, 59), (7, 13)])
def test_whoever_waits_as_long_as_they_are_told_gets_in(rate, clock, requests, before):
    rate(requests)
    clock[0] += before
    passes(requests + 5, "a")
    with pytest.raises(Throttled) as refusal:
        hit("login", "a")
    wait = int(refusal.value.headers["Retry-After"])
    assert 1 <= wait <= 120
    clock[0] += wait - 1.01
    assert passes(1, "a") == 0
    clock[0] += 1.02
    assert passes(1, "a") == 1


@pytest.mark.usefixtures("counters", "clock")
def test_a_check_counts_nothing_and_refuses_when_the_rate_is_used_up(rate):
    rate(3)
    for _ in range(10):
        check("login", "a")
    assert passes(3, "a") == 3
    with pytest.raises(Throttled) as refusal:
        check("login", "a")
    assert int(refusal.value.headers["Retry-After"]) > 0


@pytest.mark.usefixtures("counters")
def test_without_rates_nothing_is_counted(settings):
    settings.THROTTLE_RATES = {}
    assert passes(100, "a") == 100


def test_names_are_hashed_and_kept_apart(rate, monkeypatch):
    rate(5)
    keys = []
    monkeypatch.setattr(throttling, "_increment", lambda key, lifetime: keys.append(key) or 1)
    for ident in [("ann@example.org",), ("ann", "bob"), ("annbob",), ("bob", "ann"), ("\ud800",)]:
        hit("login", *ident)
    assert len(set(keys)) == 5
    assert not any("ann" in key or "example" in key for key in keys)


# --- a person's requests ---


@pytest.mark.usefixtures("counters", "clock")
def test_a_person_s_requests_are_limited_and_others_are_not(client, rate):
    rate(3)
    one, other = str(uuid.uuid4()), str(uuid.uuid4())
    statuses = [client.get("/api/v1/limited", headers={"X-User": one}).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert client.get("/api/v1/limited", headers={"X-User": other}).status_code == 200
    assert [client.get("/api/v1/limited").status_code for _ in range(5)] == [200] * 5


@pytest.mark.usefixtures("counters", "clock")
def test_the_refusal_says_when_to_come_back(client, rate):
    rate(1)
    user = {"X-User": str(uuid.uuid4())}
    client.get("/api/v1/limited", headers=user)
    answer = client.get("/api/v1/limited", headers=user)
    assert (answer.status_code, answer["Content-Type"]) == (429, "application/problem+json")
    assert answer.json()["code"] == "throttled"
    assert 1 <= int(answer["Retry-After"]) <= 120


# --- whose address ---


def address(proxies, peer, forwarded, settings):
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return client_address(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers))


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "expected"),
    [
        (0, "192.0.2.1", None, "192.0.2.1"),
        (0, "192.0.2.1", "198.51.100.7", "192.0.2.1"),  # nobody is believed
        (1, "10.0.0.1", "198.51.100.7", "198.51.100.7"),
        (1, "10.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),  # the left one is what the client sent
        (2, "10.0.0.1", "6.6.6.6, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        (2, "10.0.0.1", "198.51.100.7", "10.0.0.1"),  # a proxy was left out
        (1, "10.0.0.1", None, "10.0.0.1"),
        (1, "10.0.0.1", "nonsense", "10.0.0.1"),
        (1, "10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        (1, "10.0.0.1", "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::/64"),
        (0, "2001:db8:1:2:ffff::1", None, "2001:db8:1:2::/64"),
        (0, "fe80::1%eth0", None, "fe80::/64"),
        (0, "::ffff:192.0.2.1", None, "192.0.2.1"),
        (0, "", None, "unknown"),  # a Unix socket
        (0, "192.0.2.1:5000", None, "192.0.2.1"),
    ],
)
def test_an_address_is_believed_only_where_one_of_ours_wrote_it(settings, proxies, peer, forwarded, expected):
    assert address(proxies, peer, forwarded, settings) == expected


@pytest.mark.usefixtures("counters", "clock")
def test_a_spoofed_header_gains_nothing(settings, rate):
    rate(5)
    through = sum(passes(1, address(1, "10.0.0.1", f"203.0.113.{n}, 198.51.100.7", settings)) for n in range(50))
    assert through == 5


# --- the cache is away ---


def test_without_redis_everything_passes_with_a_warning_a_minute(settings, rate, capfd, monkeypatch):
    settings.CACHES = {
        "default": {
            "BACKEND": "chatstore.counters.RedisCounters",
            "LOCATION": f"redis://127.0.0.1:{_free_port()}/0",
            "OPTIONS": {"socket_timeout": 0.25, "socket_connect_timeout": 0.25},
        }
    }
    monkeypatch.setattr(throttling, "_outage", throttling._Outage())
    monkeypatch.setattr(throttling, "PAUSE", 0.0)  # each attempt meets the outage
    rate(1)
    started = time.monotonic()
    assert passes(20, "a") == 20
    assert time.monotonic() - started < 5
    assert capfd.readouterr().err.count("throttling_off") == 1


def test_after_an_outage_redis_counts_again(settings, rate, redis_url, monkeypatch):
    monkeypatch.setattr(throttling, "_outage", throttling._Outage())
    monkeypatch.setattr(throttling, "PAUSE", 0.2)
    rate(1)
    options = {"BACKEND": "chatstore.counters.RedisCounters"}
    settings.CACHES = {"default": {**options, "LOCATION": f"redis://127.0.0.1:{_free_port()}/0"}}
    name = str(uuid.uuid4())
    assert passes(3, name) == 3
    settings.CACHES = {"default": {**options, "LOCATION": redis_url}}
    assert passes(3, name) == 3  # it is not asked for a while
    time.sleep(0.25)
    assert passes(3, name) == 1
