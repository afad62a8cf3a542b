"""Gemini in Takeout's JSON: an entry a prompt, put together by the address where there is one."""

import json
from datetime import UTC, datetime

import pytest

from conversations.interchange.files import read_files
from conversations.interchange.htmltext import text_of_html
from conversations.interchange.readers import gemini_takeout
from conversations.interchange.records import ConversationRecord

from .exports import zipped

pytestmark = pytest.mark.interchange


def entry(title="Prompted q", time="2026-05-10T12:00:00.000Z", app=None, answer=None, **fields):
    item = {"header": "Gemini Apps", "title": title, "time": time, "products": ["Gemini Apps"]}
    if app:
        item["titleUrl"] = f"https://gemini.google.com/app/{app}"
    if answer:
        item["safeHtmlItem"] = [{"html": answer}]
    return item | fields


def read(*entries):
    return list(gemini_takeout.read(entries))


def test_entries_of_one_address_are_one_conversation_oldest_first():
    later = entry("Prompted b", "2026-05-10T12:01:00Z", "x1", "<p>B</p>")
    other = entry("Prompted c", "2026-05-10T12:00:30Z", "x2")
    first = entry("Prompted a", "2026-05-10T12:00:00.123Z", "x1", "<p>A</p>")
    one, two = read(later, other, first)
    assert [(said.role, said.content) for said in one.messages] == [
        ("user", "a"),
        ("assistant", "A"),
        ("user", "b"),
        ("assistant", "B"),
    ]
    assert (one.external_id, one.metadata, two.external_id) == ("x1", {}, "x2")
    assert one.current_external_id == one.messages[-1].external_id
    assert one.messages[0].created_at == datetime(2026, 5, 10, 12, 0, 0, 123000, tzinfo=UTC)
    assert one.messages[1].created_at is None  # the entry has one time, and it is the prompt's


def test_an_entry_without_address_is_a_conversation_of_its_own_and_says_so():
    one, two = read(entry("Prompted a"), entry("Prompted b"))
    assert [(record.external_id, record.metadata) for record in (one, two)] == [(None, {"inferred_thread": True})] * 2


@pytest.mark.parametrize(
    ("title", "prompt"),
    [
        ("Prompted How tall?", "How tall?"),
        ("Prompted\xa0How tall?", "How tall?"),
        ("Eingegebener Prompt: Wie geht's?", "Wie geht's?"),
        ("Prompted 2 lines\nand more", "2 lines\nand more"),
        ("Ohjattu: kuinka korkea", "Ohjattu: kuinka korkea"),
        ("Ohjattu: kuinka\xa0korkea", "Ohjattu: kuinka\xa0korkea"),
    ],
)
def test_the_verb_is_taken_off_where_it_is_known_and_the_prompt_is_never_cut(title, prompt):
    (record,) = read(entry(title))
    assert record.messages[0].content == prompt


def test_a_prompt_in_a_language_we_do_not_know_and_without_answer_is_kept():
    (record,) = read(entry("Ohjattu: Mikä on Gemini?", app="x"))
    assert isinstance(record, ConversationRecord)


@pytest.mark.parametrize(
    ("item", "outcome", "reason"),
    [
        (entry("Used Gemini Apps"), "skipped", "no_messages"),
        (entry(""), "skipped", "no_messages"),
        (entry("Searched for cats", header="Search", products=["Search"]), "skipped", "not_gemini"),
        ("text", "failed", "not_an_object"),
    ],
)
def test_what_is_no_chat_is_said(item, outcome, reason):
    (trouble,) = read(item)
    assert (trouble.outcome, trouble.reason, trouble.index) == (outcome, reason, 0)


def test_products_are_recognised_in_other_languages_and_under_the_old_name():
    assert (
        len(read(entry(header="Gemini-Apps", products=["Gemini-Apps"]), entry(header="Bard", products=["Bard"]))) == 2
    )


def test_the_answer_is_text_with_its_markup_beside_it():
    (record,) = read(entry(answer="<p>It is <b>2,469&nbsp;m</b> &amp; rising.</p><ul><li>Norway</li></ul>"))
    answer = record.messages[1]
    assert answer.content == "It is 2,469\xa0m & rising.\n\n- Norway"
    assert answer.parts[0]["html"].startswith("<p>It is <b>")


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>a</p><p>b</p>", "a\n\nb"),
        ("a<br>b<br/><br>c", "a\nb\n\nc"),
        ("<ul><li>x</li><li><p>y</p></li></ul>", "- x\n- y"),
        ("<pre>  if x:\n    y\n</pre>", "  if x:\n    y\n"),
        ("<p>a <b> b </b> c</p>\n", "a b c"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1\t2\n3"),
        ("x<script>alert(1)</script>y", "xy"),
        ("1 < 2 &lt; 3", "1 < 2 < 3"),
        ("<<<a<b <", "<<<a<b <"),
        ("", ""),
    ],
)
def test_markup_becomes_the_text_a_reader_sees(markup, text):
    assert text_of_html(markup) == text


@pytest.mark.parametrize("hostile", ["<a" * 200_000, "<!--" * 100_000, "<" * 400_000, "&" * 400_000, "<p>" * 100_000])
def test_hostile_markup_takes_linear_time(hostile):
    text_of_html(hostile)  # a square of this would be minutes


def test_files_are_found_beside_the_activity(tmp_path):
    item = entry(
        subtitles=[{"name": "Attached 1 file."}, {"name": "-  a.png", "url": "a.png"}],
        imageFile="a.png",
        answer="<p>x</p>",
    )
    path = zipped(
        tmp_path / "t.zip",
        [("Takeout/G/MyActivity.json", json.dumps([item]).encode()), ("Takeout/G/a.png", b"png")],
    )
    reading = read_files([path])
    (file,) = next(reading).messages[0].attachments
    assert (file.external_id, file.name, file.size, file.opened().read(9)) == ("a.png", "a.png", 3, b"png")


def test_what_waits_for_its_conversation_is_bounded(monkeypatch):
    monkeypatch.setattr(gemini_takeout, "HELD_CHARACTERS", 20)
    found = read(*(entry(f"Prompted {n}", f"2026-05-10T12:00:0{n}Z", "x") for n in range(6)))
    assert [record.external_id for record in found] == ["x"] * len(found)
    assert len(found) > 1
    assert sum(len(record.messages) for record in found) == 6


def test_the_same_prompt_has_the_same_id_in_every_export():
    first = read(entry("Prompted a", "2026-05-10T12:00:00.999Z", "x"))[0]
    second = read(entry("Prompted b", "2026-05-11T12:00:00Z", "x"), entry("Prompted a", "2026-05-10T12:00:00Z", "x"))[0]
    assert first.messages[0].external_id == second.messages[0].external_id
