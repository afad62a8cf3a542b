"""ChatGPT's export beside its conversations: attachments, side-cars, a manifest, and files that are documents.

`export_manifest.json`, {version, export_files: [{path, size_bytes}]}, stands in the first part and names the files of
all parts. Its other files (user.json, message_feedback.json, shared_conversations.json, codex.json and what the next
year brings) are arrays of things or one thing, and are kept thing by thing.
"""

import re
from collections.abc import Iterator, Sequence

from conversations.interchange.bundle import Bundle, last_name
from conversations.interchange.errors import MalformedSource
from conversations.interchange.jsonstream import JsonItems
from conversations.interchange.readers.chatgpt_files import LIBRARY, MANIFEST, NAMES, export_files
from conversations.interchange.readers.documents import document
from conversations.interchange.records import DocumentRecord, Json, Trouble
from conversations.interchange.shapes import as_dict, as_list, first_text
from conversations.interchange.sources import Member

_SIDECARS = {NAMES, LIBRARY, MANIFEST}
_ATTACHMENT = re.compile(r"(?:^|[/\\])(?:file[-_][0-9A-Za-z][^/\\]*|[^/\\]+\.dat)$|(?:^|[/\\])dalle-generations[/\\]")

# What tells a thing's kind, the first that has all its keys; else the file's own name does.
_KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("user", frozenset({"id", "email"})),
    ("message_feedback", frozenset({"conversation_id", "rating"})),
    ("shared_conversation", frozenset({"conversation_id", "is_anonymous"})),
    ("user_settings", frozenset({"user_id", "settings"})),
)
_NO_WORD = re.compile(r"[^a-z0-9]+")


def is_attachment(member: Member, bundle: Bundle) -> bool:
    """Whether a side-car names it as a file of a message."""
    files = bundle.once(export_files)
    name = last_name(member.name)
    return name.endswith(".dat") and (name[:-4] in files.names or name[:-4] in files.library)


def holds(member: Member, bundle: Bundle) -> bool:
    return (
        is_attachment(member, bundle)
        or _ATTACHMENT.search(member.name) is not None
        or member.name in bundle.once(_manifest)
        or last_name(member.name) in _SIDECARS
    )


def rest(unread: Sequence[Member], bundle: Bundle) -> Iterator[DocumentRecord | Trouble]:
    """A document for each thing in the files that hold no conversations, and one Trouble for all that is missing."""
    for member in unread:
        if last_name(member.name) not in _SIDECARS and not _ATTACHMENT.search(member.name):
            yield from _documents(member)
    yield from _missing(bundle)


def _documents(member: Member) -> Iterator[DocumentRecord | Trouble]:
    stem = _NO_WORD.sub("_", last_name(member.name).lower().rpartition(".")[0]).strip("_") or "file"
    try:
        for item in JsonItems(member.opened()):
            if item not in (None, {}, []):
                yield document("chatgpt", _kind(item) or stem, item)
    except MalformedSource as fault:
        detail = f"A file in the archive: {fault.detail}"
        yield Trouble(index=0, outcome="skipped", reason=fault.reason, detail=detail)


def _kind(item: Json) -> str:
    keys = as_dict(item).keys()
    return next((kind for kind, telling in _KINDS if telling <= keys), "")


def _manifest(bundle: Bundle) -> frozenset[str]:
    """The paths of the files that all parts hold together, empty ones left out."""
    listed = as_list(as_dict(bundle.json(MANIFEST)).get("export_files"))
    files = [as_dict(file) for file in listed]
    return frozenset(first_text(file, "path") for file in files if file.get("size_bytes") != 0) - {""}


def _missing(bundle: Bundle) -> Iterator[Trouble]:
    manifest = bundle.once(_manifest)
    count = sum(bundle.named(path) is None and bundle.named(last_name(path)) is None for path in manifest)
    if count:
        detail = (
            f"{count} of the {len(manifest)} files that the export's manifest names are not here: a part of the export "
            "is missing."
        )
        yield Trouble(index=0, outcome="skipped", reason="missing_part", detail=detail)
