"""What the OpenAPI document says of accounts."""

import pytest
from django.db import connection
from django.urls import include, path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator

from accounts.api.urls import urlpatterns
from accounts.models import User


@pytest.fixture
def schema():
    GENERATOR_STATS.reset()
    schema = SchemaGenerator(patterns=[path("api/v1/", include(urlpatterns))]).get_schema(public=True)
    assert not GENERATOR_STATS
    return schema


def test_every_operation_has_a_summary_and_says_what_it_refuses(schema):
    operations = schema["paths"]
    assert set(operations) == {
        f"/api/v1/auth/{name}"
        for name in ("register", "token", "token/refresh", "logout", "logout-all", "me", "password")
    }
    for item in operations.values():
        for operation in item.values():
            assert operation["summary"]
            assert "503" in operation["responses"]


def test_three_operations_are_open_and_the_others_take_a_bearer_token(schema):
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    open_ones = {
        path
        for path, item in schema["paths"].items()
        if all(not operation.get("security") or {} in operation["security"] for operation in item.values())
    }
    assert open_ones == {"/api/v1/auth/register", "/api/v1/auth/token", "/api/v1/auth/token/refresh"}


@pytest.mark.django_db
def test_deleting_a_person_in_the_database_leaves_nothing_of_accounts(ada):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_user WHERE id = %s", [ada.user.id])
        cursor.execute("SELECT count(*) FROM accounts_session")
        assert cursor.fetchone() == (0,)
    assert not User.objects.exists()
