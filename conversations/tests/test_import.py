"""Importing: a real export comes in whole, comes back over the API as it was, and coming again changes nothing."""

import json
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from conversations.actions.ingest import conversations_ingest
from conversations.interchange.files import read_files
from conversations.models import Change, ChangeCounter, Conversation, Message
from conversations.tests.interchange import exports
from conversations.tests.interchange.test_chatgpt_truth import REAL, SHARDED, digest, sample

LIST = "/api/v1/conversations"


def imported(user, *paths, **options):
    """Run the command: what it said of each item, and its totals with the exit code."""
    out, code = StringIO(), 0
    try:
        call_command("import_chats", *map(str, paths), user=user.email, json=True, stdout=out, **options)
    except SystemExit as exit_:
        code = exit_.code
    *items, totals = map(json.loads, out.getvalue().splitlines())
    return items, totals | {"code": code}


def pages(client, url):
    while url:
        body = client.get(url).json()
        yield from body["results"]
        url = body["next"]


def export(tmp_path, *items):
    path = tmp_path / f"export{len(list(tmp_path.iterdir()))}.json"
    path.write_text(json.dumps(items))
    return path


@pytest.fixture(params=[*REAL, SHARDED])
def a_sample(request):
    return sample(request.param)


def expected(truth):
    """The figures of the file, and of what is stored of it: a conversation that stands in it twice is one."""
    return truth["after_dedup_by_conversation_id_newest_update_time"] if "note" in truth else truth


def test_every_sample_gives_the_figures_of_the_truth_over_the_api(owner, user, a_sample):
    paths, truth = a_sample
    _, totals = imported(user, *paths)
    stored = list(pages(owner, f"{LIST}?limit=3&ordering=created_at"))
    if "note" in truth:  # the sharded export: s02 is in two shards, the newest copy wins
        assert len(stored) == 3
        assert {c["title"] for c in stored} == {"Shard zero", "New copy", "All content types"}
        assert sum(c["message_count"] for c in stored) == truth["messages_total"] - 2
        return
    with_messages = [figures for figures in truth["per_conversation"] if figures["messages"]]
    messages, active = [], []
    for conversation in stored:
        url = f"{LIST}/{conversation['id']}/messages"
        messages += pages(owner, f"{url}?branch=all&include_hidden=true&limit=500")
        active.append(list(pages(owner, f"{url}?include_hidden=true&limit=500")))
    assert totals["imported_count"] == len(messages) == truth["messages_total"]
    assert len(stored) == truth["conversations_with_messages"]
    assert Counter(m["role"] for m in messages) == truth["messages_by_role"]
    assert Counter(m["role"] for branch in active for m in branch) == truth["active_by_role"]
    assert Counter(map(len, active)) == Counter(figures["active_messages"] for figures in with_messages)
    assert sum(len(m["content"]) for m in messages) == truth["text_chars"]
    assert digest([_Said(m["role"], m["content"]) for m in messages]) == truth["text_sha256_sorted"]
    timed = [m["created_at"] for m in messages if "time_inferred" not in m["metadata"]]
    assert (iso(min(timed)), iso(max(timed))) == (truth["first_message_at"], truth["last_message_at"])
    assert {c["title"] for c in stored if not c["title_is_generated"]} == {
        f["title"] for f in with_messages if f["title"]
    }
    leaves = Message.objects.filter(id__in=[c["current_message_id"] for c in stored]).values_list(
        "external_id", flat=True
    )
    assert sorted(leaves) == sorted(figures["active_leaf"] for figures in with_messages)


class _Said:
    def __init__(self, role, content):
        self.role, self.content = role, content


def iso(text):
    return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="microseconds")


def everything(user):
    """All rows of a person, as they are."""
    return [list(model.objects.filter(user=user).order_by("id").values()) for model in (Conversation, Message, Change)]


def test_importing_twice_changes_nothing(user, a_sample):
    paths, truth = a_sample
    imported(user, *paths)
    before = everything(user)
    _, totals = imported(user, *paths)
    assert everything(user) == before
    assert (totals["imported_count"], totals["updated_count"]) == (0, 0)
    assert totals["unchanged_count"] == truth["messages_total"]
    assert (totals["status"], totals["code"]) == ("success", 0)


def test_every_row_has_its_change_and_the_counter_is_their_number(user, tmp_path):
    imported(user, export(tmp_path, exports.branch(5), exports.branch(3, id="c2")))
    changes = list(Change.objects.filter(user=user).order_by("id"))
    assert [change.id for change in changes] == list(range(1, 11))
    assert ChangeCounter.objects.get(user=user).value == 10
    assert {c.object_id for c in changes if c.kind == "message"} == set(Message.objects.values_list("id", flat=True))


def test_a_newer_export_adds_moves_the_leaf_and_renames_and_deletes_nothing(owner, user, tmp_path):
    old = exports.branch(4)
    imported(user, export(tmp_path, old))
    newer = exports.branch(6, title="Renamed", update_time=1756009999.0)
    newer["mapping"]["aside"] = exports.node("m1", exports.message("assistant", "aside", create_time=1756000090))
    del newer["mapping"]["m0"]["message"]["metadata"]  # changed in the source
    items, _ = imported(user, export(tmp_path, newer))
    assert (items[0]["outcome"], items[0]["imported"], items[0]["updated"], items[0]["unchanged"]) == (
        "updated",
        3,
        1,
        3,
    )
    conversation = owner.get(LIST).json()["results"][0]
    assert (conversation["title"], conversation["message_count"]) == ("Renamed", 7)
    shown = [m["content"] for m in owner.get(f"{LIST}/{conversation['id']}/messages").json()["results"]]
    assert shown == [f"text {n}" for n in range(6)]
    _, again = imported(user, export(tmp_path, newer))
    assert (again["imported_count"], again["updated_count"], again["conversations_unchanged"]) == (0, 0, 1)
    items, _ = imported(user, export(tmp_path, old))  # the old file once more: it takes nothing back
    after = owner.get(LIST).json()["results"][0]
    assert (items[0]["outcome"], after["title"], after["message_count"]) == ("unchanged", "Renamed", 7)
    assert after["current_message_id"] == conversation["current_message_id"]


def test_what_a_person_did_here_survives_the_next_import(owner, user, tmp_path):
    imported(user, export(tmp_path, exports.branch(4)))
    url = f"{LIST}/{owner.get(LIST).json()['results'][0]['id']}"
    first = owner.get(f"{url}/messages").json()["results"][0]
    owner.patch(url, {"title": "My own", "starred": True}, format="json")
    owner.patch(f"{url}/messages/{first['id']}", {"content": "edited"}, format="json")
    owner.post(f"{url}/messages", {"role": "user", "content": "said here"}, format="json")
    imported(user, export(tmp_path, exports.branch(5, title="Theirs", update_time=1757000000.0)))
    conversation = owner.get(url).json()
    assert (conversation["title"], conversation["starred"], conversation["message_count"]) == ("My own", True, 6)
    tree = {m["content"] for m in owner.get(f"{url}/messages?branch=all").json()["results"]}
    assert {"edited", "said here", "text 4"} <= tree


def test_a_newer_export_without_new_messages_is_newer_whatever_happened_here(owner, user, tmp_path):
    imported(user, export(tmp_path, exports.branch(3)))
    url = f"{LIST}/{owner.get(LIST).json()['results'][0]['id']}"
    owner.patch(url, {"starred": True}, format="json")  # now, and so later than all that the exports say
    said = owner.post(f"{url}/messages", {"role": "user", "content": "said here"}, format="json").json()
    newer = exports.branch(3, title="Renamed there", update_time=1757000000.0)
    newer["mapping"]["m1"]["message"]["content"]["parts"] = ["edited there"]
    items, totals = imported(user, export(tmp_path, newer))
    assert (items[0]["outcome"], totals["imported_count"], totals["updated_count"]) == ("updated", 0, 1)
    after = owner.get(url).json()
    assert (after["title"], after["starred"], after["current_message_id"]) == ("Renamed there", True, said["id"])
    shown = [m["content"] for m in owner.get(f"{url}/messages").json()["results"]]
    assert shown == ["text 0", "edited there", "text 2", "said here"]
    older = exports.branch(3, title="Old name", update_time=1756500000.0)
    items, _ = imported(user, export(tmp_path, older))
    assert (items[0]["outcome"], owner.get(url).json()["title"]) == ("unchanged", "Renamed there")
    items, _ = imported(user, export(tmp_path, exports.branch(3, title="Newest", update_time=1757000001.0)))
    assert (items[0]["outcome"], owner.get(url).json()["title"]) == ("updated", "Newest")


def test_an_import_of_the_release_before_is_compared_with_what_it_left(owner, user, tmp_path):
    imported(user, export(tmp_path, exports.branch(3, title="New", update_time=1757000000.0)))
    Conversation.objects.filter(user=user).update(source_updated_at=None)
    items, _ = imported(user, export(tmp_path, exports.branch(3, title="Old", update_time=1756500000.0)))
    assert (items[0]["outcome"], owner.get(LIST).json()["results"][0]["title"]) == ("unchanged", "New")
    items, _ = imported(user, export(tmp_path, exports.branch(3, title="Newest", update_time=1758000000.0)))
    assert (items[0]["outcome"], owner.get(LIST).json()["results"][0]["title"]) == ("updated", "Newest")
    assert Conversation.objects.get(user=user).source_updated_at.timestamp() == 1758000000


def test_an_edit_of_the_last_message_survives_a_conversation_that_was_continued_elsewhere(owner, user, tmp_path):
    old = exports.branch(2)
    for key, child in (("root", "m0"), ("m0", "m1")):
        old["mapping"][key]["children"] = [child]
    imported(user, export(tmp_path, old))
    url = f"{LIST}/{owner.get(LIST).json()['results'][0]['id']}"
    last = owner.get(f"{url}/messages").json()["results"][-1]
    owner.patch(f"{url}/messages/{last['id']}", {"content": "my correction"}, format="json")
    newer = exports.branch(3, update_time=1757000000.0)
    for key, child in (("root", "m0"), ("m0", "m1"), ("m1", "m2")):
        newer["mapping"][key]["children"] = [child]  # the node of the last message lists a child now
    _, totals = imported(user, export(tmp_path, newer))
    assert (totals["imported_count"], totals["updated_count"]) == (1, 0)
    shown = [m["content"] for m in owner.get(f"{url}/messages").json()["results"]]
    assert shown == ["text 0", "my correction", "text 2"]


def test_a_conversation_in_the_trash_stays_there_and_the_report_says_so(owner, user, tmp_path):
    path = export(tmp_path, exports.branch(2))
    imported(user, path)
    owner.delete(f"{LIST}/{owner.get(LIST).json()['results'][0]['id']}")
    items, _ = imported(user, path)
    assert (items[0]["outcome"], items[0]["reason"]) == ("skipped", "conversation_in_trash")
    assert owner.get(LIST).json()["total"] == 0


def test_one_bad_conversation_never_sinks_the_file(user, tmp_path):
    bad = exports.conversation(
        {"m": exports.node(None, exports.message(text="x", create_time=1756000000))}, id="x" * 400
    )
    shell = {"id": "shell", "title": "nothing in it"}
    items, totals = imported(user, export(tmp_path, exports.branch(2), bad, shell, exports.branch(2, id="c2"), 7))
    assert [item["outcome"] for item in items] == ["imported", "failed", "skipped", "imported", "failed"]
    assert all(item["reason"] for item in items if item["outcome"] in ("failed", "skipped"))
    assert (totals["status"], totals["code"], totals["conversations_imported"]) == ("partial_success", 2, 2)


@pytest.mark.parametrize("content", ["[]", "", '{"some": "thing"}', "[{", "not json", '[{"id": "shell"}]'])
def test_never_a_success_when_nothing_came_in(user, tmp_path, content):
    path = tmp_path / "file.json"
    path.write_text(content)
    _, totals = imported(user, path)
    assert (totals["status"], totals["code"]) == ("failed", 1)
    assert not Conversation.objects.exists()


def test_a_truncated_file_keeps_what_was_whole_and_says_so(user, tmp_path):
    path = tmp_path / "cut.json"
    path.write_text(json.dumps([exports.branch(3), exports.branch(3, id="c2")])[:-200])
    _, totals = imported(user, path)
    assert (totals["status"], totals["code"], totals["conversations_imported"]) == ("partial_success", 2, 1)


def test_a_dry_run_reports_all_and_keeps_nothing(user, tmp_path):
    items, totals = imported(user, export(tmp_path, exports.branch(3)), dry_run=True)
    assert (items[0]["outcome"], totals["imported_count"], totals["dry_run"]) == ("imported", 3, True)
    assert everything(user) == [[], [], []]


def test_an_unknown_person_and_an_absent_file_are_said_plainly(user, tmp_path):
    with pytest.raises(CommandError, match="no account"):
        call_command("import_chats", "x.json", user="nobody@example.com")
    _, totals = imported(user, tmp_path / "absent.json")
    assert (totals["status"], totals["reason"]) == ("failed", "FileNotFoundError")


def test_nul_surrogates_and_a_far_future_survive(owner, user, tmp_path):
    texts = ["nul \0", "half \ud83d", "mark \ufdd0 0000", "\u202e pair \U0001f600", "tab\tnew\nline\\N \\."]
    mapping, parent = {}, None
    for number, text in enumerate(texts):
        mapping[f"k{number}\0" if number == 1 else f"k{number}"] = exports.node(
            parent, exports.message(text=text, create_time=253402300000 + number)
        )
        parent = f"k{number}\0" if number == 1 else f"k{number}"
    imported(user, export(tmp_path, exports.conversation(mapping, title="t\0\ud800", current_node=parent)))
    conversation = owner.get(LIST).json()["results"][0]
    url = f"{LIST}/{conversation['id']}/messages"
    assert conversation["title"] == "t\0\ud800"
    assert [m["content"] for m in owner.get(url).json()["results"]] == texts
    said = owner.post(url, {"role": "user", "content": "now"}, format="json").json()
    assert said["created_at"] < "2100"  # not dated after the year 9999
    assert [m["content"] for m in owner.get(url).json()["results"]] == [*texts, "now"]


def test_a_time_that_the_source_lacks_is_inferred_and_says_so(owner, user, tmp_path):
    mapping = {
        "a": exports.node(None, exports.message(text="a", create_time=None)),
        "b": exports.node("a", exports.message(text="b", create_time=1756000009)),
        "c": exports.node("b", exports.message(text="c", create_time=None)),
    }
    imported(user, export(tmp_path, exports.conversation(mapping, current_node="c")))
    url = f"{LIST}/{owner.get(LIST).json()['results'][0]['id']}/messages"
    a, b, c = owner.get(url).json()["results"]
    assert (a["created_at"], c["created_at"]) == ("2025-08-24T01:46:40.000000Z", b["created_at"])
    assert [m["metadata"].get("time_inferred") for m in (a, b, c)] == [True, None, True]


def test_times_that_contradict_the_tree_are_listed_parent_before_child(owner, user, tmp_path):
    mapping = {
        "q": exports.node(None, exports.message("user", "question", create_time=1756000200)),
        "a": exports.node("q", exports.message("assistant", "answer", create_time=1756000100)),
    }
    imported(user, export(tmp_path, exports.conversation(mapping, current_node="a")))
    url = f"{LIST}/{owner.get(LIST).json()['results'][0]['id']}/messages"
    for query in ("", "?limit=1"):
        assert [m["content"] for m in pages(owner, url + query)] == ["question", "answer"]


def test_another_person_imports_the_same_file_for_themselves(user, stranger, tmp_path):
    from accounts.tests.factories import UserFactory

    path, other = export(tmp_path, exports.branch(3)), UserFactory()
    for person in (user, other):
        _, totals = imported(person, path)
        assert totals["imported_count"] == 3
    assert Conversation.objects.filter(user=user).count() == Conversation.objects.filter(user=other).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_one_file_at_once_give_one_result(user, tmp_path):
    path = export(tmp_path, *(exports.branch(20, id=f"c{n}") for n in range(30)))
    outcomes = []

    def work():
        try:
            outcomes.append(Counter(r.outcome for r in conversations_ingest(user_id=user.pk, found=read_files([path]))))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcomes, Counter()) == {"imported": 30, "unchanged": 60}
    assert Conversation.objects.count() == 30
    assert Message.objects.count() == 600
    assert ChangeCounter.objects.get(user=user).value == Change.objects.count() == 630


def test_ten_thousand_messages_in_one_branch_take_linear_time(owner, user, tmp_path):
    seconds = {}
    for length in (2_500, 10_000):
        path = export(tmp_path, exports.branch(length, id=f"c{length}"))
        started = time.process_time()
        _, totals = imported(user, path)
        seconds[length] = time.process_time() - started
        assert totals["imported_count"] == length
    assert seconds[10_000] < 4 * seconds[2_500] * 2  # twice the room that linear needs: this machine is shared
    long = next(c for c in owner.get(LIST).json()["results"] if c["message_count"] == 10_000)
    last = owner.get(f"{LIST}/{long['id']}/messages?order=desc&limit=2").json()
    assert ([m["content"] for m in last["results"]], last["total"]) == (["text 9999", "text 9998"], 10_000)
