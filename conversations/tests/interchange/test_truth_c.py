"""The readers of DeepSeek, Grok, Gemini, AI Studio, Le Chat and Perplexity against figures counted without them."""

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.records import ConversationRecord, Trouble
from conversations.interchange.tree import faults, normalised

from .truth import Figures, figures, per_conversation, sample

pytestmark = pytest.mark.interchange

FORMATS = {
    "synthetic/deepseek_conversations.json": "deepseek",
    "synthetic/grok_prod-grok-backend.json": "grok",
    "grok/polylogue_grok-export.json": "grok",
    "synthetic/lechat_export.zip": "lechat",
    "synthetic/perplexity_thread_export.json": "perplexity",
    "synthetic/perplexity_entries_export.json": "perplexity",
    "aistudio/chat-history_2026_sample.json": "aistudio",
    "aistudio/polylogue_branching_session.json": "aistudio",
    "aistudio/polylogue_code_execution_session.json": "aistudio",
    "aistudio/polylogue_multi_turn_prompt.json": "aistudio",
    "aistudio/polylogue_multimodal_session.json": "aistudio",
}
TAKEOUT = ("synthetic/gemini_takeout_MyActivity.json", "gemini_takeout/everychat_MyActivity.json")

Read = tuple[list[ConversationRecord], list[Trouble], Figures]


def read(name: str) -> Read:
    paths, truth = sample(name)
    found = list(read_files(paths))
    records = [record for record in found if isinstance(record, ConversationRecord)]
    return records, [trouble for trouble in found if isinstance(trouble, Trouble)], truth


@pytest.mark.parametrize("name", FORMATS)
def test_every_figure_of_the_truth_is_reproduced(name):
    records, troubles, truth = read(name)
    assert {record.source for record in records} == {FORMATS[name]}
    found = figures(records)
    assert found == {figure: truth[figure] for figure in found}
    read_figures, true_figures = per_conversation(records, truth)
    assert read_figures == true_figures
    assert [trouble.reason for trouble in troubles] == ["no_messages"] * (truth["conversations"] - len(records))


@pytest.mark.parametrize("name", TAKEOUT)
def test_every_figure_of_the_takeout_is_reproduced(name):
    records, troubles, truth = read(name)
    found = figures(records)
    assert len(records) == truth["conversations_when_grouped_by_app_id"]
    for figure in ("messages_total", "first_message_at", "last_message_at"):
        assert found[figure] == truth[figure]
    by_role = {"user": truth["prompt_entries"], "assistant": truth["with_reply"]}
    assert found["messages_by_role"] == by_role
    others = truth["entries"] - truth["gemini_entries"]
    without_prompt = truth["gemini_entries"] - truth["prompt_entries"]
    assert sorted(trouble.reason for trouble in troubles) == ["no_messages"] * without_prompt + ["not_gemini"] * others


@pytest.mark.parametrize("name", [*FORMATS, *TAKEOUT])
def test_trees_are_sound_and_every_message_keeps_its_source(name):
    records, _, _ = read(name)
    for record in records:
        assert faults(record) == []
        assert normalised(record) == record
        assert all(isinstance(message.raw, dict) for message in record.messages)
