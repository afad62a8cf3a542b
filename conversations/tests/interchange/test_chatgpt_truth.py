"""The reader against figures counted by a script that shares no code with it (samples/README.md)."""

import json
from pathlib import Path

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.records import ConversationRecord, Trouble
from conversations.interchange.tree import faults, normalised

from .exports import FIXTURES, SAMPLES
from .truth import Figures, active_path, digest, figures

__all__ = ["REAL", "SHARDED", "digest", "sample"]

pytestmark = pytest.mark.interchange

REAL = (
    "chat-history_2026_sample",
    "everychat_chatgpt_conversations",
    "librechat_chatgpt-citations",
    "librechat_chatgpt-export",
    "librechat_chatgpt-modern-export",
    "mitkury_example-conversation",
    "polylogue_native-conversation-v1",
    "polylogue_representative-00",
)
SHARDED = "chatgpt_sharded_export-part-000*.zip"


def sample(name: str) -> tuple[list[Path], Figures]:
    if name == SHARDED:
        return sorted(FIXTURES.glob(SHARDED)), json.loads((FIXTURES / "TRUTH.json").read_text())[SHARDED]
    path = SAMPLES / "chatgpt" / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{path} is absent: the real samples are others' and no part of this repository")
    return [path], json.loads((SAMPLES / "TRUTH.json").read_text())[f"chatgpt/{name}.json"]


@pytest.fixture(params=[*REAL, SHARDED])
def read_sample(request: pytest.FixtureRequest) -> tuple[list[ConversationRecord], list[Trouble], Figures]:
    paths, truth = sample(request.param)
    found = list(read_files(paths))
    records = [record for record in found if isinstance(record, ConversationRecord)]
    return records, [trouble for trouble in found if isinstance(trouble, Trouble)], truth


def test_every_figure_of_the_truth_is_reproduced(read_sample):
    records, _, truth = read_sample
    found = figures(records)
    assert found == {name: truth[name] for name in found}


def test_each_conversation_has_its_title_its_messages_and_its_leaf(read_sample):
    records, _, truth = read_sample
    assert [
        {
            "title": record.title,
            "messages": len(record.messages),
            "active_messages": len(list(active_path(record))),
            "active_leaf": record.current_external_id,
        }
        for record in records
    ] == [figures for figures in truth["per_conversation"] if figures["messages"]]


def test_every_shell_is_reported_and_nothing_else(read_sample):
    records, troubles, truth = read_sample
    shells = [index for index, figures in enumerate(truth["per_conversation"]) if not figures["messages"]]
    assert [(trouble.index, trouble.outcome, trouble.reason) for trouble in troubles] == [
        (index, "skipped", "no_messages") for index in shells
    ]
    assert len(records) + len(troubles) == truth["conversations"]


def test_content_is_the_string_parts_wherever_there_are_any(read_sample):
    records, _, _ = read_sample
    for message in (message for record in records for message in record.messages):
        parts = message.raw["message"]["content"].get("parts") or []
        strings = "\n".join(part for part in parts if isinstance(part, str))
        assert message.content == strings or not strings


def test_trees_are_sound_and_normalising_changes_nothing(read_sample):
    records, _, _ = read_sample
    for record in records:
        assert faults(record) == []
        assert normalised(record) == record


def test_raw_holds_the_whole_source(read_sample):
    """An archive of records must give back the export: its nodes are those with a message and those without."""
    records, _, _ = read_sample
    for record in records:
        kept = record.raw["mapping"] | {message.external_id: message.raw for message in record.messages}
        assert len(kept) == len(record.raw["mapping"]) + len(record.messages)
        assert all(kept_node.get("message") is None for kept_node in record.raw["mapping"].values())


def test_the_sharded_export_gives_both_copies_in_file_order():
    paths, _ = sample(SHARDED)
    records = list(read_files(paths))
    assert [(record.external_id, record.title) for record in records[:3]] == [
        ("s01", "Shard zero"),
        ("s02", "Old copy"),
        ("s02", "New copy"),
    ]
    assert records[1].updated_at < records[2].updated_at  # by this ingest keeps the newest, in whatever order
