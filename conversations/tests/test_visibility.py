"""Who sees what is said twice, in querysets and in the hot statements: they must say the same."""

from conversations.models import Conversation, Message

LIST = "/api/v1/conversations"


def test_the_api_shows_what_the_querysets_say(owner, stranger, user):
    kept, thrown = (
        owner.post(LIST, {"title": title, "messages": [{"role": "user", "content": title}]}, format="json").json()
        for title in ("kept", "thrown away")
    )
    owner.delete(f"{LIST}/{thrown['id']}")
    shown = {c["id"] for c in owner.get(LIST).json()["results"]}
    assert shown == {str(c.id) for c in Conversation.objects.visible_to(user).active()} == {kept["id"]}
    trash = {c["id"] for c in owner.get(f"{LIST}?deleted=true").json()["results"]}
    assert trash == {str(c.id) for c in Conversation.objects.visible_to(user).in_trash()} == {thrown["id"]}
    messages = {m["id"] for m in owner.get(f"{LIST}/{kept['id']}/messages").json()["results"]}
    assert messages == {str(m.id) for m in Message.objects.visible_to(user).active()}
    assert Conversation.objects.count() == 3  # the stranger's is there, and is nobody else's
