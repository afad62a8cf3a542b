"""Trees put in order: nothing is lost, nothing goes round in circles, and time stays linear."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.interchange.readers import chatgpt
from conversations.interchange.records import ConversationRecord, MessageRecord
from conversations.interchange.tree import distinct, faults, grown, normalised

from .exports import branch, conversation, message, node, read_one

pytestmark = pytest.mark.interchange

KEYS = st.sampled_from(["", "a", "b", "c", "d", "e", "f", "g", "h", "\0", "\ud800"])
JUNK = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(KEYS, max_size=3)
TIMES = JUNK | st.floats()


@st.composite
def messages(draw):
    said = message(
        draw(st.sampled_from(["user", "assistant", "tool", "system", "critic", None])),
        create_time=draw(TIMES),
        recipient=draw(st.sampled_from(["all", "python", None])),
    )
    for field in draw(st.sets(st.sampled_from(list(said)))):
        said[field] = draw(JUNK)
    return said


NODES = st.fixed_dictionaries(
    {},
    optional={"parent": KEYS | JUNK, "children": st.lists(KEYS | st.integers()) | JUNK, "message": messages() | JUNK},
)


@given(st.dictionaries(KEYS, NODES | JUNK), KEYS | JUNK)
def test_no_graph_loses_a_message_or_breaks_a_rule(mapping, current):
    bearing = [key for key, value in mapping.items() if isinstance(value, dict) and value.get("message") is not None]
    (found,) = chatgpt.read([conversation(mapping, current_node=current)])
    if not bearing:
        assert found.reason == "no_messages"
        return
    assert isinstance(found, ConversationRecord)
    assert faults(found) == []
    assert sorted(map(id, (said.raw for said in found.messages))) == sorted(id(mapping[key]) for key in bearing)


@given(st.lists(st.tuples(KEYS, st.none() | KEYS)), st.none() | KEYS)
def test_normalising_mends_every_record_and_is_done_after_once(links, current):
    broken = ConversationRecord(
        source="test",
        external_id="c",
        current_external_id=current,
        messages=tuple(
            MessageRecord(external_id=key, parent_external_id=parent, role="user", content=str(number))
            for number, (key, parent) in enumerate(links)
        ),
    )
    mended = normalised(broken)
    assert faults(mended) == []
    assert {said.content for said in mended.messages} == {said.content for said in broken.messages}
    assert normalised(mended) == mended


@pytest.mark.parametrize(
    ("links", "current", "fault"),
    [
        ([("", None)], "", "message 0 has no id"),
        ([("a", None), ("a", None)], "a", "message 1 repeats an id"),
        ([("b", "a"), ("a", None)], "a", "message 0 does not follow its parent"),
        ([("a", None)], None, "no current message"),
        ([("a", None)], "b", "the current message does not exist"),
        ([], "b", "the current message does not exist"),
    ],
)
def test_each_broken_rule_is_told(links, current, fault):
    said = [MessageRecord(external_id=key, parent_external_id=parent, role="user", content="") for key, parent in links]
    broken = ConversationRecord(source="t", external_id=None, current_external_id=current, messages=tuple(said))
    assert faults(broken) == [fault]
    assert faults(normalised(broken)) == []


@given(st.lists(KEYS | st.sampled_from(["a~1", "a~2", "~1"])))
def test_distinct_ids_keep_the_first_of_each(ids):
    names = distinct(ids)
    assert len(set(names)) == len(ids)
    assert "" not in names
    firsts = {original: ids.index(original) for original in ids if original}
    assert all(names[position] == original for original, position in firsts.items())


def test_siblings_stand_as_their_parent_lists_them_then_in_file_order():
    parents = {"root": None, "c": "root", "b": "root", "a": "root", "below c": "c"}
    tree = grown(parents, bearing=parents, children={"root": ["a", "gone", "b", "a"]})
    assert tree.order == ("root", "a", "b", "c", "below c")


def test_children_of_a_node_without_message_hang_on_the_nearest_that_has_one():
    mapping = {"m": node(None, message()), "gap": node("m"), "gap 2": node("gap"), "n": node("gap 2", message())}
    record = read_one(conversation(mapping, current_node="gap 2"))
    assert [said.parent_external_id for said in record.messages] == [None, "m"]
    assert record.current_external_id == "m"


@pytest.mark.parametrize(
    ("parents", "expected"),
    [
        ({"a": "a"}, {"a": None}),
        ({"a": "b", "b": "a"}, {"a": None, "b": "a"}),
        ({"tail": "b", "a": "c", "b": "a", "c": "b"}, {"tail": "b", "a": None, "b": "a", "c": "b"}),
        ({"a": "gone", "b": "a"}, {"a": None, "b": "a"}),
    ],
    ids=["its own parent", "two in a circle", "a tail on a circle", "dangling"],
)
def test_what_is_no_tree_becomes_more_roots(parents, expected):
    record = read_one(conversation({key: node(parent, message()) for key, parent in parents.items()}))
    assert {said.external_id: said.parent_external_id for said in record.messages} == expected


@pytest.mark.parametrize("current", [None, "gone", 7, "root"])
def test_without_a_usable_current_node_the_newest_leaf_is_current(current):
    mapping = {
        "root": node(None),
        "inner": node("root", message(create_time=900)),
        "older": node("inner", message(create_time=100)),
        "newer": node("inner", message(create_time=200)),
        "timeless": node("inner", message(create_time=None)),
    }
    assert read_one(conversation(mapping, current_node=current)).current_external_id == "newer"


def test_time_is_linear_in_the_length_of_a_branch():
    """LibreChat's walk took 16 s for 10,000 messages and 5 minutes for 40,000; ours quadruples, give or take."""

    def seconds(length):
        item = branch(length)
        started = time.process_time()
        record = normalised(read_one(item))
        assert record.messages[-1].external_id == record.current_external_id == f"m{length - 1}"
        return time.process_time() - started

    short = min(seconds(10_000) for _ in range(2))
    assert seconds(40_000) < 12 * short
