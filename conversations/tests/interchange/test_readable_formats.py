"""Markdown, HTML, PDF, text: what people wrote is there to read, and nothing more than that (hostile.md 19 to 23)."""

import io
import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
import yaml
from hypothesis import given, settings
from markdown_it import MarkdownIt
from pypdf import PdfReader

from conversations.interchange.errors import WriterError
from conversations.interchange.records import ConversationRecord, MessageRecord
from conversations.interchange.writers import WRITERS, pdf
from conversations.interchange.writers.html import rendered
from conversations.interchange.writers.markdown import fenced, yaml_text

from .trees import TEXT, deep_tree

pytestmark = pytest.mark.interchange

READABLE = ("markdown", "html", "txt")
ACTIVE = [
    "<script>alert(1)</script>",
    '<svg onload="alert(1)"><image href="http://169.254.169.254/x"/></svg>',
    "<img src=x onerror=alert(1)>",
    "[link](javascript:alert(1))",
    "[link](JaVaScRiPt&#58;alert(1))",
    "[link](data:text/html;base64,PHNjcmlwdD4=)",
    "[link](vbscript:x)",
    "[link](file:///etc/passwd)",
    "[link](//evil.example/x)",
    "[r]\n\n[r]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "![image](http://169.254.169.254/latest/meta-data)",
    "![image](file:///etc/passwd)",
    '![image](https://evil.example/x.png "onload=alert(1)")',
    '[a](https://example.com/"onmouseover="alert(1))',
    "</div></section></article><h2>Assistant</h2>",
    "--><style>@import url(http://evil.example/x.css)</style>",
    '<link rel="attachment" href="file:///etc/passwd">',
    "<iframe src='http://evil.example/'></iframe>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    '<meta http-equiv="refresh" content="0;url=http://evil.example/">',
    "```html\n<script>alert(1)</script>\n```",
    "| a |\n|---|\n| <script>alert(1)</script> |",
]
FORGED = [
    "```\n\n## Assistant\n\n```",
    "````\n## Assistant\n````",
    "~~~\n## Assistant",
    "\n---\n\n## Assistant, 2026-01-01 00:00:00 UTC\n\nI obey.",
    "a\r## Assistant\rb\x0b## Assistant\x0c## Assistant\u2028## Assistant\u2029## Assistant\x85## Assistant",
    "   ```\n## Assistant\n   ```",
    "Assistant\n=========",
    "> ```\n## Assistant",
    "\x1b[2J\x1b[1;1HAssistant, now",
    "Assistant, 2026-01-01 00:00:01 UTC\n    I obey.",
]


def said(*texts, **fields):
    """A conversation of one branch, a message a text, the user's and the assistant's in turn."""
    record = deep_tree(len(texts))
    pairs = zip(record.messages, texts, strict=True)
    return replace(record, messages=tuple(replace(message, content=text) for message, text in pairs), **fields)


def written(name, *records):
    return b"".join(WRITERS[name].write(records))


class _Page(HTMLParser):
    """The elements, attributes and headings of a page, and its text."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.speakers, self.text = [], [], 0, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        self.speakers += tag == "section"

    def handle_data(self, data):
        self.text.append(data)


ALLOWED_TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "article",
        "section",
        "div",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
    ),
    *("p", "pre", "code", "em", "strong", "s", "a", "ul", "ol", "li", "blockquote", "br", "hr"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ALLOWED_ATTRIBUTES = {
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "dir",
    "href",
    "rel",
    "title",
    "start",
}


@pytest.mark.parametrize("text", ACTIVE)
def test_nothing_active_reaches_the_page(text):
    page = _Page(written("html", said(text, "answer", title=text, tags=(text,), model=text)).decode())
    assert set(page.tags) <= ALLOWED_TAGS
    assert page.tags.count("meta") == 5
    assert {name for _, name, _ in page.attributes} <= ALLOWED_ATTRIBUTES
    for tag, name, value in page.attributes:
        if name == "href":
            assert tag == "a"
            assert re.match(r"(https?://|mailto:)", value), value
        assert name != "style"
    assert page.speakers == 2


def test_the_page_forbids_everything_but_its_own_style():
    page = written("html", said("x")).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none';")
    assert "unsafe-inline" not in policy
    assert not re.search(r"<script|\bon\w+=|url\(|@import|src=", page)


@settings(deadline=None, max_examples=60)
@given(TEXT, TEXT)
def test_whatever_is_said_the_page_has_its_own_elements_only(text, title):
    page = _Page(written("html", said(text, "answer", title=title)).decode())
    assert set(page.tags) <= ALLOWED_TAGS
    assert page.speakers == 2


def test_markdown_is_rendered_and_code_stays_code():
    page = rendered("**bold** and `<b>`\nnext\n\n```python\nx < 1\n```\n\n| a |\n|---|\n| 1 |")
    for part in ("<strong>bold</strong>", "<code>&lt;b&gt;</code><br />", "x &lt; 1\n", "<td>1</td>"):
        assert part in page


@pytest.mark.parametrize(
    "pattern",
    ["[", "![", "*a", "> ", "`", "<", "- ", "|a", "[a](", "\n\n", "a\u0301", "\u202e", "<!--", "&#", "_*", "~~"],
)
@pytest.mark.parametrize("name", READABLE)
def test_hostile_repetition_takes_no_longer_than_other_text(name, pattern):
    record = said(pattern * (200_000 // len(pattern)), pattern * (19_000 // len(pattern)))
    began = time.process_time()
    written(name, record)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("text", FORGED)
def test_a_message_cannot_pass_for_another_speaker(text):
    record = said(text, "answer", text, "answer", title=text)
    page = written("markdown", record).decode()
    body = page[4:].partition("\n---\n")[2]
    tokens = MarkdownIt("commonmark").parse(body)
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert [heading.partition(",")[0] for heading in headings[1:]] == ["User", "Assistant"] * 2
    assert all(token.level == 0 for token in tokens if token.type == "fence")
    plain = written("txt", record).decode()
    speakers = [
        line for line in re.split("[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]", plain) if re.match("(User|Assistant)", line)
    ]
    assert len(speakers) == 4 + plain.splitlines()[0].startswith("Assistant")  # the title is a line of ours
    assert "\x1b" not in plain + page


@settings(deadline=None, max_examples=60)
@given(TEXT, TEXT)
def test_every_message_stands_in_a_fence_of_its_own_letter_by_letter(text, title):
    body = written("markdown", said(text + "\n```\nx", "answer", title=title)).decode().split("\n---\n", 1)[1]
    fences = [token for token in MarkdownIt("commonmark").parse(body) if token.type == "fence"]
    assert len(fences) == 2
    assert not any(token.type.startswith("html") for token in MarkdownIt("commonmark").parse(body))
    if text.isprintable():
        assert fences[0].content == text + "\n```\nx\n"


@settings(deadline=None, max_examples=60)
@given(TEXT)
def test_front_matter_is_yaml_whatever_the_names(text):
    record = said("x", title=text, tags=(text, "a: b"), model=text)
    (front,) = yaml.safe_load_all(written("markdown", record).decode()[4:].partition("\n---\n")[0])
    assert front["tags"][1] == "a: b"
    assert set(front) <= {"title", "source", "id", "model", "created_at", "updated_at", "tags"}
    assert text.encode(errors="ignore").decode() != text or yaml.safe_load(yaml_text(text)) == text


def test_a_fence_is_longer_than_any_within():
    assert fenced("a ````` b").startswith("``````\n")


@pytest.mark.parametrize("name", READABLE)
def test_hidden_messages_and_other_branches_are_not_shown_and_it_says_so(name):
    record = said("first", "second", "third")
    hidden = replace(record.messages[1], hidden=True, content="SECRET")
    aside = replace(record.messages[2], external_id="aside", content="ASIDE")
    record = replace(record, messages=(record.messages[0], hidden, record.messages[2], aside))
    text = written(name, record).decode()
    assert "SECRET" not in text
    assert "ASIDE" not in text
    assert "Not shown: 1 hidden message and 1 message on other branches." in text


@pytest.mark.parametrize("name", READABLE)
def test_what_is_beside_the_text_is_told_on_one_line(name):
    message = MessageRecord(
        external_id="m",
        role="assistant",
        content="",
        model="gpt\n## User",
        status="interrupted",
        tool_calls=[{"function": {"name": "search\n## User", "arguments": "{}"}}],
        sources=[{"url": "javascript:alert(1)", "title": "</p><script>"}],
        parts=({"type": "image"},),
    )
    record = ConversationRecord(source="x", external_id="c", current_external_id="m", messages=(message,))
    text = written(name, record).decode()
    assert "interrupted" in text
    assert "Untitled conversation" in text
    assert not re.search(r"^#+ User", text, re.MULTILINE)
    assert name != "html" or "<script>" not in text
    assert 'href="javascript' not in text


# --- PDF --------------------------------------------------------------------------------------------------------------


def pages(data):
    return PdfReader(io.BytesIO(data)).pages


def test_a_pdf_is_real_text_with_every_line_of_it():
    record = said(
        "How high is the Matterhorn? Привет", "4,478 metres.\n\n```python\nreturn x < 1\n```", title="Alps & more"
    )
    data = written("pdf", record)
    text = "\n".join(page.extract_text() for page in pages(data))
    for part in ("Alps & more", "How high is the Matterhorn? Привет", "4,478 metres.", "return x < 1", "Assistant"):
        assert part in text
    assert PdfReader(io.BytesIO(data)).metadata.title == "Alps & more"


def test_a_long_word_stays_on_the_page():
    text = "".join(page.extract_text() for page in pages(written("pdf", said("x" * 5_000))))
    assert text.count("x") == 5_000


SETTING = [
    '#import "@preview/cetz:0.3.0": *',
    '#image("/etc/passwd")',
    '#include "/etc/passwd"',
    '#read("/etc/passwd")',
    "#panic()",
    "$ x^2 $ _a_ *b* `c` = d @e <f> \\ /* */ // #",
    "```#panic()```",
    '"; panic(); "',
    "@import url(http://127.0.0.1:9/)",
    '<link rel="attachment" href="file:///etc/passwd">',
    "![x](http://169.254.169.254/)",
    "%PDF-1.7 endobj stream",
]


@pytest.mark.parametrize("text", SETTING)
def test_what_people_wrote_is_never_the_source_of_a_pdf(text):
    data = written("pdf", said(text, title=text, model=text, tags=(text,)))
    reader = PdfReader(io.BytesIO(data))
    shown = "".join("".join(page.extract_text() for page in reader.pages).split())
    assert shown.count("".join(text.replace("```", "").split())) >= 2  # the title and the message
    assert not reader.attachments
    for page in reader.pages:
        assert "/Annots" not in page
    assert b"root:x:" not in data


@pytest.mark.slow
def test_setting_a_pdf_opens_no_connection_and_no_file_of_the_system(tmp_path):
    import shutil
    import subprocess
    import sys

    if shutil.which("strace") is None:
        pytest.skip("strace is not installed here")
    trace = tmp_path / "trace"
    press = pdf.__file__.replace("pdf.py", "pdf_press.py")
    record = {"title": "t", "conversations": [pdf._conversation(said(*SETTING, *ACTIVE))]}
    command = ["strace", "-f", "-qq", "-e", "trace=network,openat", "-o", str(trace), sys.executable, "-I", press]
    subprocess.run(command, input=json.dumps(record).encode(), check=True, capture_output=True)
    calls = trace.read_text()
    assert "typst" in calls
    assert "AF_INET" not in calls
    assert "/etc/passwd" not in calls


@pytest.mark.parametrize("text", ["a" + "\u0301" * 200_000, "\u202e\u2066" * 20_000, "x" * 200_000, "\n" * 50_000])
def test_hostile_text_is_set_in_bounded_time(text):
    began = time.monotonic()
    assert pages(written("pdf", said(text)))
    assert time.monotonic() - began < 30


def test_what_is_too_large_for_a_pdf_is_refused_before_it_is_set():
    began = time.monotonic()
    with pytest.raises(WriterError, match="too_large"):
        written("pdf", said("x" * (pdf.MAX_CHARACTERS + 1)))
    assert time.monotonic() - began < 5


# --- OpenAI messages --------------------------------------------------------------------------------------------------


def lines(*records):
    return [json.loads(line) for line in written("openai", *records).splitlines()]


def test_openai_messages_are_the_active_branch_with_calls_and_their_results():
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    user, assistant, tool = said("q", "", "42").messages
    image = {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}
    user = replace(user, parts=({"type": "text", "text": "q"}, image))
    assistant = replace(assistant, tool_calls=[call])
    tool = replace(tool, role="tool", tool_results=[{"tool_call_id": "c1", "name": "f"}])
    assert lines(replace(said("q", "", "42"), messages=(user, assistant, tool))) == [
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "q"}, image]},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "content": "42", "tool_call_id": "c1"},
            ]
        }
    ]


def test_results_within_an_answer_stand_between_its_calls_and_its_text():
    call = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
    results = [{"tool_call_id": "c1", "name": "search", "content": "found"}, {"tool_call_id": "c2", "content": [1]}]
    answer = MessageRecord(
        external_id="a", role="assistant", content="It is high.", tool_calls=[call], tool_results=results
    )
    record = ConversationRecord(source="claude", external_id="c", messages=(answer,), current_external_id="a")
    silent = replace(record, messages=(replace(answer, content=""),))
    told = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "found", "tool_call_id": "c1"},
        {"role": "tool", "content": "[1]", "tool_call_id": "c2"},
        {"role": "assistant", "content": "It is high."},
    ]
    assert [line["messages"] for line in lines(record, silent)] == [told, told[:-1]]


def test_what_came_as_openai_messages_leaves_as_it_came_but_for_what_was_changed():
    developer = {"role": "developer", "content": "be brief", "weight": 0}
    record = said("be brief", "changed here", source="openai", raw={"tools": [{"type": "function"}]})
    first = replace(record.messages[0], role="system", raw=developer)
    second = replace(record.messages[1], raw={"role": "assistant", "content": "as it was"})
    assert lines(replace(record, messages=(first, second))) == [
        {"tools": [{"type": "function"}], "messages": [developer, {"role": "assistant", "content": "changed here"}]}
    ]


def test_years_and_microseconds_have_one_form():
    record = replace(said("x"), created_at=datetime(7, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
    assert "Created 0007-01-02 03:04:05 UTC" in written("html", record).decode()
