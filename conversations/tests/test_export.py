"""One conversation as a download: what is in it, what its headers say, and who does not get it."""

import json
import re
from urllib.parse import unquote

import pytest

from conversations.api.downloads import MAX_NAME_BYTES, content_disposition, file_name
from conversations.interchange.readers import chatstore
from conversations.interchange.writers import WRITERS, pdf

LIST = "/api/v1/conversations"
FORMATS = ["jsonl", "json", "markdown", "html", "pdf", "txt", "openai"]
MEDIA = {
    "jsonl": "application/jsonl",
    "json": "application/json",
    "markdown": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "txt": "text/plain; charset=utf-8",
    "openai": "application/jsonl",
}


def content(answer):
    assert answer.status_code == 200, answer.content
    return b"".join(answer.streaming_content)


def name_of(answer):
    """The file's name as a browser reads it: filename* before filename."""
    header = answer.headers["Content-Disposition"]
    if extended := re.search(r"filename\*=UTF-8''([^;]+)$", header):
        return unquote(extended[1])
    return re.search(r'filename="([^"]*)"$', header)[1]


def test_every_format_of_the_contract_is_offered():
    assert set(FORMATS) <= set(WRITERS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_conversation_comes_in_each_format_with_inert_headers(owner, url, name):
    answer = owner.get(f"{url}/export?format={name}", headers={"Accept": "text/html,application/pdf"})
    body = content(answer)
    assert answer.headers["Content-Type"] == MEDIA[name]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Content-Disposition"].startswith("attachment; ")
    assert name_of(answer) == f"How high is the Matterhorn.{WRITERS[name].EXTENSION}"
    assert body.startswith(b"%PDF-") if name == "pdf" else b"How high is the Matterhorn?" in body


def test_without_a_format_it_is_our_own_which_loses_nothing(owner, url, messages_url):
    (record,) = chatstore.read([json.loads(content(owner.get(f"{url}/export")))])
    shown = owner.get(f"{messages_url}?branch=all&include_hidden=true").json()["results"]
    assert [said.external_id for said in record.messages] == [message["id"] for message in shown]
    assert record.messages[1].tokens_used == 12


@pytest.mark.parametrize("name", ["docx", "", "JSONL", "jsonl\0", "../jsonl", "json,pdf"])
def test_another_format_is_422(owner, url, name):
    answer = owner.get(f"{url}/export", {"format": name})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == "/format"


def test_nobody_else_gets_it_and_what_is_not_there_is_404(owner, stranger, outsider, url):
    for name in FORMATS:
        path = f"{url}/export?format={name}"
        assert (outsider.get(path).status_code, stranger.get(path).json()["code"]) == (401, "conversation_forbidden")
    owner.delete(url)
    assert owner.get(f"{url}/export").json()["code"] == "conversation_in_trash"
    owner.delete(f"{url}?permanent=true")
    assert owner.get(f"{url}/export").json()["code"] == "conversation_not_found"


def test_what_has_not_changed_is_not_sent_again(owner, url):
    tags = {name: owner.get(f"{url}/export?format={name}").headers["ETag"] for name in FORMATS}
    assert len(set(tags.values())) == len(FORMATS)
    assert all(not tag.startswith("W/") for tag in tags.values())
    path, headers = f"{url}/export?format=markdown", {"If-None-Match": tags["markdown"]}
    assert owner.get(path, headers=headers).status_code == 304
    owner.post(f"{url}/messages", {"role": "user", "content": "more"}, format="json")
    assert b"more" in content(owner.get(path, headers=headers))


def test_a_session_that_ended_gets_nothing(owner, url):
    assert owner.get(f"{url}/export").status_code == 200
    owner.post("/api/v1/auth/logout-all")
    assert owner.get(f"{url}/export").status_code == 401
    assert owner.get(f"{url}/export?format=docx").status_code == 401


def test_nul_and_lone_surrogates_leave_as_they_came_in(owner, url):
    text = "nul \0 half \ud83d mark \ufdd0 \u202e end"
    owner.post(f"{url}/messages", json.dumps({"role": "user", "content": text}), content_type="application/json")
    assert json.loads(content(owner.get(f"{url}/export")))["messages"][-1]["content"] == text
    assert json.loads(content(owner.get(f"{url}/export?format=openai")))["messages"][-1]["content"] == text
    for name in FORMATS:
        assert content(owner.get(f"{url}/export?format={name}"))


def test_what_is_too_large_for_a_pdf_is_a_problem_and_not_half_a_file(owner, url, monkeypatch):
    monkeypatch.setattr(pdf, "MAX_CHARACTERS", 100)
    answer = owner.get(f"{url}/export?format=pdf")
    assert (answer.status_code, answer.json()["code"]) == (422, "export_too_large")
    assert content(owner.get(f"{url}/export?format=html"))


# --- names (hostile.md 22) --------------------------------------------------------------------------------------------

TITLES = [
    "plain",
    "two\r\nSet-Cookie: x=1",
    'quotes " and \\ and ; filename="evil.exe"',
    "../../etc/passwd",
    "C:\\Windows\\system32",
    "\u202egnp.exe",
    "a\u200bb\ufeffc",
    "Ä é ß 日本語 🏔️ שלום",
    "x" * 300,
    "山" * 300,
    "nul\0 and half \ud800",
    "CON",
    "com1.txt",
    "...",
    " ",
    "-rf",
    "%0d%0a%2e%2e",
    "$(id) `id`",
    "日本語",
    "|<>:*?",
]


@pytest.mark.parametrize("title", TITLES, ids=lambda title: ascii(title)[:30])
def test_a_download_has_a_safe_name_whatever_the_title(owner, url, title):
    assert owner.patch(url, json.dumps({"title": title}), content_type="application/json").status_code == 200
    answer = owner.get(f"{url}/export?format=txt")
    header, name = answer.headers["Content-Disposition"], name_of(answer)
    assert header.isascii()
    assert header.isprintable()
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9 ._()-]+"(; filename\*=UTF-8\'\'[A-Za-z0-9%._~-]+)?', header)
    assert "Set-Cookie" not in answer.headers
    assert name.endswith(".txt")
    assert len(name.encode()) <= MAX_NAME_BYTES + 4
    assert not re.search(r'[/\\:*?"<>|\x00-\x1f\u200b-\u200f\u202a-\u202e]', name)
    assert not name.startswith((".", "-", " "))
    assert name.lower() not in ("con.txt", "com1.txt")


def test_names_keep_what_they_can():
    assert file_name("How high is the Matterhorn?", "md") == "How high is the Matterhorn.md"
    assert file_name("日本語の山", "pdf") == "日本語の山.pdf"
    header = content_disposition("日本語 100%.pdf")
    assert header == "attachment; filename=\"100_.pdf\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC%E8%AA%9E%20100%25.pdf"
    assert content_disposition("plain.md") == 'attachment; filename="plain.md"'
