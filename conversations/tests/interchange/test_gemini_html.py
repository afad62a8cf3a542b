"""MyActivity.html: the same conversations as MyActivity.json gives, from a page read piece by piece."""

import io
import json
from datetime import UTC, datetime

import pytest

from conversations.interchange import htmlitems
from conversations.interchange.activitytimes import activity_time, looks_like_time
from conversations.interchange.errors import MalformedSource
from conversations.interchange.files import read_files, total_bytes
from conversations.interchange.htmlitems import HtmlItems
from conversations.interchange.records import ConversationRecord

from .exports import branch, zipped

pytestmark = pytest.mark.interchange

CELL = (
    '<div class="outer-cell mdl-cell mdl-cell--12-col mdl-shadow--2dp"><div class="mdl-grid">'
    '<div class="header-cell mdl-cell mdl-cell--12-col"><p class="mdl-typography--title">{header}<br></p></div>'
    '<div class="content-cell mdl-cell mdl-cell--6-col mdl-typography--body-1">{activity}</div>'
    '<div class="content-cell mdl-cell mdl-cell--6-col mdl-typography--body-1 mdl-typography--text-right"></div>'
    '<div class="content-cell mdl-cell mdl-cell--12-col mdl-typography--caption"><b>Products:</b><br>&emsp;{header}<br>'
    "<b>Why is this here?</b><br>&emsp;This activity was saved.</div></div></div>"
)
STYLE = "<style>" + ".mdl-grid{color:red}" * 5000 + "</style>"


def page(*activities, header="Gemini Apps"):
    cells = "".join(CELL.format(header=header, activity=activity) for activity in activities)
    return (
        f'<html><head><title>My Activity</title>{STYLE}</head><body><div class="mdl-grid">{cells}</div></body></html>'
    )


def items(*activities, **fields):
    return list(HtmlItems(io.BytesIO(page(*activities, **fields).encode())))


def test_a_cell_is_the_item_that_json_has():
    activity = (
        'Prompted\xa0<a href="https://gemini.google.com/app/x1">How tall is <b>it</b> &amp; why?</a><br>'
        "Apr 12, 2026, 3:34:31\u202fPM EDT<br><p>It is <b>tall</b> &amp; 1 &lt; 2.</p><div><ul><li>x</li></ul></div>"
    )
    assert items(activity) == [
        {
            "header": "Gemini Apps",
            "title": "Prompted\xa0How tall is it & why?",
            "titleUrl": "https://gemini.google.com/app/x1",
            "products": ["Gemini Apps"],
            "timeText": "Apr 12, 2026, 3:34:31\u202fPM EDT",
            "time": "2026-04-12T19:34:31Z",
            "safeHtmlItem": [{"html": "<p>It is <b>tall</b> &amp; 1 &lt; 2.</p><div><ul><li>x</li></ul></div>"}],
        }
    ]


def test_lines_of_the_prompt_and_names_of_files_stand_before_the_time():
    activity = (
        "Prompted\xa0one<br><br>two<br>Attached 2 files.<br>"
        "-\xa0 <a href='a.png'>a.png</a><br>- <a href='b.pdf'>b.pdf</a>"
        "<br>12.04.2026, 15:34:31 MESZ<p>answer</p>"
    )
    (item,) = items(activity)
    assert item["title"] == "Prompted\xa0one\n\ntwo"
    assert item["subtitles"] == [
        {"name": "Attached 2 files."},
        {"name": "-\xa0 a.png", "url": "a.png"},
        {"name": "- b.pdf", "url": "b.pdf"},
    ]
    assert (item["time"], item["safeHtmlItem"]) == ("2026-04-12T13:34:31Z", [{"html": "<p>answer</p>"}])


def test_a_time_that_is_not_certain_is_kept_as_it_stands():
    (item,) = items("Prompted\xa0q<br>04/12/2026, 15:34:31 CST<br><p>a</p>")
    assert "time" not in item
    assert (item["timeText"], item["safeHtmlItem"]) == ("04/12/2026, 15:34:31 CST", [{"html": "<p>a</p>"}])


def test_a_prompt_that_speaks_of_times_is_not_cut_there():
    (item,) = items(
        "Prompted\xa0was it 12:00:00 in 1999?<br>at 10:00:00, 2001, or<br>Apr 12, 2026, 3:34:31 PM UTC<p>a</p>"
    )
    assert item["title"] == "Prompted\xa0was it 12:00:00 in 1999?\nat 10:00:00, 2001, or"
    assert item["time"] == "2026-04-12T15:34:31Z"


def test_an_answer_may_hold_what_looks_like_a_time_or_a_cell():
    (item,) = items("Prompted\xa0q<br>Apr 12, 2026, 3:34:31 PM UTC<p>Jul 20, 1969, 8:17:40 PM UTC<br>landed</p>")
    assert item["safeHtmlItem"] == [{"html": "<p>Jul 20, 1969, 8:17:40 PM UTC<br>landed</p>"}]


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_where_the_stream_is_cut_changes_nothing(monkeypatch, piece):
    activities = ("Prompted\xa0ä &amp; €<br>Apr 12, 2026, 3:34:31 PM UTC<p>x &euro;</p>", "Used Gemini Apps<br>")
    monkeypatch.setattr(f"{__name__}.STYLE", "")
    whole = items(*activities)
    monkeypatch.setattr(htmlitems, "_PIECE", piece)
    assert items(*activities) == whole


@pytest.mark.parametrize("in_archive", [True, False])
def test_a_page_is_read_in_an_archive_and_alone_and_its_conversations_are_put_together(tmp_path, in_archive):
    link = '<a href="https://gemini.google.com/app/x1">{}</a>'
    data = page(
        f"Prompted\xa0{link.format('b')}<br>Apr 12, 2026, 3:35:00 PM UTC<p>B</p>",
        f"Prompted\xa0{link.format('a')}<br>Apr 12, 2026, 3:34:00 PM UTC<p>A</p>",
        "Used Gemini Apps<br>Apr 12, 2026, 3:33:00 PM UTC",
    ).encode()
    path = tmp_path / "export"
    if in_archive:
        zipped(path, [("Takeout/Meine Aktivitäten/Gemini-Apps/MeineAktivitäten.html", data)])
    else:
        path.write_bytes(data)
    told = []
    trouble, record = read_files([path], on_bytes=told.append)
    assert (trouble.reason, trouble.pointer) == ("no_messages", "/2")
    assert [said.content for said in record.messages] == ["a", "A", "b", "B"]
    assert record.messages[0].created_at == datetime(2026, 4, 12, 15, 34, tzinfo=UTC)
    assert sum(told) == total_bytes([path]) == len(data)


def test_another_products_page_is_said_and_another_page_is_not_read(tmp_path):
    search = page("Searched for\xa0cats<br>Apr 12, 2026, 3:34:31 PM UTC", header="Search").encode()
    chat = b"<html><body><script>var jsonData = []</script></body></html>"
    path = zipped(
        tmp_path / "a.zip", [("s.html", search), ("chat.html", chat), ("c.json", json.dumps([branch(1)]).encode())]
    )
    trouble, record = read_files([path])
    assert (trouble.outcome, trouble.reason) == ("skipped", "not_gemini")
    assert isinstance(record, ConversationRecord)


def test_damage_loses_no_whole_cell():
    text = page(
        "Prompted\xa0a<br>Apr 12, 2026, 3:34:31 PM UTC<p>A</p>", "Prompted\xa0b<br>Apr 12, 2026, 3:34:31 PM UTC<p>B"
    )
    cut = text[: text.index("<p>B")]
    assert [item["title"] for item in HtmlItems(io.BytesIO(cut.encode()))] == ["Prompted\xa0a", "Prompted\xa0b"]
    unclosed = text.replace("</div></div></div>", "")
    assert len(list(HtmlItems(io.BytesIO(unclosed.encode())))) == 2


def test_what_is_no_utf8_or_beyond_all_measure_is_refused(monkeypatch):
    with pytest.raises(MalformedSource, match="not_utf8"):
        list(HtmlItems(io.BytesIO(page("Prompted\xa0ä").encode("latin-1"))))
    monkeypatch.setattr(htmlitems, "MAX_UNPARSED_CHARACTERS", 1 << 17)
    with pytest.raises(MalformedSource, match="item_too_large"):
        list(HtmlItems(io.BytesIO(b"<html><!--" + b"x" * (1 << 20))))
    monkeypatch.setattr(htmlitems, "MAX_CELL_CHARACTERS", 1 << 17)
    with pytest.raises(MalformedSource, match="item_too_large"):
        items("x" * (1 << 20))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Apr 12, 2026, 3:34:31\u202fPM EDT", "2026-04-12T19:34:31"),
        ("Apr 12, 2026, 12:00:00 AM PST", "2026-04-12T08:00:00"),
        ("12.04.2026, 15:34:31 MESZ", "2026-04-12T13:34:31"),
        ("5. März 2026, 09:00:00 MEZ", "2026-03-05T08:00:00"),
        ("24 Feb 2026, 12:39:02 GMT", "2026-02-24T12:39:02"),
        ("15 jun 2026, 20:30:41 CEST", "2026-06-15T18:30:41"),
        ("12 de abr. de 2026, 15:34:31 BRT", "2026-04-12T18:34:31"),
        ("12 avr. 2026, 15:34:31 CEST", "2026-04-12T13:34:31"),
        ("2026/04/12 15:34:31 JST", "2026-04-12T06:34:31"),
        ("12 Apr 2026, 15:34:31 GMT+05:30", "2026-04-12T10:04:31"),
        ("12 Apr 2026, 15:34:31 GMT-3", "2026-04-12T18:34:31"),
        ("Apr 12, 2026, 3:34:31 PM CST", None),
        ("04/12/2026, 15:34:31 UTC", None),
        ("Apr 12, 2026, 13:34:31 PM UTC", None),
        ("Feb 30, 2026, 3:34:31 PM UTC", None),
        ("Foo 12, 2026, 3:34:31 PM UTC", None),
        ("Apr 12, 2026, 3:34:31 PM", None),
        ("12 huhtik. 2026 klo 15.34.31 EEST", None),
        ("Jan 1, 0001, 1:00:00 AM GMT+14", None),
    ],
)
def test_only_times_that_cannot_mean_anything_else_are_taken(text, moment):
    assert looks_like_time(text)
    expected = None if moment is None else datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert activity_time(text) == expected
