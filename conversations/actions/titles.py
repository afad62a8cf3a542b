"""A title made from the first thing a person said."""

import re

TITLE_LENGTH = 80
_BLANKS = re.compile(r"\s+")
_LEADING_MARKS = re.compile(r"^[#>*\-\s`]+")


def title_from(content: str) -> str:
    """The first line that says something, on one line, without leading Markdown, cut between words at 80 characters."""
    for line in content[:10_000].splitlines():
        words = _BLANKS.sub(" ", _LEADING_MARKS.sub("", line)).strip()
        if words:
            return _cut(words)
    return ""


def _cut(words: str) -> str:
    if len(words) <= TITLE_LENGTH:
        return words
    head = words[: TITLE_LENGTH - 1]
    # A language that does not part its words by blanks, or one long address: cut where it is full.
    between = head.rpartition(" ")[0] if " " in head[TITLE_LENGTH // 2 :] else head
    return between.rstrip(" ,;:.") + "…"
