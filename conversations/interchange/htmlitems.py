"""A page of Google's "My Activity" as the items that its JSON has, cell by cell, from a stream of any length.

A cell is <div class="outer-cell"> with the product (header-cell), the activity (content-cell … body-1) and the products
(content-cell … caption). The activity is "Prompted", U+00A0 and the prompt, then <br>, names of files, the time in the
person's language, and the answer's markup, with nothing between them but a <br>.
"""

import codecs
import html
from collections import deque
from collections.abc import Callable, Iterator
from html.parser import HTMLParser

from conversations.interchange.activitytimes import activity_time, looks_like_time
from conversations.interchange.errors import MalformedSource
from conversations.interchange.records import Json, Readable

MAX_CELL_CHARACTERS = 64 << 20
MAX_UNPARSED_CHARACTERS = 4 << 20  # of one tag, comment or style sheet: the parser begins it again with every piece

_PIECE = 1 << 16
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
_INLINE = {"a", "b", "i", "em", "strong", "span", "u", "s", "sub", "sup", "small", "code", "wbr"}


class HtmlItems:
    """The items of one page; `JsonItems` in all that callers see. An item's pointer counts cells from 0.

    Raises MalformedSource for text that is not UTF-8 and for a cell or a tag beyond all measure.
    """

    def __init__(self, stream: Readable, *, on_bytes: Callable[[int], None] | None = None) -> None:
        self.bytes_read = 0
        self.beside: dict[str, Json] = {}
        self._stream, self._on_bytes = stream, on_bytes
        self._items = self._read()

    def pointer(self, index: int, /) -> str:
        return f"/{index}"

    def __iter__(self) -> Iterator[Json]:
        return self._items

    def _read(self) -> Iterator[Json]:
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        cells = _Cells()
        is_ended = False
        while not is_ended:
            data = self._stream.read(_PIECE)
            self.bytes_read += len(data)
            is_ended = not data
            if data and self._on_bytes is not None:
                self._on_bytes(len(data))
            try:
                text = decoder.decode(data, final=is_ended)
            except UnicodeDecodeError:
                raise MalformedSource("not_utf8", "The page is not UTF-8.", self.bytes_read) from None
            cells.feed(text)
            if len(cells.rawdata) > MAX_UNPARSED_CHARACTERS or cells.characters > MAX_CELL_CHARACTERS:
                raise MalformedSource(
                    "item_too_large", "One cell is larger than what is read at once.", self.bytes_read
                )
            while cells.finished:
                yield cells.finished.popleft()
        cells.ended()
        yield from cells.finished


class _Cells(HTMLParser):
    """Collects the cells; `finished` are those that were read to their end."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.finished: deque[Json] = deque()
        self.characters = 0  # of the cell that is being read
        self._depth = 0  # of <div> in that cell; 0: outside
        self._part: list[str] | None = None  # what the text of the moment belongs to
        self._part_depth = 0
        self._header: list[str] = []
        self._caption: list[str] = []
        self._lines = _Lines()

    def ended(self) -> None:
        # close() goes over what is left once a character where it is all brackets: an unfinished tag has no cell's end.
        if self._depth:
            self._finish()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "div":
            classes = (dict(attrs).get("class") or "").split()
            if "outer-cell" in classes:
                self._begin()
            elif self._depth:
                self._depth += 1
                self._enter(classes)
                return
        if self._depth and self._part is self._lines.pieces:
            source = self.get_starttag_text() or ""
            self.characters += len(source)
            self._lines.start(tag, source, dict(attrs))
        elif self._part is not None and tag == "br":
            self._part.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if not self._depth:
            return
        if tag == "div":
            if self._depth == self._part_depth:
                self._part = None
            elif self._part is self._lines.pieces:
                self._lines.end(tag)
            self._depth -= 1
            if not self._depth:
                self._finish()
        elif self._part is self._lines.pieces:
            self._lines.end(tag)

    def handle_data(self, data: str) -> None:
        if self._part is None:
            return
        self.characters += len(data)
        if self._part is self._lines.pieces:
            self._lines.data(data)
        else:
            self._part.append(data)

    def _begin(self) -> None:
        if self._depth:
            self._finish()  # the one before was never closed
        self._depth = 1

    def _enter(self, classes: list[str]) -> None:
        """A <div> in a cell: one of its parts, or, in an answer, markup of its own."""
        if self._part is not None:
            if self._part is self._lines.pieces:
                self._lines.start("div", "<div>", {})
            return
        if "header-cell" in classes:
            self._part = self._header
        elif "mdl-typography--caption" in classes:
            self._part = self._caption
        elif "mdl-typography--body-1" in classes and "mdl-typography--text-right" not in classes:
            self._part = self._lines.pieces
        self._part_depth = self._depth

    def _finish(self) -> None:
        self.finished.append(_item("".join(self._header).strip(), "".join(self._caption), self._lines))
        self._depth, self._part, self.characters = 0, None, 0
        self._header, self._caption, self._lines = [], [], _Lines()


class _Lines:
    """The activity: its first lines as text, up to the time, and the markup after it."""

    def __init__(self) -> None:
        self.pieces: list[str] = []  # of the line of the moment; the parser knows the part by this list
        self.lines: list[tuple[str, str]] = []  # text, and the address it links to
        self.markup: list[str] = []  # since that line
        self.time_at: int | None = None  # the line that is the time
        self._url = ""
        self._is_certain = False  # the time's line is one that cannot mean anything else
        self._is_answer = False  # a block has begun: no time comes after it

    def start(self, tag: str, source: str, attrs: dict[str, str | None]) -> None:
        if tag not in _INLINE and tag != "br":
            self._end_line()
            self._is_answer = True
        if self.time_at is not None:
            self.markup.append(source)
        if self._is_answer:
            return
        if tag == "br":
            self._end_line(is_break=True)
        elif tag == "a":
            self._url = attrs.get("href") or self._url

    def end(self, tag: str) -> None:
        if self.time_at is not None and tag not in _VOID:
            self.markup.append(f"</{tag}>")

    def data(self, text: str) -> None:
        if self.time_at is not None:
            self.markup.append(html.escape(text, quote=False))
        if not self._is_answer:
            self.pieces.append(text)

    def close(self) -> None:
        self._end_line()

    def _end_line(self, *, is_break: bool = False) -> None:
        if self._is_answer:
            return
        line = "".join(self.pieces)
        if line or is_break:
            self.lines.append((line, self._url))
        if len(self.lines) > 1 and not self._is_certain and looks_like_time(line):
            self._is_certain = activity_time(line) is not None
            if self.time_at is None or self._is_certain:
                self.time_at = len(self.lines) - 1
                self.markup.clear()
        self.pieces.clear()
        self._url = ""


def _item(header: str, caption: str, lines: _Lines) -> dict[str, Json]:
    """What JSON has of the cell; `timeText` is the time as it stands, and `time` is there only if that is certain."""
    lines.close()
    before = lines.lines if lines.time_at is None else lines.lines[: lines.time_at]
    first_file = next((at for at, (text, url) in enumerate(before) if at > 1 and url and _is_file(text)), None)
    title = [text for text, _ in before[: len(before) if first_file is None else first_file - 1]]
    item: dict[str, Json] = {"header": header, "title": "\n".join(title).rstrip("\n"), "products": _products(caption)}
    if before and before[0][1]:
        item["titleUrl"] = before[0][1]
    if first_file is not None:  # the line before the names says how many there are
        listed = before[first_file - 1 :]
        item["subtitles"] = [{"name": text, "url": url} if url else {"name": text} for text, url in listed]
    if lines.time_at is not None:
        text = lines.lines[lines.time_at][0].strip()
        moment = activity_time(text)
        item["timeText"] = text
        if moment is not None:
            item["time"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    markup = "".join(lines.markup).strip()
    answer = markup.removeprefix("<br>").strip()
    if answer:
        item["safeHtmlItem"] = [{"html": answer}]
    return item


def _is_file(line: str) -> bool:
    return line.lstrip(" \xa0").startswith("-")


def _products(caption: str) -> list[Json]:
    """The line under the first heading, whatever that is called: "Products:", "Produkte:"."""
    lines = [line.strip() for line in caption.split("\n")]
    return [line for line in lines[1:2] if line]
