"""Files in, records out: the one door to the readers.

total = total_bytes(paths)
for found in read_files(paths, on_bytes=bar.advance):
    match found:
        case ConversationRecord(): ...
        case Trouble(): ...
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from conversations.interchange.bundle import Bundle
from conversations.interchange.databases import Database, opened_database
from conversations.interchange.detect import Items, Recognition, recognised, shown_keys
from conversations.interchange.errors import MalformedSource, UnrecognisedSource
from conversations.interchange.htmlitems import HtmlItems
from conversations.interchange.jsonstream import JsonItems
from conversations.interchange.readers import DATABASE_READERS, EXPORTS, Found
from conversations.interchange.records import Trouble
from conversations.interchange.sources import Member, PathLike, Source, opened_source

OnBytes = Callable[[int], None]


def read_files(paths: Sequence[PathLike], *, on_bytes: OnBytes | None = None) -> Iterator[Found]:
    """All conversations of one export, which may be several files (the parts of a ChatGPT export), in file order.

    Lazy: memory is that of the largest conversation. So one that stands in two shards comes twice, and it is for ingest
    to keep, of one (source, external_id), the record with the newest `updated_at`, whichever comes first.

    A bad conversation is a Trouble, and so is an archive without anything of use (outcome "skipped", reason
    "no_conversations"); each Trouble's `index` is its place among all that is yielded. What an export holds beside
    conversations comes last. A blank file and an empty array yield nothing.
    Attachments can be opened until the next record is asked for, and as long as this goes on.
    `on_bytes` is told of bytes as they are used; after a whole reading their sum is `total_bytes(paths)`.

    Raises, after what was read before it: MalformedSource for a file that is damaged or hostile, UnrecognisedSource for
    a JSON file or a database of no known shape (its `keys` are then names of tables), OSError as open() does.
    """
    index = 0
    with ExitStack() as stack:
        sources = [stack.enter_context(opened_source(path)) for path in paths]
        for found in _Reading(sources, on_bytes or _unheard).found():
            yield replace(found, index=index) if isinstance(found, Trouble) else found
            index += 1


def total_bytes(paths: Sequence[PathLike]) -> int:
    """The bytes of JSON that `read_files` will go through, unpacked. Raises as it does for a bad archive."""
    total = 0
    for path in paths:
        with opened_source(path) as source:
            total += sum(member.size for member in source.texts)
    return total


class _Reading:
    """One export on its way through: what is settled only when all its parts were read."""

    def __init__(self, sources: Sequence[Source], on_bytes: OnBytes) -> None:
        self._sources, self._on_bytes = sources, on_bytes
        self._bundle = Bundle(member for source in sources if source.is_archive for member in source.members)
        self._formats: set[str] = set()
        self._unread: list[Member] = []  # begins as JSON, but no reader knows it
        self._without: list[tuple[Source, dict[str, None]]] = []  # archives without conversations, the keys seen

    def found(self) -> Iterator[Found]:
        for source in self._sources:
            yield from self._source(source)
        exports = [EXPORTS[name] for name in sorted(self._formats) if name in EXPORTS]
        for export in exports:
            yield from export.rest(self._unread, self._bundle)
        for source, keys in self._without:
            if not any(all(export.holds(member, self._bundle) for member in source.members) for export in exports):
                yield _no_conversations(keys)

    def _source(self, source: Source) -> Iterator[Found]:
        if source.database is not None:
            with opened_database(source.database) as database:
                yield from _read_database(database)
            self._on_bytes(source.members[0].size)
        elif source.is_archive:
            yield from self._archive(source)
        else:
            yield from self._file(source)

    def _file(self, source: Source) -> Iterator[Found]:
        (member,) = source.members
        broken: list[Trouble] = []
        items = _items(member, self._on_bytes, broken)
        recognition = recognised(items)
        yield from self._records(recognition, items, broken, member)
        if recognition.reader is None and not recognition.blank:
            raise UnrecognisedSource(recognition.keys)

    def _archive(self, source: Source) -> Iterator[Found]:
        any_recognised = False
        keys: dict[str, None] = {}  # a set that remembers its order
        for member in source.texts:
            if any(export.is_attachment(member, self._bundle) for export in EXPORTS.values()):
                self._on_bytes(member.size)  # a conversation in it is somebody's file, and no conversation of theirs
                continue
            broken: list[Trouble] = []
            items = _items(member, self._on_bytes, broken)
            try:
                recognition = recognised(items)
            except MalformedSource as fault:
                if fault.reason.startswith("archive_"):
                    raise
                # An attachment that begins with a bracket, most likely: said, but no reason to refuse the rest.
                detail = f"A file in the archive: {fault.detail}"
                yield Trouble(index=0, outcome="skipped", reason=fault.reason, detail=detail)
            else:
                yield from self._records(recognition, items, broken, member)
                any_recognised |= recognition.reader is not None
                keys.update(dict.fromkeys(recognition.keys))
            self._on_bytes(max(0, member.size - items.bytes_read))  # what was not worth reading is done as well
        if not any_recognised:
            self._without.append((source, keys))

    def _records(
        self, recognition: Recognition, items: Items, broken: list[Trouble], member: Member
    ) -> Iterator[Found]:
        """What the reader finds, and the lines of JSON Lines that are broken, each before what stands after it."""
        if recognition.reader is None:
            if not recognition.blank:
                self._unread.append(member)
            return
        self._formats.add(recognition.reader.NAME)
        for found in recognition.reader.read(recognition.items, name=member.name, bundle=self._bundle):
            yield from _taken(broken)
            if isinstance(found, Trouble) and found.pointer is not None:
                yield replace(found, pointer=items.pointer(found.index) + found.pointer)
            else:
                yield found
        yield from _taken(broken)


def _items(member: Member, on_bytes: OnBytes, broken: list[Trouble]) -> Items:
    if member.is_activity:
        return HtmlItems(member.opened(), on_bytes=on_bytes)
    return JsonItems(member.opened(), on_bytes=on_bytes, on_broken=broken.append)


def _no_conversations(keys: dict[str, None]) -> Trouble:
    seen = ", ".join(keys) if keys else "none"
    detail = f"No file in the archive holds conversations of a known format; keys seen: {seen}."
    return Trouble(index=0, outcome="skipped", reason="no_conversations", detail=detail)


def _read_database(database: Database) -> Iterator[Found]:
    for reader in DATABASE_READERS:
        if reader.recognises(database.tables):
            yield from reader.read(database)
            return
    raise UnrecognisedSource(shown_keys(sorted(database.tables)))


def _taken(broken: list[Trouble]) -> list[Trouble]:
    """The troubles, and none of them twice."""
    taken, broken[:] = broken[:], []
    return taken


def _unheard(_: int) -> None: ...
