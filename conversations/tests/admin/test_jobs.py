"""Imports and exports in the admin: progress and troubles, and nothing that was said."""

import pytest
from django.test import Client

from accounts.tests.factories import UserFactory
from conversations.tests.interchange import exports

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin_client() -> Client:
    client = Client()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


def test_an_import_shows_its_counts_and_troubles_and_no_content(owner, admin_client):
    told = owner.post("/api/v1/imports", [exports.branch(2, title="Matterhorn"), 7], format="json").json()
    listed = admin_client.get("/admin/conversations/importjob/")
    page = admin_client.get(f"/admin/conversations/importjob/{told['id']}/change/")
    assert (listed.status_code, page.status_code) == (200, 200)
    assert told["id"] in listed.content.decode()
    shown = page.content.decode()
    assert told["items"][0]["reason"] in shown
    assert "partial_success" in shown or "Partial Success" in shown
    assert "Matterhorn" not in shown


def test_a_running_import_can_be_cancelled(owner, admin_client):
    job = owner.post("/api/v1/imports?async=true", [exports.branch(2)], format="json").json()["id"]
    admin_client.post(f"/admin/conversations/importjob/{job}/deeds/cancel/")
    assert owner.get(f"/api/v1/imports/{job}").json()["status"] == "cancelled"


def test_an_export_is_listed(owner, admin_client):
    job = owner.post("/api/v1/exports", {"format": "jsonl"}, format="json").json()["id"]
    assert job in admin_client.get("/admin/conversations/exportjob/").content.decode()
    assert admin_client.get(f"/admin/conversations/exportjob/{job}/change/").status_code == 200


def test_staff_without_the_permission_see_neither(owner):
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    for path in ("importjob", "exportjob"):
        assert client.get(f"/admin/conversations/{path}/").status_code == 403
