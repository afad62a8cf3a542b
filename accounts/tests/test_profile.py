"""GET and PATCH /auth/me."""

import pytest

from accounts.models import User
from accounts.tests.conftest import in_threads, sign_in
from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
ME = "/api/v1/auth/me"


def test_a_profile_holds_what_the_person_may_know(ada):
    assert set(ada.api.get(ME).json()) == {"id", "email", "name", "language", "is_staff", "date_joined"}


def test_name_and_language_change_one_by_one(ada):
    assert ada.api.patch(ME, {"name": "Augusta"}, format="json").json()["name"] == "Augusta"
    changed = ada.api.patch(ME, {"language": "pt-BR"}, format="json").json()
    assert (changed["name"], changed["language"]) == ("Augusta", "pt-BR")
    assert ada.api.patch(ME, {"name": "", "language": ""}, format="json").json() == ada.api.get(ME).json()
    assert ada.api.get(ME).json()["name"] == ""


def test_what_is_not_the_persons_to_change_is_ignored(ada, stranger):
    before = User.objects.filter(id=ada.user.id).values().get()
    body = {
        "id": str(stranger.user.id),
        "email": "root@example.com",
        "is_staff": True,
        "is_superuser": True,
        "is_active": False,
        "password": "x",
        "security_stamp": str(stranger.user.id),
        "oidc_subject": "root",
        "date_joined": "1999-01-01T00:00:00Z",
    }
    assert ada.api.patch(ME, body, format="json").status_code == 200
    assert User.objects.filter(id=ada.user.id).values().get() == before


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x" * 201}, "/name"),
        ({"name": 7}, "/name"),
        ({"language": "not a tag"}, "/language"),
        ({"language": "en\n"}, "/language"),
        ([], ""),
    ],
)
def test_nonsense_is_422_with_its_pointer(ada, body, pointer):
    answer = ada.api.patch(ME, body, format="json")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


def test_an_unchanged_profile_is_not_sent_again(ada):
    tag = ada.api.get(ME)["ETag"]
    again = ada.api.get(ME, headers={"If-None-Match": f'W/"x", {tag}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    changed = ada.api.patch(ME, {"name": "Augusta"}, format="json", headers={"If-Match": tag})
    assert changed.status_code == 200
    assert changed["ETag"] != tag
    assert ada.api.get(ME)["ETag"] == changed["ETag"]


def test_a_stale_if_match_changes_nothing(ada):
    tag = ada.api.get(ME)["ETag"]
    ada.api.patch(ME, {"name": "Augusta"}, format="json")
    stale = ada.api.patch(ME, {"name": "Byron"}, format="json", headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert ada.api.get(ME).json()["name"] == "Augusta"
    assert ada.api.patch(ME, {"name": "B"}, format="json", headers={"If-Match": "*"}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_parallel_changes_of_one_version_one_succeeds():
    ada = sign_in(UserFactory())
    tag = ada.api.get(ME)["ETag"]

    def rename(name):
        return ada.api.patch(ME, {"name": name}, format="json", headers={"If-Match": tag}).status_code

    assert sorted(in_threads(*[lambda name=name: rename(name) for name in "abcd"])) == [200, 412, 412, 412]


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_other_methods_are_405(ada, method):
    assert getattr(ada.api, method)(ME, {}, format="json").status_code == 405
