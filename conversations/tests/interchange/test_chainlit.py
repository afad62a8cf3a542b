"""Chainlit's threads: which steps are messages."""

import pytest

from conversations.interchange.readers import chainlit

from .exports import links, one_record, said, troubles_of

pytestmark = pytest.mark.interchange


def step(identity, kind, output="", **fields):
    return {"id": identity, "type": kind, "output": output, "createdAt": "2026-01-01T00:00:00Z"} | fields


def thread(*steps, **fields):
    return {"id": "t", "createdAt": "2026-01-01T00:00:00Z", "name": "N", "steps": list(steps)} | fields


STEPS = (
    step("1", "user_message", "q"),
    step("2", "run", parentId="1"),
    step("3", "tool", "[1]", name="search", input='{"q": 1}', parentId="2"),
    step("4", "llm", "raw", parentId="2"),
    step("5", "assistant_message", "a", parentId="2", isError=True),
)


def test_messages_and_tools_are_messages_one_after_another_and_runs_stay_in_raw():
    record = one_record(chainlit, thread(*STEPS, tags=["x"]))
    assert said(record) == [("user", "q"), ("tool", "[1]"), ("assistant", "a")]
    assert links(record) == {"1": None, "3": "1", "5": "3"}
    assert [kept["id"] for kept in record.raw["steps"]] == ["2", "4"]
    assert (record.title, record.tags, record.messages[2].status) == ("N", ("x",), "failed")


def test_a_tools_step_is_its_call_and_its_result():
    message = one_record(chainlit, thread(*STEPS)).messages[1]
    assert message.tool_calls[0]["function"] == {"name": "search", "arguments": '{"q": 1}'}
    assert message.tool_calls[0]["id"] == message.tool_results[0]["tool_call_id"] == "3"


def test_elements_belong_to_their_messages():
    element = {"id": "e", "forId": "1", "name": "a.png", "mime": "image/png", "url": "https://x/a.png"}
    (file,) = one_record(chainlit, thread(*STEPS, elements=[element])).messages[0].attachments
    assert (file.external_id, file.name, file.media_type, file.opened, file.raw) == (
        "e",
        "a.png",
        "image/png",
        None,
        element,
    )


def test_bad_threads_are_told():
    assert troubles_of(chainlit, [thread(*STEPS), thread(STEPS[1]), thread() | {"steps": 7}, 7]) == [
        (1, "skipped", "no_messages", ""),
        (2, "failed", "steps_not_a_list", "/steps"),
        (3, "failed", "not_an_object", ""),
    ]
