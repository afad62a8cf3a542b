"""OpenAssistant's trees, nested and flat."""

import json

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.readers import oasst

from .exports import links, one_record, records_of, said, troubles_of

pytestmark = pytest.mark.interchange


def reply(name, role="assistant", *replies, **fields):
    return {"message_id": name, "text": f"text {name}", "role": role, "replies": list(replies)} | fields


def tree(prompt, **fields):
    return {"message_tree_id": "t", "tree_state": "ready_for_export", "prompt": prompt} | fields


def flat(name, parent=None, role="prompter"):
    return {"user_message_id": name, "parent_message_id": parent, "text": name, "role": role}


def test_a_tree_keeps_all_its_branches_and_shows_the_best_ranked():
    best = reply("b", "assistant", reply("d", "prompter"), rank=0, lang="en", model_name="m")
    record = one_record(oasst, tree(reply("a", "prompter", reply("c", rank=1), best)))
    assert links(record) == {"a": None, "c": "a", "b": "a", "d": "b"}
    assert (record.external_id, record.current_external_id) == ("t", "d")
    assert (record.messages[2].language, record.messages[2].model) == ("en", "m")
    assert record.raw == {"message_tree_id": "t", "tree_state": "ready_for_export"}
    assert "replies" not in record.messages[0].raw


def test_without_ranks_the_first_branch_is_shown():
    record = one_record(oasst, tree(reply("a", "prompter", reply("b"), reply("c"))))
    assert record.current_external_id == "b"


def test_flat_messages_are_grouped_wherever_they_stand():
    first, second = records_of(
        oasst, [flat("a2", "a1", "assistant"), flat("b1"), flat("a1"), flat("b2", "b1", "assistant")]
    )
    assert {first.external_id: len(first.messages), second.external_id: len(second.messages)} == {"a1": 2, "b1": 2}


def test_a_message_whose_parent_is_missing_is_a_root_and_cycles_are_cut():
    records = records_of(oasst, [flat("a", "gone"), flat("b", "c"), flat("c", "b")])
    assert sorted(len(record.messages) for record in records) == [1, 2]


def test_a_deep_tree_is_walked_without_recursion():
    deep = reply("m0")
    for number in range(1, 5000):
        deep = reply(f"m{number}", "prompter", deep)
    assert len(one_record(oasst, tree(deep)).messages) == 5000


def test_trees_come_as_json_lines(tmp_path):
    (tmp_path / "a").write_text(
        "\n".join(json.dumps(tree(reply("a", "prompter"), message_tree_id=name)) for name in "xy")
    )
    assert [(record.source, record.external_id) for record in read_files([tmp_path / "a"])] == [
        ("oasst", "x"),
        ("oasst", "y"),
    ]


def test_bad_items_are_told():
    items = [tree(reply("a")), 7, tree(None), tree(reply("x" * 300))]
    assert troubles_of(oasst, items) == [
        (1, "failed", "not_an_object", ""),
        (2, "skipped", "no_messages", ""),
        (3, "failed", "external_id_too_long", ""),
    ]
    assert troubles_of(oasst, [flat("a"), 7]) == [(1, "failed", "not_an_object", "")]
    assert said(one_record(oasst, flat("a"))) == [("user", "a")]
