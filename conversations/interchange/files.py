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
from conversations.interchange.detect import Recognition, recognised, shown_keys
from conversations.interchange.errors import MalformedSource, UnrecognisedSource
from conversations.interchange.jsonstream import JsonItems
from conversations.interchange.readers import DATABASE_READERS, Found
from conversations.interchange.records import Trouble
from conversations.interchange.sources import Member, PathLike, Source, opened_source

OnBytes = Callable[[int], None]


def read_files(paths: Sequence[PathLike], *, on_bytes: OnBytes | None = None) -> Iterator[Found]:
    """All conversations of one export, which may be several files (the parts of a ChatGPT export), in file order.

    Lazy: memory is that of the largest conversation. So one that stands in two shards comes twice, and it is for ingest
    to keep, of one (source, external_id), the record with the newest `updated_at`, whichever comes first.

    A bad conversation is a Trouble, and so is an archive without any (outcome "skipped", reason "no_conversations");
    each Trouble's `index` is its place among all that is yielded. A blank file and an empty array yield nothing.
    Attachments can be opened until the next record is asked for, and as long as this goes on.
    `on_bytes` is told of bytes as they are used; after a whole reading their sum is `total_bytes(paths)`.

    Raises, after what was read before it: MalformedSource for a file that is damaged or hostile, UnrecognisedSource for
    a JSON file or a database of no known shape (its `keys` are then names of tables), OSError as open() does.
    """
    index = 0
    with ExitStack() as stack:
        sources = [stack.enter_context(opened_source(path)) for path in paths]
        bundle = Bundle(member for source in sources if source.is_archive for member in source.members)
        for source in sources:
            for found in _read_source(source, bundle, on_bytes or _unheard):
                yield replace(found, index=index) if isinstance(found, Trouble) else found
                index += 1


def total_bytes(paths: Sequence[PathLike]) -> int:
    """The bytes of JSON that `read_files` will go through, unpacked. Raises as it does for a bad archive."""
    total = 0
    for path in paths:
        with opened_source(path) as source:
            total += sum(member.size for member in source.texts)
    return total


def _read_source(source: Source, bundle: Bundle, on_bytes: OnBytes) -> Iterator[Found]:
    if source.is_archive:
        yield from _read_archive(source.texts, bundle, on_bytes)
        return
    if source.database is not None:
        with opened_database(source.database) as database:
            yield from _read_database(database)
        on_bytes(source.members[0].size)
        return
    (member,) = source.members
    broken: list[Trouble] = []
    items = JsonItems(member.opened(), on_bytes=on_bytes, on_broken=broken.append)
    recognition = recognised(items)
    yield from _records(recognition, items, broken, member, bundle)
    if recognition.reader is None and not recognition.blank:
        raise UnrecognisedSource(recognition.keys)


def _read_archive(members: Sequence[Member], bundle: Bundle, on_bytes: OnBytes) -> Iterator[Found]:
    any_recognised = False
    keys: dict[str, None] = {}  # a set that remembers its order
    for member in members:
        broken: list[Trouble] = []
        items = JsonItems(member.opened(), on_bytes=on_bytes, on_broken=broken.append)
        try:
            recognition = recognised(items)
        except MalformedSource as fault:
            if fault.reason.startswith("archive_"):
                raise
            # An attachment that begins with a bracket, most likely: said, but no reason to refuse the rest.
            yield Trouble(
                index=0, outcome="skipped", reason=fault.reason, detail=f"A file in the archive: {fault.detail}"
            )
        else:
            yield from _records(recognition, items, broken, member, bundle)
            any_recognised |= recognition.reader is not None
            keys.update(dict.fromkeys(recognition.keys))
        on_bytes(max(0, member.size - items.bytes_read))  # what was not worth reading is done as well
    if not any_recognised:
        seen = ", ".join(keys) if keys else "none"
        detail = f"No file in the archive holds conversations of a known format; keys seen: {seen}."
        yield Trouble(index=0, outcome="skipped", reason="no_conversations", detail=detail)


def _read_database(database: Database) -> Iterator[Found]:
    for reader in DATABASE_READERS:
        if reader.recognises(database.tables):
            yield from reader.read(database)
            return
    raise UnrecognisedSource(shown_keys(sorted(database.tables)))


def _records(
    recognition: Recognition, items: JsonItems, broken: list[Trouble], member: Member, bundle: Bundle
) -> Iterator[Found]:
    """What the reader finds, and the lines of JSON Lines that are broken, each before what stands after it."""
    if recognition.reader is None:
        return
    for found in recognition.reader.read(recognition.items, name=member.name, bundle=bundle):
        yield from _taken(broken)
        if isinstance(found, Trouble):
            yield replace(found, pointer=items.pointer(found.index) + (found.pointer or ""))
        else:
            yield found
    yield from _taken(broken)


def _taken(broken: list[Trouble]) -> list[Trouble]:
    """The troubles, and none of them twice."""
    taken, broken[:] = broken[:], []
    return taken


def _unheard(_: int) -> None: ...
