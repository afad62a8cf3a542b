"""One HTML page that needs nothing else: readable offline, printable, without scripts, images or requests.

Messages are rendered as Markdown. HTML in them is text, links lead to http, https and mailto only, images are links.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import chain, islice

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML

from conversations.interchange.records import ConversationRecord, MessageRecord
from conversations.interchange.writers.branch import active_branch
from conversations.interchange.writers.plain import moment_of, one_line, printable, remarks, speaker_of, title_of

NAME = "html"
EXTENSION = "html"
MEDIA_TYPE = "text/html; charset=utf-8"

# Beyond this a message is shown as it was written: the parser's time grows faster than its text for some.
RENDERED_CHARACTERS = 50_000

STYLE = """
:root { color-scheme: light dark; --line: #8884; --user: #1d6fd12b; }
body { font: 1rem/1.55 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
article { margin-bottom: 5rem; } h1 { font-size: 1.6rem; } .about, .aside { color: #888; font-size: .85rem; }
section { border: 1px solid var(--line); border-radius: .6rem; margin: 1rem 0; padding: .2rem 1rem .6rem; }
section.user { background: var(--user); } section > h2 { font-size: .85rem; margin: .5rem 0; color: #888; }
.said { overflow-wrap: anywhere; unicode-bidi: isolate; contain: paint; } .plain, pre { white-space: pre-wrap; }
pre { background: #8882; border-radius: .4rem; padding: .7rem; font-size: .875rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; } td, th { border: 1px solid var(--line); padding: .2rem .6rem; }
blockquote { border-inline-start: 3px solid var(--line); margin-inline: 0; padding-inline-start: 1rem; }
@media print { body { margin: 0; max-width: none; } article { break-after: page; } section { break-inside: auto; }
  section > h2 { break-after: avoid; } pre, blockquote { break-inside: avoid-page; } }
"""
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
_SAFE_LINK = re.compile(r"(?:https?://|mailto:)[\x21-\x7e]+", re.IGNORECASE)


def write(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    remaining = iter(records)
    first = list(islice(remaining, 2))
    title = title_of(first[0]) if len(first) == 1 else "Conversations"
    yield (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    ).encode()
    for record in chain(first, remaining):
        yield from (part.encode() for part in _article(record))
    yield b"</body>\n</html>\n"


def _article(record: ConversationRecord) -> Iterator[str]:
    about = [
        *([f"Created {moment_of(record.created_at)}"] if record.created_at else []),
        *([one_line(record.model, 80)] if record.model else []),
        *(one_line(tag, 80) for tag in record.tags),
    ]
    yield f'<article>\n<h1 dir="auto">{escape(title_of(record))}</h1>\n'
    yield f'<p class="about" dir="auto">{escape(" · ".join(about))}</p>\n'
    branch = active_branch(record)
    for message in branch.messages:
        yield _section(message)
    if branch.left_out:
        yield f'<p class="aside">{escape(branch.left_out)}</p>\n'
    yield "</article>\n"


def _section(message: MessageRecord) -> str:
    told = "".join(f'<p class="aside" dir="auto">{escape(remark)}</p>\n' for remark in remarks(message))
    return (
        f'<section class="{message.role}">\n<h2>{escape(speaker_of(message))}</h2>\n'
        f"{rendered(message.content)}{told}</section>\n"
    )


def rendered(content: str) -> str:
    """Text of a message as HTML, harmless whatever it says."""
    text = printable(content)
    if len(text) > RENDERED_CHARACTERS:
        return f'<div class="said plain" dir="auto">{escape(text)}</div>\n'
    return f'<div class="said" dir="auto">{_markdown.render(text)}</div>\n'


class _Renderer(RendererHTML):
    """An image would be fetched when the page is opened: its address is a link instead."""

    def image(self, tokens, idx, options, env):  # type: ignore[no-untyped-def]  # as its base class has it
        token = tokens[idx]
        words = self.renderInlineAsText(token.children or [], options, env) or "image"
        return f'<a href="{escape(str(token.attrGet("src") or ""))}" rel="{_REL}">{escape(words)}</a>'

    def link_open(self, tokens, idx, options, env):  # type: ignore[no-untyped-def]
        tokens[idx].attrSet("rel", _REL)
        return self.renderToken(tokens, idx, options, env)


_REL = "noopener noreferrer nofollow"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.validateLink = lambda url: _SAFE_LINK.fullmatch(url) is not None  # type: ignore[method-assign]
    return parser


_markdown = _parser()
