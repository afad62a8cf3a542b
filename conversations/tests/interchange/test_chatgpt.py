"""ChatGPT's conversations and messages, field by field."""

from datetime import UTC, datetime

import pytest

from conversations.interchange.records import MAX_EXTERNAL_ID

from .exports import conversation, message, node, read_message, read_one, read_trouble

pytestmark = pytest.mark.interchange


def typed(content_type, **fields):
    return message("assistant", content={"content_type": content_type, **fields})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"content_type": "text", "parts": ["one", "two"]}, "one\ntwo"),
        ({"content_type": "text", "parts": ["nul \0", "half \ud800", None, "\ue200c"]}, "nul \0\nhalf \ud800\n\ue200c"),
        ({"content_type": "multimodal_text", "parts": [{"content_type": "image_asset_pointer"}, "seen"]}, "seen"),
        (
            {"content_type": "multimodal_text", "parts": [{"content_type": "audio_transcription", "text": "said"}]},
            "said",
        ),
        ({"content_type": "code", "language": "python", "text": "1 + 1"}, "1 + 1"),
        ({"content_type": "execution_output", "text": "2\n"}, "2\n"),
        ({"content_type": "tether_quote", "url": "https://x", "text": "quoted"}, "quoted"),
        ({"content_type": "tether_browsing_display", "result": "", "summary": "sum"}, "sum"),
        ({"content_type": "sonic_webpage", "text": None, "snippet": "snip"}, "snip"),
        ({"content_type": "system_error", "name": "tool_error", "text": "failed"}, "failed"),
        (
            {"content_type": "thoughts", "thoughts": [{"content": "deep"}, {"summary": "s", "content": ""}, None]},
            "deep\ns",
        ),
        ({"content_type": "thoughts", "parts": ["captured"]}, "captured"),
        ({"content_type": "reasoning_recap", "content": "Thought for 12s"}, "Thought for 12s"),
        ({"content_type": "user_editable_context", "user_profile": "p", "user_instructions": "i"}, "p\n\ni"),
        ({"content_type": "model_editable_context", "model_set_context": "tea"}, "tea"),
        ({"content_type": "citable_code_output", "output_str": "out"}, "out"),
        ({"content_type": "computer_output", "screenshot": {}}, ""),
        ({"content_type": "of tomorrow", "text": "new"}, "new"),
        ("bare text", "bare text"),
        (["bare", "parts"], "bare\nparts"),
        (None, ""),
        (7, ""),
    ],
)
def test_every_content_type_gives_its_text(content, text):
    assert read_message(message(content=content)).content == text


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({"content_type": "text", "parts": ["one"]}, ()),
        ({"content_type": "text", "parts": ["one", "two"]}, ("one", "two")),
        ({"content_type": "multimodal_text", "parts": [{"a": [None]}, "seen"]}, ({"a": [None]}, "seen")),
        ({"content_type": "text", "parts": None}, ()),
        ({"content_type": "execution_output", "text": "2"}, ()),
        ({"content_type": "code", "language": "python"}, ({"content_type": "code", "language": "python"},)),
        ({"content_type": "thoughts", "thoughts": []}, ({"content_type": "thoughts", "thoughts": []},)),
        ({"content_type": "hologram", "x": 1}, ({"type": "unknown", "raw": {"content_type": "hologram", "x": 1}},)),
        (7, ({"type": "unknown", "raw": 7},)),
        (None, ()),
    ],
)
def test_structure_is_kept_verbatim_and_plain_text_not_twice(content, parts):
    assert read_message(message(content=content)).parts == parts


def test_text_that_stands_only_in_finished_text_is_kept_in_metadata():
    said = read_message(typed("code", language="python") | {"metadata": {"finished_text": "x" * 5000}})
    assert said.metadata["finished_text"] == "x" * 5000


@pytest.mark.parametrize(
    ("author", "role", "noted"),
    [
        ({"role": "developer"}, "system", "developer"),
        ({"role": "function"}, "tool", "function"),
        ({"role": "critic"}, "assistant", "critic"),
        ({"role": "user"}, "user", None),
        ({}, "assistant", None),
        (None, "assistant", None),
    ],
)
def test_an_unknown_role_is_an_assistant_that_keeps_its_name(author, role, noted):
    said = read_message(message() | {"author": author})
    assert (said.role, said.metadata.get("author_role")) == (role, noted)


@pytest.mark.parametrize(
    ("role", "content_type", "metadata", "hidden"),
    [
        ("user", "text", {}, False),
        ("user", "text", {"is_visually_hidden_from_conversation": True}, True),
        ("user", "user_editable_context", {}, True),
        ("system", "text", {}, True),
        ("system", "text", {"is_user_system_message": True}, False),
        ("assistant", "thoughts", None, False),
        ("tool", "text", {"is_visually_hidden_from_conversation": "yes"}, False),
    ],
)
def test_hidden_context_is_stored_hidden(role, content_type, metadata, hidden):
    said = message(role, metadata=metadata, content={"content_type": content_type, "parts": ["x"]})
    assert read_message(said).hidden is hidden


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"status": "finished_successfully"}, "complete"),
        ({"status": "in_progress"}, "interrupted"),
        ({"status": "finished_partial_completion"}, "interrupted"),
        ({"metadata": {"finish_details": {"type": "interrupted"}}}, "interrupted"),
        ({"status": None}, "complete"),
        ({"status": ["odd"]}, "complete"),
    ],
)
def test_what_was_cut_off_is_interrupted(fields, status):
    assert read_message(message(**fields)).status == status


def test_the_model_is_the_messages_own_then_for_answers_the_conversations():
    mapping = {
        "u": node(None, message("user")),
        "a": node("u", message("assistant")),
        "b": node("a", message("assistant", metadata={"model_slug": "o4-mini"})),
    }
    record = read_one(conversation(mapping, default_model_slug="gpt-5"))
    assert [said.model for said in record.messages] == ["", "gpt-5", "o4-mini"]
    assert record.model == "gpt-5"
    assert read_one(conversation(mapping, current_node="b")).model == "o4-mini"


def test_a_call_and_its_results_find_each_other():
    mapping = {
        "call": node(None, message("assistant", "search(1)", recipient="browser")),
        "first": node("call", message("tool", "page one", name="browser")),
        "second": node("first", message("tool", "page two", name="browser")),
        "answer": node("second", message("assistant", "so")),
        "orphan": node("answer", message("tool", "x", name="bio")),
    }
    call, first, second, answer, orphan = read_one(conversation(mapping)).messages
    function = {"name": "browser", "arguments": "search(1)"}
    assert call.tool_calls == [{"id": "call", "type": "function", "function": function}]
    assert first.tool_results == second.tool_results == [{"tool_call_id": "call", "name": "browser"}]
    assert (answer.tool_calls, answer.tool_results, orphan.tool_results) == (None, None, None)


def test_citations_and_references_become_sources_with_their_places():
    metadata = {
        "citations": [
            {"start_ix": 3, "end_ix": 9, "metadata": {"type": "webpage", "title": "T", "url": "https://t"}},
            None,
        ],
        "content_references": [
            {
                "type": "grouped_webpages",
                "matched_text": "\ue200cite\ue201",
                "start_idx": 1,
                "end_idx": 2,
                "items": [{"title": "G", "url": "https://g", "attribution": "g.org"}],
            },
            {"type": "grouped_webpages", "safe_urls": ["https://s"]},
            {"type": "hidden"},
        ],
    }
    assert read_message(message(metadata=metadata)).sources == [
        {"type": "webpage", "title": "T", "url": "https://t", "start": 3, "end": 9},
        {
            "type": "grouped_webpages",
            "title": "G",
            "url": "https://g",
            "attribution": "g.org",
            "start": 1,
            "end": 2,
            "matched_text": "\ue200cite\ue201",
        },
        {"type": "grouped_webpages", "url": "https://s"},
    ]
    assert read_message(typed("tether_quote", url="https://q", title="Q", text="long")).sources == [
        {"type": "webpage", "title": "Q", "url": "https://q"}
    ]
    assert read_message(message()).sources is None


def test_metadata_has_what_is_useful_and_raw_has_all():
    big = {"search_result_groups": [{"entries": ["x"] * 1000}], "aggregate_result": {"code": "y"}}
    said = message(
        "tool",
        id="another",
        name="python",
        channel="commentary",
        metadata=big | {"request_id": "r", "attachments": [{"id": "f", "name": "a.png"}], "empty": None},
    )
    record = read_message(said)
    assert record.metadata == {
        "request_id": "r",
        "attachments": [{"id": "f", "name": "a.png"}],
        "message_id": "another",
        "author_name": "python",
        "channel": "commentary",
    }
    assert record.raw["message"] is said


def test_times_are_kept_to_the_microsecond_and_never_invented():
    mapping = {
        "m": node(None, message(create_time=1756000000.123456, update_time=None)),
        "n": node("m", message(create_time=None)),
    }
    record = read_one(conversation(mapping, create_time=None, update_time=None))
    moment = datetime(2025, 8, 24, 1, 46, 40, 123456, tzinfo=UTC)
    assert [(said.created_at, said.updated_at) for said in record.messages] == [(moment, None), (None, None)]
    assert (record.created_at, record.updated_at) == (moment, moment)


def test_a_conversation_keeps_its_marks_and_its_metadata():
    record = read_one(
        conversation(
            {"root": node(None), "m": node("root", message())},
            conversation_id="c2",
            is_starred=True,
            is_archived=True,
            gizmo_id="g-p-1",
            voice=None,
            memory_scope="global_enabled",
            safe_urls=["https://x"],
        )
    )
    assert (record.source, record.external_id, record.title) == ("chatgpt", "c2", "A title")
    assert (record.starred, record.archived) == (True, True)
    assert record.metadata == {"gizmo_id": "g-p-1", "memory_scope": "global_enabled"}
    assert record.raw["safe_urls"] == ["https://x"]
    assert record.raw["mapping"] == {"root": node(None)}


def test_nulls_and_gaps_everywhere_are_no_fault():
    said = dict.fromkeys(message())
    record = read_one({"mapping": {"": {"message": said}, "n": {"message": "no object"}, "x": None}})
    assert (record.external_id, record.title, record.created_at, record.model) == (None, None, None, "")
    assert [(m.external_id, m.role, m.content) for m in record.messages] == [
        ("~1", "assistant", ""),
        ("n", "assistant", "no object"),
    ]


def test_a_slim_export_without_children_is_a_tree_all_the_same():
    mapping = {"b": {"parent": "a", "message": message()}, "a": {"parent": None, "message": message()}}
    assert [said.external_id for said in read_one(conversation(mapping)).messages] == ["a", "b"]


@pytest.mark.parametrize(
    ("item", "outcome", "reason", "pointer"),
    [
        ("text", "failed", "not_an_object", ""),
        ({"id": "c1", "title": "shell"}, "skipped", "no_messages", ""),
        (conversation(None), "skipped", "no_messages", ""),
        (conversation({"root": node(None)}), "skipped", "no_messages", ""),
        (conversation(["m"]), "failed", "mapping_not_an_object", "/mapping"),
        (
            conversation({"m" * (MAX_EXTERNAL_ID + 1): node(None, message())}),
            "failed",
            "external_id_too_long",
            "/mapping",
        ),
        (conversation({"m": node(None, message())}, id="c" * 999), "failed", "external_id_too_long", ""),
    ],
)
def test_a_bad_conversation_is_a_trouble(item, outcome, reason, pointer):
    trouble = read_trouble(item)
    assert (trouble.outcome, trouble.reason, trouble.pointer) == (outcome, reason, pointer)
