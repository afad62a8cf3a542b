"""The text of a piece of HTML, as a reader sees it: one pass, whatever the markup is worth."""

import html
import re

# A tag ends at the next bracket of either kind: an unclosed one costs itself, and never a search to the end.
_TOKEN = re.compile(r"<!--|<(/?)([A-Za-z][A-Za-z0-9]*)([^<>]*)>|[^<]+|<")
_SPACE = re.compile(r"[ \t\r\n\f]+")  # a no-break space is text
_PARAGRAPHS = {
    "p",
    "div",
    "ul",
    "ol",
    "table",
    "blockquote",
    "pre",
    "hr",
    "section",
    "article",
    *(f"h{n}" for n in range(1, 7)),
}
_LINES = {"br", "li", "tr", "dt", "dd"}
_UNSEEN = {"script", "style", "head", "title"}


def text_of_html(markup: str) -> str:
    """Paragraphs with an empty line between them, list items behind "- ", cells behind tabs, code as it stands."""
    text = _Text()
    plain: list[str] = []  # since the last tag: a bracket alone is a character
    for token in _TOKEN.finditer(markup):
        if token[2]:
            text.add(html.unescape("".join(plain)))
            plain.clear()
            text.tag(token[2].lower(), is_end=bool(token[1]))
        elif token[0] != "<!--":
            plain.append(token[0])
    text.add(html.unescape("".join(plain)))
    return text.finished()


class _Text:
    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._breaks = 0  # line breaks due before the next text
        self._space = False  # white space due before the next text
        self._preformatted = self._unseen = 0

    def tag(self, name: str, *, is_end: bool) -> None:
        step = -1 if is_end else 1
        if name in _UNSEEN:
            self._unseen = max(0, self._unseen + step)
        elif name in _PARAGRAPHS:
            self._breaks = max(self._breaks, 2)
            if name == "pre":
                self._preformatted = max(0, self._preformatted + step)
        elif name in ("td", "th") and not is_end:
            self._put("\t" if self._pieces and not self._breaks else "")
        elif name == "br":
            self._breaks += 1
        elif name in _LINES and not is_end:
            self._breaks = max(self._breaks, 1)
            if name == "li":
                self._put("- ")

    def add(self, text: str) -> None:
        if self._unseen or not text:
            return
        if self._preformatted:
            self._put(text)
            return
        words = _SPACE.sub(" ", text)
        stripped = words.strip(" ")
        if stripped:
            self._put(" " * (words.startswith(" ") or self._space) + stripped)
            self._space = words.endswith(" ")
        else:
            self._space = self._space or bool(words)

    def finished(self) -> str:
        return "".join(self._pieces)

    def _put(self, text: str) -> None:
        if self._breaks:
            text = text.lstrip(" ") if not self._preformatted else text
            if self._pieces and text:
                # A paragraph's break right after an item's mark would part the two.
                self._pieces.append("" if self._pieces[-1] == "- " else "\n" * self._breaks)
            self._breaks = 0 if text or not self._pieces else self._breaks
        elif not self._pieces or self._pieces[-1] == "- ":
            text = text if self._preformatted else text.lstrip(" ")
        if text:
            self._pieces.append(text)
        self._space = False
