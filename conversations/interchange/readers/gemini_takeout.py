"""Gemini in Google Takeout: `MyActivity.json`, and `MyActivity.html`, which `htmlitems` brings into the same shape.

An array of {header, title, titleUrl, time, products, safeHtmlItem: [{html}], subtitles, imageFile}, newest first, an
entry a prompt: the title is a verb in the person's language and the prompt, the answer is HTML and often missing. The
file may hold other products' activities. Only `titleUrl` (…/app/<id>) tells which conversation a prompt was part of;
without it each prompt is a conversation of its own (metadata.inferred_thread).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from conversations.interchange.bundle import NO_BUNDLE, Bundle
from conversations.interchange.htmltext import text_of_html
from conversations.interchange.readers.reading import UnusableError, identity, message_names
from conversations.interchange.records import AttachmentRecord, ConversationRecord, Json, MessageRecord, Trouble
from conversations.interchange.shapes import as_dict, as_list, first_text, plain_facts, text_or_none
from conversations.interchange.times import parse_time
from conversations.interchange.tree import distinct, normalised

NAME = "gemini-takeout"

Entry = tuple[int, dict[str, Json]]  # its place among the items, and itself

HELD_CHARACTERS = 256 << 20  # of answers whose conversation may go on further down the file

_APP = re.compile(r"/app/([0-9A-Za-z_-]+)")
_GEMINI = re.compile(r"\b(?:gemini|bard)\b", re.IGNORECASE)
_VERB = re.compile(
    r"(?:Prompted|Said|Asked|Eingegebener Prompt:|Prompt eingegeben:|Requête\s?:|Invite saisie\s?:|Prompt saisi\s?:"
    r"|Petición:|Has preguntado:|Prompt inserito:|Prompt enviado:|Comando:|Ingevoerde prompt:|Prompt:)[ \xa0]"
)
_ANY_VERB = re.compile(r"[^\xa0\n]{1,40}\xa0")  # on a page any language's verb ends in U+00A0
_MAPPED = {"title", "titleUrl", "time", "timeText", "header"}


def recognises(sample: Json) -> bool:
    match sample:
        case {"header": str(), "title": str(), "time": _} | {"header": str(), "title": str(), "products": _}:
            return True
    return False


def read(
    items: Iterable[Json], *, name: str = "", bundle: Bundle = NO_BUNDLE
) -> Iterator[ConversationRecord | Trouble]:
    """One record a prompt, and after these one a conversation, oldest prompt first.

    Conversations wait for the file's end, or for `HELD_CHARACTERS`: a file beyond gives the same conversation twice,
    each time with a part of its messages. Troubles: not_gemini, no_messages (skipped), not_an_object (failed).
    """
    held: dict[str, list[Entry]] = {}
    characters = 0
    for index, item in enumerate(items):
        try:
            entry = _gemini_entry(item)
        except UnusableError as fault:
            yield fault.trouble(index)
            continue
        found = _APP.search(first_text(entry, "titleUrl"))
        if found is None:
            yield _or_trouble(None, [(index, entry)], bundle)
            continue
        held.setdefault(found[1], []).append((index, entry))
        characters += len(first_text(entry, "title")) + sum(map(len, _answers(entry)))
        if characters > HELD_CHARACTERS:
            yield from _conversations(held, bundle)
            held, characters = {}, 0
    yield from _conversations(held, bundle)


def _conversations(held: dict[str, list[Entry]], bundle: Bundle) -> Iterator[ConversationRecord | Trouble]:
    for app_id, entries in held.items():
        yield _or_trouble(app_id, entries[::-1], bundle)


def _or_trouble(app_id: str | None, entries: Sequence[Entry], bundle: Bundle) -> ConversationRecord | Trouble:
    try:
        return _conversation(app_id, [entry for _, entry in entries], bundle)
    except UnusableError as fault:
        return fault.trouble(entries[0][0])


def _gemini_entry(item: Json) -> dict[str, Json]:
    if not isinstance(item, dict):
        raise UnusableError("failed", "not_an_object", "The item is not a JSON object.")
    named = [item.get("header"), *as_list(item.get("products"))]
    if not any(_GEMINI.search(product) for product in named if isinstance(product, str)):
        raise UnusableError("skipped", "not_gemini", "The activity is of another product of Google's.")
    title = first_text(item, "title")
    # "Used Gemini Apps": no prompt, only that it was opened. An unknown verb before a prompt is taken for the prompt's.
    opened = not _verb(item) and _GEMINI.search(title) and not item.get("titleUrl")
    if not _answers(item) and (opened or not title):
        raise UnusableError("skipped", "no_messages", "The activity has neither a prompt nor an answer.")
    return item


def _verb(entry: dict[str, Json]) -> str:
    """What stands before the prompt, with the space that ends it; "" where that is not known."""
    title = first_text(entry, "title")
    found = _VERB.match(title) or ("timeText" in entry and _ANY_VERB.match(title))
    return found[0] if found else ""


def _answers(entry: dict[str, Json]) -> list[str]:
    return [first_text(as_dict(piece), "html") for piece in as_list(entry.get("safeHtmlItem"))]


def _conversation(app_id: str | None, entries: Sequence[dict[str, Json]], bundle: Bundle) -> ConversationRecord:
    times = [parse_time(entry.get("time")) for entry in entries]
    if all(times):  # the file's order is the order where one time is unknown
        placed = sorted(range(len(entries)), key=lambda at: times[at] or datetime.min)
        entries, times = [entries[at] for at in placed], [times[at] for at in placed]
    names = message_names([_name(moment, at) for at, moment in enumerate(times)])
    messages: list[MessageRecord] = []
    for name, entry in zip(names, entries, strict=True):
        for said in _exchange(name, entry, bundle):
            messages.append(replace(said, parent_external_id=messages[-1].external_id if messages else None))
    known = [moment for moment in times if moment]
    return normalised(
        ConversationRecord(
            source=NAME,
            external_id=identity(app_id),
            created_at=min(known, default=None),
            updated_at=max(known, default=None),
            metadata={"inferred_thread": True} if app_id is None else {},
            current_external_id=messages[-1].external_id,
            messages=tuple(messages),
            raw={},
        )
    )


def _name(moment: datetime | None, at: int) -> str:
    """By the second: HTML knows no more of it than that, and the two forms of one export give the same messages."""
    return str(at) if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _exchange(name: str, entry: dict[str, Json], bundle: Bundle) -> Iterator[MessageRecord]:
    title = first_text(entry, "title")
    verb = _verb(entry)
    facts = plain_facts(entry, structures={"products", "activityControls"}, without=_MAPPED)
    if title:
        own: dict[str, Json] = {"title_verb": verb.strip(), "time_text": entry.get("timeText")}
        yield MessageRecord(
            external_id=f"{name}/prompt",
            role="user",
            content=title.removeprefix(verb),
            created_at=parse_time(entry.get("time")),
            metadata=facts | plain_facts(own),
            attachments=tuple(_attachments(entry, bundle)),
            raw=entry,
        )
    answers = _answers(entry)
    if any(answers):
        yield MessageRecord(
            external_id=f"{name}/answer",
            role="assistant",
            content="\n\n".join(text for answer in answers if (text := text_of_html(answer))),
            parts=tuple({"type": "html", "html": answer} for answer in answers if answer),
            raw=entry,
        )


def _attachments(entry: dict[str, Json], bundle: Bundle) -> Iterator[AttachmentRecord]:
    """Files lie beside MyActivity, in its folder; the first, of several, is `imageFile` as well."""
    named = [as_dict(subtitle) for subtitle in as_list(entry.get("subtitles"))]
    files: dict[str, Json] = {first_text(file, "url"): file for file in named if first_text(file, "url")}
    image = text_or_none(entry.get("imageFile"))
    if image:
        files.setdefault(image, {"imageFile": image})
    for external_id, (path, raw) in zip(distinct([path[-200:] for path in files]), files.items(), strict=True):
        member = bundle.named(path.rpartition("/")[2])
        yield AttachmentRecord(
            external_id=external_id,
            name=path.rpartition("/")[2],
            size=None if member is None else member.size,
            opened=None if member is None else member.opened,
            raw=raw,
        )
