"""Every sample through the real way in and out: uploaded, read back over the API, held to figures counted without us.

The figures (samples/README.md) are of what is in a file; where an account holds something else, it says so here.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from conversations.interchange.records import ConversationRecord, MessageRecord
from conversations.tests.interchange.exports import SAMPLES
from conversations.tests.interchange.truth import Figures, figures, per_conversation
from conversations.tests.people import WatchedClient

IMPORTS, LIST = "/api/v1/imports", "/api/v1/conversations"

TRUTH: dict[str, Figures] = json.loads(path.read_text()) if (path := SAMPLES / "TRUTH.json").exists() else {}
TWICE = (
    "synthetic/chatgpt_sharded_export-part-000*.zip"  # one conversation stands in two shards: an older copy, a newer
)
# What was chosen is what the figures count; its alternatives are messages, too, on branches of their own.
ALTERNATIVES = ("unselected_versions", "extra_swipes")
UNTIMED = {"synthetic/sillytavern_chat.jsonl"}  # whoever counted did not read its four spellings
# Of people, projects and a design tool: what lies beside conversations in Claude's export has no figures.
WITHOUT_FIGURES = {
    "README.md",
    "TRUTH.json",
    "claude/claude-export-html_backup/projects/p-1.json",
    "claude/claude-export-html_backup/users.json",
    "claude/polylogue_claude-design-session.json",
}

pytestmark = [pytest.mark.django_db, pytest.mark.interchange]


def sent(client: WatchedClient, paths: list[Path]) -> dict[str, Any]:
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in paths]
        answer = client.post(IMPORTS, {"file": files}, format="multipart")
    assert answer.status_code == 200, answer.content
    return answer.json()


def pages(client: WatchedClient, url: str | None) -> Iterator[dict[str, Any]]:
    while url:
        page = client.get(url).json()
        yield from page["results"]
        url = page["next"]


def read_back(client: WatchedClient, told: dict[str, Any]) -> list[ConversationRecord]:
    """What became of each item of the file, in its order, which the report keeps and the list does not.

    Data sets repeat conversations word for word: an account holds one of them, and it is counted as often here.
    """
    items = sorted(pages(client, f"{IMPORTS}/{told['id']}/items?limit=500"), key=lambda item: item["index"])
    order = [item["conversation_id"] for item in items if item["conversation_id"]]
    listed = [row for archived in ("false", "true") for row in pages(client, f"{LIST}?limit=100&archived={archived}")]
    held = {row["id"]: conversation(client, row) for row in listed}
    assert held.keys() == set(order)
    return [held[conversation_id] for conversation_id in order]


def conversation(client: WatchedClient, row: dict[str, Any]) -> ConversationRecord:
    url = f"{LIST}/{row['id']}/messages?include_hidden=true&limit=500"
    messages = list(pages(client, f"{url}&branch=all"))
    record = ConversationRecord(
        source=row["source"],
        external_id=row["external_id"],
        title=None if row["title_is_generated"] else row["title"],
        current_external_id=row["current_message_id"],
        metadata=row["metadata"],
        messages=tuple(map(message, messages)),
    )
    assert row["message_count"] == len(messages)
    parents = {one["id"]: one["parent_id"] for one in messages}
    path = [row["current_message_id"]]
    while (parent := parents[path[-1]]) is not None:
        path.append(parent)
    assert [one["id"] for one in pages(client, url)] == path[
        ::-1
    ]  # the branch that is shown unless another is asked for
    return record


def message(row: dict[str, Any]) -> MessageRecord:
    is_told = not row["metadata"].get("time_inferred")
    return MessageRecord(
        external_id=row["id"],
        parent_external_id=row["parent_id"],
        role=row["role"],
        content=row["content"],
        created_at=datetime.fromisoformat(row["created_at"]) if is_told else None,
    )


@pytest.mark.parametrize("name", TRUTH)
def test_what_was_uploaded_is_read_back_as_it_was_counted(owner, name):
    truth, told = TRUTH[name], sent(owner, sorted(SAMPLES.glob(name)))
    records = read_back(owner, told)
    assert told["failed_count"] == 0, told["items"]
    if name == TWICE:
        hold_the_newer_copies(records, truth)
    elif truth["format"] == "gemini-takeout":
        hold_takeout(records, truth)
    else:
        chats = [record for record in records if record.metadata.get("kind") != "design_chat"]
        assert len(records) - len(chats) == truth.get("also", {}).get("design_chats", 0)
        hold(chats, truth, is_timed=name not in UNTIMED)


def hold(records: list[ConversationRecord], truth: Figures, *, is_timed: bool) -> None:
    found = figures(records)
    if alternatives := sum(truth.get(key, 0) for key in ALTERNATIVES):
        assert found["messages_total"] == truth["messages_total"] + alternatives
        found = {figure: found[figure] for figure in ("active_total", "active_by_role", "conversations_with_messages")}
    elif not is_timed:
        found = {figure: value for figure, value in found.items() if not figure.endswith("_at")}
    known = found.keys() & truth.keys()
    assert {"messages_total", "active_total"} & known
    assert {figure: found[figure] for figure in known} == {figure: truth[figure] for figure in known}
    if "per_conversation" in truth and not alternatives:
        without_leaves = {
            **truth,
            "per_conversation": [{**one, "active_leaf": None} for one in truth["per_conversation"]],
        }
        read, true = per_conversation(records, without_leaves)
        assert [{**one, "title": one["title"] or ""} for one in read] == [
            {**one, "title": one["title"] or ""} for one in true
        ]


def hold_the_newer_copies(records: list[ConversationRecord], truth: Figures) -> None:
    newest = [one for one in truth["per_conversation"] if one["title"] != "Old copy"]
    distinct = list({record.external_id: record for record in records}.values())
    assert len(distinct) == truth["after_dedup_by_conversation_id_newest_update_time"]["conversations"]
    times = {figure: truth[figure] for figure in ("first_message_at", "last_message_at")}
    total = sum(one["messages"] for one in newest)
    hold(distinct, {"messages_total": total, "per_conversation": newest, **times}, is_timed=True)


def hold_takeout(records: list[ConversationRecord], truth: Figures) -> None:
    found = figures(records)
    assert found["conversations_with_messages"] == truth["conversations_when_grouped_by_app_id"]
    assert found["messages_by_role"] == {"user": truth["prompt_entries"], "assistant": truth["with_reply"]}
    for figure in ("messages_total", "first_message_at", "last_message_at"):
        assert found[figure] == truth[figure]


@pytest.mark.parametrize("name", TRUTH)
def test_the_same_file_again_is_all_unchanged(owner, name):
    first, again = (sent(owner, sorted(SAMPLES.glob(name))) for _ in range(2))
    assert first["imported_count"] > 0
    assert (again["imported_count"], again["updated_count"]) == (0, 0), again["items"]
    assert again["unchanged_count"] == sum(
        first[f"{outcome}_count"] for outcome in ("imported", "updated", "unchanged")
    )


@pytest.mark.skipif(not TRUTH, reason="the samples are others' and no part of this repository")
def test_every_sample_has_figures():
    files = {str(path.relative_to(SAMPLES)) for path in SAMPLES.rglob("*") if path.is_file()}
    counted = {str(path.relative_to(SAMPLES)) for name in TRUTH for path in SAMPLES.glob(name)}
    assert files - counted == WITHOUT_FIGURES
