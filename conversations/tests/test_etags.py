"""ETags: unchanged is 304, stale is 412, and every change makes a new one."""

import pytest

LIST = "/api/v1/conversations"


@pytest.fixture
def reads(owner, url, messages_url):
    message = owner.get(messages_url).json()["results"][0]
    return {
        "conversation": url,
        "with messages": f"{url}?include=messages",
        "messages": messages_url,
        "a page": f"{messages_url}?limit=1&order=desc",
        "the tree": f"{messages_url}?branch=all",
        "one message": f"{messages_url}/{message['id']}",
        "list": LIST,
        "context": f"{url}/context",
        "exchanges": f"{url}/exchanges",
    }


def test_every_read_has_a_strong_etag_and_unchanged_is_304(owner, reads):
    for name, path in reads.items():
        first = owner.get(path)
        tag = first["ETag"]
        assert tag.startswith('"'), name
        for sent in (tag, f'W/{tag}, "else"', f'"else", {tag}', "*"):
            again = owner.get(path, headers={"If-None-Match": sent})
            assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag), name
        assert owner.get(path, headers={"If-None-Match": '"else"'}).status_code == 200


def test_different_views_have_different_tags(owner, reads):
    tags = {
        owner.get(path)["ETag"]
        for name, path in reads.items()
        if name in ("with messages", "messages", "a page", "the tree")
    }
    assert len(tags) == 4


@pytest.mark.parametrize("change", ["append", "edit", "delete message", "restore message", "patch"])
def test_every_change_makes_a_new_tag(owner, url, messages_url, reads, change):
    first, second = owner.get(messages_url).json()["results"]
    if change == "restore message":
        owner.delete(f"{messages_url}/{second['id']}")
    before = {name: owner.get(path)["ETag"] for name, path in reads.items()}
    answer = {
        "append": lambda: owner.post(messages_url, {"role": "user", "content": "new"}, format="json"),
        "edit": lambda: owner.patch(f"{messages_url}/{first['id']}", {"content": "edited"}, format="json"),
        "delete message": lambda: owner.delete(f"{messages_url}/{second['id']}"),
        "restore message": lambda: owner.post(f"{messages_url}/{second['id']}/restore"),
        "patch": lambda: owner.patch(url, {"title": "another"}, format="json"),
    }[change]()
    assert answer.status_code < 300
    same = {name for name, path in reads.items() if owner.get(path)["ETag"] == before[name]}
    assert same <= {"one message", "context", "exchanges"}, same  # what the change did not touch
    assert ("one message" in same) == (change != "edit")


@pytest.mark.parametrize("method", ["patch", "put", "delete"])
def test_a_stale_change_of_a_conversation_is_412_and_a_fresh_one_passes(owner, url, method):
    def change(tag):
        return getattr(owner, method)(url, {"title": "new"}, format="json", headers={"If-Match": tag})

    stale = owner.get(url)["ETag"]
    owner.patch(url, {"starred": True}, format="json")
    for wrong in (stale, '"0"', "W/" + owner.get(url)["ETag"], "nonsense", ""):
        answer = change(wrong)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed"), wrong
    assert owner.get(url).json()["title"] == "How high is the Matterhorn?"
    assert change(f"{stale}, {owner.get(url)['ETag']}").status_code in (200, 204)


@pytest.mark.parametrize("method", ["patch", "delete"])
def test_a_stale_change_of_a_message_is_412_and_a_fresh_one_passes(owner, messages_url, method):
    path = f"{messages_url}/{owner.get(messages_url).json()['results'][0]['id']}"

    def change(tag):
        return getattr(owner, method)(path, {"content": "new"}, format="json", headers={"If-Match": tag})

    stale = owner.get(path)["ETag"]
    owner.patch(path, {"metadata": {"n": 1}}, format="json")
    assert change(stale).status_code == 412
    assert owner.get(path).json()["content"] == "How high is the Matterhorn?"
    assert change("*").status_code in (200, 204)


def test_an_if_match_that_holds_for_what_is_gone_is_404(owner, url):
    tag = owner.get(url)["ETag"]
    owner.delete(url)
    assert owner.patch(url, {"title": "x"}, format="json", headers={"If-Match": tag}).status_code == 404


def test_an_answer_to_a_write_carries_the_new_tag(owner, url, messages_url):
    changed = owner.patch(url, {"title": "new"}, format="json")
    assert changed["ETag"] == owner.get(url)["ETag"]
    message = owner.post(messages_url, {"role": "user", "content": "new"}, format="json")
    assert message["ETag"] == owner.get(message["Location"])["ETag"]
