"""AI Studio's prompts: one message a chunk, in a line, with inline files."""

import json

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import aistudio
from conversations.interchange.records import ConversationRecord, Trouble

from .exports import zipped

pytestmark = pytest.mark.interchange


def prompt(*chunks, **fields):
    return {"chunkedPrompt": {"chunks": list(chunks), "pendingInputs": [{"text": "draft"}]}} | fields


def read_one(item):
    (found,) = aistudio.read([item])
    assert isinstance(found, ConversationRecord), found
    return found


def read_chunks(*chunks, **fields):
    return read_one(prompt(*chunks, **fields)).messages


def test_a_thought_and_its_answer_are_two_messages_of_the_model():
    thought, answer = read_chunks(
        {"role": "model", "isThought": True, "text": "hm"},
        {"role": "model", "text": "so", "tokenCount": 3},
        runSettings={"model": "models/gemini-2.5-pro"},
    )
    assert [(said.role, said.content, said.model) for said in (thought, answer)] == [
        ("assistant", "hm", "gemini-2.5-pro"),
        ("assistant", "so", "gemini-2.5-pro"),
    ]
    assert (thought.metadata, answer.tokens_out, answer.parent_external_id) == ({"isThought": True}, 3, "0")


def test_parts_that_repeat_the_text_are_not_kept_twice_and_others_are():
    same, more, alone = read_chunks(
        {"role": "user", "text": "a", "parts": [{"text": "a"}]},
        {"role": "model", "text": "b", "parts": [{"text": "hm", "thought": True}, {"text": "b"}]},
        {"role": "user", "parts": [{"text": "only here"}]},
    )
    assert (same.parts, more.parts) == ((), ({"text": "hm", "thought": True}, {"text": "b"}))
    assert (alone.content, alone.parts) == ("", ({"text": "only here"},))


def test_branch_links_name_other_prompts_and_the_chunks_stay_a_line():
    record = read_one(
        prompt(
            {"id": "u", "role": "user", "text": "q"},
            {"id": "a", "role": "model", "text": "1", "branchParent": {"id": "u"}, "branchChildren": [{"id": "b"}]},
            {"id": "b", "role": "model", "text": "2", "branchParent": {"id": "u"}},
        )
    )
    assert [said.parent_external_id for said in record.messages] == [None, "u", "a"]
    assert record.messages[1].metadata == {"branchParent": {"id": "u"}, "branchChildren": [{"id": "b"}]}


def test_code_and_its_result_are_a_call_and_its_answer_in_one_chunk_or_two():
    code, result = {"language": "python", "code": "1+1"}, {"outcome": "OUTCOME_OK", "output": "2"}
    for chunks in (
        [{"role": "model", "executableCode": code, "codeExecutionResult": result}],
        [{"role": "model", "executableCode": code}, {"role": "model", "codeExecutionResult": result}],
    ):
        messages = read_chunks(*chunks)
        (call,) = messages[0].tool_calls
        assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("code_execution", code)
        assert messages[-1].tool_results == [{"tool_call_id": call["id"], "name": "code_execution", "content": result}]
        assert messages[0].parts[0] == {"executableCode": code}
    (orphan,) = read_chunks({"role": "model", "codeExecutionResult": result})
    assert (orphan.tool_results, orphan.parts) == (None, ({"codeExecutionResult": result},))


def test_inline_files_have_their_bytes_and_files_in_drive_have_none():
    inline, drive, broken = read_chunks(
        {"role": "user", "inlineFile": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        {"role": "user", "text": "x", "driveDocument": {"id": "d", "name": "s.pdf", "sizeBytes": "2048"}},
        {"role": "user", "inlineImage": {"mimeType": "image/png", "data": "no base64!"}},
    )
    (file,) = inline.attachments
    assert (file.media_type, file.size, file.opened().read(99)[1:4]) == ("image/png", 8, b"PNG")
    assert inline.raw["inlineFile"]["data"] == "iVBORw0KGgo="
    (document,) = drive.attachments
    assert (document.external_id, document.name, document.size, document.opened) == ("d", "s.pdf", 2048, None)
    assert [file.opened for file in broken.attachments] == [None]


def test_grounding_gives_sources_in_both_notations():
    (said,) = read_chunks(
        {
            "role": "model",
            "text": "x",
            "grounding": {
                "groundingSources": [{"uri": "https://a", "title": "A", "footnoteNumber": 1}],
                "groundingChunks": [{"web": {"uri": "https://b"}}, None],
            },
        }
    )
    assert said.sources == [
        {"type": "webpage", "title": "A", "url": "https://a", "number": 1},
        {"type": "webpage", "url": "https://b"},
    ]


def test_errors_unknown_roles_and_settings_are_kept():
    record = read_one(
        prompt(
            {"role": "model", "text": "cut", "errorMessage": "Stream interrupted"},
            {"role": "narrator", "text": "x"},
            systemInstruction={"parts": [{"text": "Be brief."}]},
            runSettings={"model": "models/m", "temperature": 1, "safetySettings": []},
        )
    )
    cut, narrator = record.messages
    assert (cut.status, cut.metadata["errorMessage"]) == ("failed", "Stream interrupted")
    assert (narrator.role, narrator.metadata) == ("assistant", {"author_role": "narrator"})
    assert record.metadata == {
        "system_instruction": "Be brief.",
        "run_settings": {"model": "models/m", "temperature": 1},
    }
    assert record.raw["chunkedPrompt"] == {"pendingInputs": [{"text": "draft"}]}


def test_a_prompt_without_title_has_its_files_name_where_that_is_the_persons(tmp_path):
    data = json.dumps(prompt({"role": "user", "text": "q"})).encode()
    (tmp_path / "tmpabc123").write_bytes(data)
    assert next(read_files([tmp_path / "tmpabc123"])).title is None
    path = zipped(tmp_path / "t.zip", [("Takeout/Drive/Google AI Studio/Plan for v1.2", data)])
    assert next(read_files([path])).title == "Plan for v1.2"


@pytest.mark.parametrize(
    ("item", "outcome", "reason", "pointer"),
    [
        (prompt(), "skipped", "no_messages", ""),
        ({"chunkedPrompt": {"chunks": {}}}, "failed", "chunks_not_a_list", "/chunkedPrompt/chunks"),
        (prompt({"role": "user"}, 7), "failed", "not_an_object", "/chunkedPrompt/chunks/1"),
        (None, "failed", "not_an_object", ""),
    ],
)
def test_a_bad_prompt_is_a_trouble(item, outcome, reason, pointer):
    (trouble,) = aistudio.read([item])
    assert isinstance(trouble, Trouble)
    assert (trouble.outcome, trouble.reason, trouble.pointer) == (outcome, reason, pointer)
