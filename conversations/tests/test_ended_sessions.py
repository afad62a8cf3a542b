"""A token whose session has ended opens nothing, on any route, whichever statement asks for the session."""

import pytest

from accounts.actions.sessions import sessions_revoke_all
from accounts.actions.users import user_deactivate
from conversations.models import Change, Message

LIST = "/api/v1/conversations"
SAID = {"role": "user", "content": "How high is the Matterhorn?"}


def routes(url, messages_url, message):
    yield from (("get", path, None) for path in (
        LIST, f"{LIST}?limit=1&tag=x", url, f"{url}?include=messages", messages_url, f"{messages_url}?branch=all",
        f"{messages_url}?branch={message['id']}", f"{messages_url}/{message['id']}", f"{url}/context",
        f"{url}/exchanges",
    ))  # fmt: skip
    yield from (
        ("post", LIST, {"title": "x"}),
        ("post", LIST, {"id": url.rpartition("/")[2]}),
        ("post", messages_url, SAID),
        ("post", messages_url, {**SAID, "id": message["id"]}),  # there already, with the same content
        ("post", messages_url, {"messages": [SAID]}),
        ("post", messages_url, {"role": "nobody"}),
        ("post", f"{LIST}/{message['id']}/messages", SAID),  # no such conversation
        ("patch", url, {"title": "x"}),
        ("put", url, {"messages": []}),
        ("delete", url, None),
        ("delete", f"{url}?permanent=true", None),
        ("post", f"{url}/restore", None),
        ("post", f"{url}/fork", None),
        ("patch", f"{messages_url}/{message['id']}", {"content": "x"}),
        ("delete", f"{messages_url}/{message['id']}", None),
        ("post", f"{messages_url}/{message['id']}/restore", None),
    )


@pytest.mark.parametrize("end", ["logout-all", "deactivated"])
def test_an_ended_session_is_401_everywhere_and_changes_nothing(owner, user, url, messages_url, end):
    message = owner.get(messages_url).json()["results"][0]
    known = {"HTTP_IDEMPOTENCY_KEY": "answered before"}
    owner.post(messages_url, SAID, format="json", **known)
    before = list(Message.objects.order_by("id").values()), Change.objects.count()
    tag = owner.get(messages_url)["ETag"]
    (sessions_revoke_all if end == "logout-all" else user_deactivate)(user_id=user.pk)
    for method, path, body in routes(url, messages_url, message):
        for headers in ({}, {"HTTP_IF_NONE_MATCH": tag}, known):
            answer = getattr(owner, method)(path, body, format="json", **headers)
            assert answer.status_code == 401, (method, path, answer.content)
            assert answer.json()["code"] in ("token_revoked", "account_inactive")
            assert "error=" in answer["WWW-Authenticate"]
            assert "Matterhorn" not in answer.content.decode()
    assert (list(Message.objects.order_by("id").values()), Change.objects.count()) == before
