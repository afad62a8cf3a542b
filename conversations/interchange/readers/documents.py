"""What an export holds beside conversations, as documents."""

import hashlib
import json
from collections.abc import Iterator

from conversations.interchange.records import MAX_EXTERNAL_ID, DocumentRecord, Json
from conversations.interchange.shapes import as_list, first_text

_IDS = ("id", "uuid", "task_id", "project_id", "user_id")
_TITLES = ("title", "name", "summary")
_TITLE_CHARACTERS = 200


def document(source: str, kind: str, raw: Json) -> DocumentRecord:
    """One thing, under its own id, else under a digest of itself: the same export gives the same document again."""
    fields = raw if isinstance(raw, dict) else {}
    own = next((str(fields[key]) for key in _IDS if isinstance(fields.get(key), str | int) and fields[key] != ""), "")
    external_id = own if 0 < len(own) <= MAX_EXTERNAL_ID else _digest(raw)
    title = first_text(fields, *_TITLES)[:_TITLE_CHARACTERS]
    return DocumentRecord(source=source, kind=kind, external_id=external_id, title=title, raw=raw)


def documents(source: str, kind: str, listed: Json) -> Iterator[DocumentRecord]:
    """One document for each member of a list; one for anything else that is not empty."""
    for raw in as_list(listed) if isinstance(listed, list) else [listed]:
        if raw not in (None, "", [], {}):
            yield document(source, kind, raw)


def _digest(raw: Json) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()
