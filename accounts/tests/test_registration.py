"""POST /auth/register."""

import datetime
import json

import msgspec
import pytest

from accounts.api.bodies import RegistrationOut
from accounts.models import Session, User
from accounts.tests.conftest import bearer, in_threads, post
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


def errors(answer):
    assert answer.status_code == 422, answer.content
    return {(error["pointer"], error["code"]) for error in answer.json()["errors"]}


def test_a_new_person_gets_a_profile_and_tokens_that_work(api):
    answer = post(api, "register", email="Grace@Example.COM", password=PASSWORD, name="Grace", language="en-GB")
    assert answer.status_code == 201
    out = msgspec.convert(answer.json(), RegistrationOut)
    assert (out.user.email, out.user.name, out.user.language) == ("grace@example.com", "Grace", "en-GB")
    assert abs(out.user.date_joined - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=1)
    assert out.user.id.version == 7
    assert bearer(out.access).get("/api/v1/auth/me").json() == answer.json()["user"]
    assert post(api, "token", email="GRACE@example.com", password=PASSWORD).status_code == 200
    assert answer["Cache-Control"] == "no-store"


def test_what_is_not_the_clients_to_say_is_ignored(api):
    answer = post(
        api,
        "register",
        email="eve@example.com",
        password=PASSWORD,
        id="00000000-0000-7000-8000-000000000000",
        is_staff=True,
        is_superuser=True,
        is_active=False,
        date_joined="1999-01-01T00:00:00Z",
        oidc_subject="root",
    )
    assert answer.status_code == 201
    user = User.objects.get(email="eve@example.com")
    assert not user.is_staff
    assert not user.is_superuser
    assert user.is_active
    assert user.oidc_subject == ""
    assert user.date_joined.year > 1999
    assert str(user.id) != "00000000-0000-7000-8000-000000000000"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short1!", "password_too_short"),
        ("password123", "password_too_common"),
        ("8462910573", "password_entirely_numeric"),
        ("gracehopper", "password_too_similar"),
        ("half a pair \ud800", "invalid"),
        ("", "invalid"),
        ("x" * 1_025, "invalid"),
    ],
    ids=ascii,
)
def test_a_bad_password_is_named_with_its_pointer(api, password, code):
    body = json.dumps({"email": "gracehopper@example.com", "password": password})
    answer = api.post("/api/v1/auth/register", body, content_type="application/json")
    assert ("/password", code) in errors(answer)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "email",
    [
        "nobody",
        "a@b",
        "a b@example.com",
        "a@example.com\0",
        "\ud800@example.com",
        "x" * 250 + "@example.com",
        "a@ſ.com",
    ],
    ids=ascii,
)
def test_what_is_no_address_is_refused(api, email):
    body = json.dumps({"email": email, "password": PASSWORD})
    answer = api.post("/api/v1/auth/register", body, content_type="application/json")
    assert {pointer for pointer, _ in errors(answer)} == {"/email"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/email"), ({"email": "a@example.com"}, "/password"), ({"email": 7, "password": PASSWORD}, "/email")],
)
def test_a_missing_or_mistyped_field_is_pointed_at(api, body, pointer):
    assert pointer in {found for found, _ in errors(api.post("/api/v1/auth/register", body, format="json"))}


def test_malformed_json_is_400(api):
    answer = api.post("/api/v1/auth/register", b'{"email":', content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


def test_a_name_comes_back_as_it_was_said(api):
    for name in ("nul \0", "half \ud83d", "\u202eright to left", "\ufdd0"):
        email = f"person{ord(name[-1])}@example.com"
        body = json.dumps({"email": email, "password": PASSWORD, "name": name})
        answer = api.post("/api/v1/auth/register", body, content_type="application/json")
        assert answer.json()["user"]["name"] == name


def test_a_taken_address_is_a_conflict_in_whatever_case(api):
    UserFactory(email="ada@example.com")
    answer = post(api, "register", email="ADA@example.com", password=PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert answer.json()["errors"][0]["pointer"] == "/email"
    assert not Session.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_parallel_registrations_of_one_address_one_succeeds(api):
    def register():
        return post(api.__class__(), "register", email="twin@example.com", password=PASSWORD).status_code

    assert sorted(in_threads(*[register] * 6)) == [201, 409, 409, 409, 409, 409]
    assert Session.objects.count() == 1


def test_a_closed_server_takes_nobody(api, settings):
    settings.REGISTRATION = "closed"
    answer = post(api, "register", email="late@example.com", password=PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (403, "registration_closed")
    assert not User.objects.exists()
