"""Claude, Open WebUI, LibreChat and chatbot-ui against figures counted by a script that shares no code with us."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import READERS
from conversations.interchange.records import ConversationRecord, DocumentRecord, MessageRecord, Trouble
from conversations.interchange.tree import faults, normalised

from .exports import FIXTURES, SAMPLES

pytestmark = pytest.mark.interchange

OF_OTHERS = (
    "claude/chat-history_2026_sample.json",
    "claude/claude-export-html_backup/conversations.json",
    "claude/everychat_claude_conversations.json",
    "claude/polylogue_representative-00.json",
    "claude/simonw_example.json",
    "openwebui/librechat_openwebui-export.json",
    "openwebui/openwebui-importer_expected_chatgpt_output.json",
    "librechat/librechat-export.json",
    "librechat/librechat-linear.json",
    "librechat/librechat-opts-nonr-branches.json",
    "chatbotui/librechat_chatbotui-export.json",
)
OUR_OWN = ("synthetic/claude_conversations.json", "synthetic/claude_export.zip", "synthetic/openwebui_export.json")

# The zip holds one more conversation, of the design tool, which the figures count beside the others.
DESIGN_CHATS = {"synthetic/claude_export.zip": 1}

Figures = dict[str, Any]


def sample(name: str) -> tuple[Path, Figures]:
    if name in OUR_OWN:
        return FIXTURES / Path(name).name, json.loads((FIXTURES / "TRUTH_A.json").read_text())[name]
    if not (path := SAMPLES / name).exists():
        pytest.skip(f"{path} is absent: the real samples are others' and no part of this repository")
    return path, json.loads((SAMPLES / "TRUTH.json").read_text())[name]


@pytest.fixture(params=[*OF_OTHERS, *OUR_OWN])
def read_sample(request: pytest.FixtureRequest) -> tuple[list[ConversationRecord], list[Trouble], Figures]:
    path, truth = sample(request.param)
    found = list(read_files([path]))
    records = [record for record in found if isinstance(record, ConversationRecord)]
    chats = [record for record in records if record.metadata.get("kind") != "design_chat"]
    assert len(records) - len(chats) == DESIGN_CHATS.get(request.param, 0)
    return chats, [trouble for trouble in found if isinstance(trouble, Trouble)], truth


def active_path(record: ConversationRecord) -> Iterator[MessageRecord]:
    by_id = {message.external_id: message for message in record.messages}
    current = record.current_external_id
    while current is not None:
        yield by_id[current]
        current = by_id[current].parent_external_id


def digest(messages: list[MessageRecord]) -> str:
    texts = sorted(f"{message.role}\x1f{message.content}" for message in messages)
    return hashlib.sha256("".join(f"{text}\x1e" for text in texts).encode("utf-8", "surrogatepass")).hexdigest()


def test_every_figure_of_the_truth_is_reproduced(read_sample):
    records, _, truth = read_sample
    messages = [message for record in records for message in record.messages]
    active = [message for record in records for message in active_path(record)]
    times = [message.created_at.isoformat(timespec="microseconds") for message in messages if message.created_at]
    figures = {
        "conversations_with_messages": len(records),
        "messages_total": len(messages),
        "messages_by_role": dict(Counter(message.role for message in messages)),
        "active_total": len(active),
        "active_by_role": dict(Counter(message.role for message in active)),
        "first_message_at": min(times, default=None),
        "last_message_at": max(times, default=None),
        "text_chars": sum(len(message.content) for message in messages),
        "text_sha256_sorted": digest(messages),
    }
    assert figures == {name: truth[name] for name in figures}


def test_each_conversation_has_its_title_its_messages_and_its_leaf(read_sample):
    records, _, truth = read_sample
    expected = [figures for figures in truth["per_conversation"] if figures["messages"]]
    for record, figures in zip(records, expected, strict=True):
        assert (record.title, len(record.messages), len(list(active_path(record)))) == (
            figures["title"],
            figures["messages"],
            figures["active_messages"],
        )
        # Where a format links nothing, the truth names no leaf; then it is the end of the list.
        assert record.current_external_id == (figures["active_leaf"] or record.messages[-1].external_id)


def test_every_shell_is_reported_and_nothing_else(read_sample):
    _, troubles, truth = read_sample
    shells = [figures for figures in truth["per_conversation"] if not figures["messages"]]
    assert [(trouble.outcome, trouble.reason) for trouble in troubles] == [("skipped", "no_messages")] * len(shells)


def test_trees_are_sound_and_normalising_changes_nothing(read_sample):
    records, _, _ = read_sample
    for record in records:
        assert faults(record) == []
        assert normalised(record) == record


def test_each_sample_is_recognised_by_its_own_reader_first(read_sample, request):
    name = request.node.callspec.params["read_sample"]
    path, _ = sample(name)
    if path.suffix != ".json":
        pytest.skip("the members of an archive are the samples beside it")
    document = json.loads(path.read_text())
    for item in document if isinstance(document, list) else [document]:
        claimed = [reader.NAME for reader in READERS if reader.recognises(item)][
            :1
        ]  # the most particular is asked first
        assert claimed == [read_sample[0][0].source]


def test_the_whole_claude_export_gives_what_lies_beside_the_chats():
    path, _ = sample("synthetic/claude_export.zip")
    found = list(read_files([path]))
    documents = [record for record in found if isinstance(record, DocumentRecord)]
    assert sorted((document.kind, document.external_id, document.title) for document in documents) == [
        ("memory", "aaaaaaaa-0000-4000-8000-000000000001", ""),
        ("project", "p-1", "Proj"),
        ("user", "aaaaaaaa-0000-4000-8000-000000000001", "Test User"),
    ]


def test_chatbot_ui_gives_its_folders_and_prompts():
    path, _ = sample("chatbotui/librechat_chatbotui-export.json")
    documents = [record for record in read_files([path]) if isinstance(record, DocumentRecord)]
    assert [(document.kind, document.title) for document in documents] == [
        ("folder", "New folder"),
        ("prompt", "Prompt 1"),
        ("prompt", "Prompt 2"),
    ]
