"""Markdown: the active branch, every message in a fence of its own.

What people wrote stands there letter by letter, and nothing in it is Markdown to the page: no heading of it passes for
a speaker, no HTML or link of it is active. The fence is longer than any run of its character within (CommonMark 0.31,
section 4.5), so that no line of a message closes it.
"""

import json
import re
from collections.abc import Iterable, Iterator

from conversations.interchange.records import ConversationRecord, MessageRecord
from conversations.interchange.writers.branch import active_branch
from conversations.interchange.writers.plain import lines, remarks, speaker_of, title_of

NAME = "markdown"
EXTENSION = "md"
MEDIA_TYPE = "text/markdown; charset=utf-8"

_SIGNS = re.compile(r"([\\`*_{}\[\]()<>#!&|~$^=])")
_BACKTICKS = re.compile("`{3,}")
# What YAML does not take as it is in a double-quoted scalar (YAML 1.2.2, section 5.1), or editors show as nothing.
_NOT_YAML = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufffe\uffff]")


def write(records: Iterable[ConversationRecord]) -> Iterator[bytes]:
    for number, record in enumerate(records):
        branch = active_branch(record)
        yield (("\n" if number else "") + _front_matter(record) + f"\n# {_escaped(title_of(record))}\n").encode()
        for message in branch.messages:
            yield _section(message).encode()
        if branch.left_out:
            yield f"\n*{branch.left_out}*\n".encode()


def fenced(text: str, info: str = "") -> str:
    """The text between fences that nothing in it can close."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{info}\n{text}\n{fence}\n"


def yaml_text(text: str) -> str:
    """The text as a double-quoted YAML scalar, which JSON's strings nearly are."""
    return _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _front_matter(record: ConversationRecord) -> str:
    known: list[tuple[str, str | None]] = [
        ("title", yaml_text(title_of(record))),
        ("source", yaml_text(record.source)),
        ("id", yaml_text(record.external_id) if record.external_id else None),
        ("model", yaml_text(record.model) if record.model else None),
        ("created_at", yaml_text(record.created_at.isoformat()) if record.created_at else None),
        ("updated_at", yaml_text(record.updated_at.isoformat()) if record.updated_at else None),
        ("tags", f"[{', '.join(map(yaml_text, record.tags))}]" if record.tags else None),
    ]
    return "---\n" + "".join(f"{name}: {value}\n" for name, value in known if value is not None) + "---\n"


def _section(message: MessageRecord) -> str:
    said = fenced("\n".join(lines(message.content))) if message.content else ""
    told = "".join(f"- {_escaped(remark)}\n" for remark in remarks(message))
    return f"\n## {_escaped(speaker_of(message))}\n" + "".join(f"\n{part}" for part in (said, told) if part)


def _escaped(text: str) -> str:
    """One line without any Markdown in it: each sign that could be some is escaped (CommonMark, section 2.4)."""
    return _SIGNS.sub(r"\\\1", text)
