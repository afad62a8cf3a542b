"""Misconfiguration is found before anyone meets it."""

from pathlib import Path

import pytest
from django.core.checks import Tags, run_checks
from django.db import connection

from chatstore.checks import server_is_suitable

GOOD = {
    "SECRET_KEY": "3mYz8QkS1vJ0aXwLr7PpTgUeHnBcDfKi2ZoM5tRq9s",
    "SECRET_KEY_FALLBACKS": [],
    "DEBUG": False,
    "ALLOWED_HOSTS": ["chat.example.org"],
    "REDIS_URL": "redis://redis:6379/0",
    "HTTPS_ONLY": True,
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    "TRUSTED_PROXIES": 1,
    "WHITENOISE_USE_FINDERS": True,
}


@pytest.fixture
def production(settings):
    from chatstore.throttle_rates import DEFAULT_RATES

    for name, value in {**GOOD, "THROTTLE_RATES": DEFAULT_RATES}.items():
        setattr(settings, name, value)
    return settings


def found():
    tags = [Tags.security, Tags.staticfiles]
    return {
        check.id: check for check in run_checks(tags=tags, include_deployment_checks=True) if "chatstore" in check.id
    }


def test_a_good_configuration_passes(production):
    assert found() == {}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SECRET_KEY", "short", "chatstore.E001"),
        ("SECRET_KEY", "a" * 50, "chatstore.E001"),
        ("SECRET_KEY_FALLBACKS", ["old"], "chatstore.E001"),
        ("DEBUG", True, "chatstore.E002"),
        ("ALLOWED_HOSTS", ["*"], "chatstore.W003"),
        ("THROTTLE_RATES", {}, "chatstore.W005"),
        ("REDIS_URL", "", "chatstore.W006"),
        ("HTTPS_ONLY", False, "chatstore.W007"),
        ("TRUSTED_PROXIES", 0, "chatstore.W008"),
    ],
)
def test_each_mistake_is_named_with_a_way_out(production, name, value, expected):
    setattr(production, name, value)
    check = found()[expected]
    assert check.hint
    assert check.is_serious() == expected.startswith("chatstore.E")


def test_missing_static_files_are_noticed(production, tmp_path):
    production.WHITENOISE_USE_FINDERS, production.STATIC_ROOT = False, Path(tmp_path / "none")
    assert "chatstore.W009" in found()


def test_prepared_statements_that_are_off_are_noticed(settings, monkeypatch):
    def warned():
        return [check.id for check in run_checks(tags=[Tags.database], include_deployment_checks=True, databases=[])]

    assert "chatstore.W004" not in warned()
    monkeypatch.setitem(settings.DATABASES["default"]["OPTIONS"], "prepare_threshold", None)
    assert "chatstore.W004" in warned()


@pytest.mark.django_db
def test_the_server_of_the_tests_is_suitable():
    assert server_is_suitable(None, databases=["default"]) == []


@pytest.mark.django_db
def test_a_session_in_another_zone_is_noticed():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Europe/Berlin'")
    assert [check.id for check in server_is_suitable(None, databases=["default"])] == ["chatstore.E011"]


def test_without_databases_nothing_connects():
    assert server_is_suitable(None) == []
