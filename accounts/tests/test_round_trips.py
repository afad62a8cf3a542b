"""No request makes more than three round trips to the database, transactions included."""

import pytest
from rest_framework.test import APIClient

from accounts.tests.conftest import post, sign_in
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
ME = "/api/v1/auth/me"


@pytest.mark.parametrize(
    ("trips", "request_of"),
    [
        (1, lambda ada: post(APIClient(), "register", email="new@example.com", password=PASSWORD)),
        (2, lambda ada: post(APIClient(), "token", email=ada.user.email, password=PASSWORD)),
        (1, lambda ada: post(APIClient(), "token", email=ada.user.email, password="wrong")),
        (1, lambda ada: post(APIClient(), "token/refresh", refresh=ada.refresh)),
        (0, lambda ada: post(APIClient(), "token/refresh", refresh=ada.access)),
        (2, lambda ada: post(ada.api, "logout", refresh=ada.refresh)),
        (2, lambda ada: post(ada.api, "logout-all")),
        (2, lambda ada: ada.api.get(ME)),
        (2, lambda ada: ada.api.patch(ME, {"name": "x"}, format="json")),
        (3, lambda ada: ada.api.patch(ME, {"name": "x"}, format="json", headers={"If-Match": "*"})),
        (3, lambda ada: post(ada.api, "password", current_password=PASSWORD, new_password="next passphrase")),
        (0, lambda ada: ada.api.delete("/api/v1/auth/nowhere")),
    ],
    ids=[
        "register",
        "sign in",
        "sign in, refused",
        "refresh",
        "refresh, refused",
        "logout",
        "logout-all",
        "profile",
        "patch",
        "patch with If-Match",
        "password",
        "nowhere",
    ],
)
def test_round_trips(django_assert_num_queries, trips, request_of):
    ada = sign_in(UserFactory())
    with django_assert_num_queries(trips):
        assert request_of(ada).status_code < 500
