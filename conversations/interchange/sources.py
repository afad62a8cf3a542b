"""Opening what the vendor gave: a JSON file, a zip of such or a database, told apart by content, never by name.

A zip is read as a stream and never unpacked to disk, so that no name in it is ever used as one. Still an archive with
names that want to leave their folder is refused whole: nobody's export holds them.
"""

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, BinaryIO

from conversations.interchange.errors import MalformedSource
from conversations.interchange.records import Readable

PathLike = str | os.PathLike[str]

MAX_MEMBERS = 100_000  # exports with 20,000 attachments are real
MAX_DIRECTORY_BYTES = 32 << 20
MAX_JSON_BYTES = 16 << 30  # unpacked, in all that is read
MAX_RATIO = 200  # JSON packs 10 to 30 times, deflate at most 1,032 times
RATIO_MATTERS_FROM = 1 << 20

_LOCAL_HEADER_BYTES = 30  # without the name
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_SQLITE_MAGIC = b"SQLite format 3\0"
_JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*[\[{]")
_ESCAPES = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|\0")
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file: `size` bytes (unpacked) in all, `opened` gives a stream from its beginning.

    `name` is what the export calls it: to be compared with what stands in its records, never used as a path.
    """

    name: str
    size: int
    opened: Callable[[], Readable]
    is_json: bool  # begins as an array or object does


@dataclass(frozen=True, slots=True)
class Source:
    """What one path holds: all files of an archive in its own order, or the one file it is."""

    members: tuple[Member, ...]
    is_archive: bool
    database: PathLike | None = None  # where it is, if it is one of SQLite

    @property
    def texts(self) -> tuple[Member, ...]:
        """What is read for conversations: of an archive, only what begins as JSON."""
        return tuple(member for member in self.members if member.is_json) if self.is_archive else self.members


@contextmanager
def opened_source(path: PathLike) -> Iterator[Source]:
    """The source at `path`, open as long as the context lasts.

    Raises MalformedSource for an archive that is damaged, encrypted, a bomb or unsafe, OSError as open() does.
    """
    with open(path, "rb") as file:
        magic = file.read(len(_SQLITE_MAGIC))
        if not magic.startswith(_ZIP_MAGIC):
            file.seek(0)
            member = Member(
                os.path.basename(os.fspath(path)), os.fstat(file.fileno()).st_size, lambda: file, is_json=True
            )
            yield Source((member,), is_archive=False, database=path if magic == _SQLITE_MAGIC else None)
            return
        archive = _opened_archive(file)
        with archive:
            yield Source(tuple(_members(archive)), is_archive=True)


def _opened_archive(file: BinaryIO) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(_BoundedFile(file))
    except _DAMAGE as error:
        raise _damaged() from error


def _members(archive: zipfile.ZipFile) -> Iterator[Member]:
    infos = archive.infolist()
    _refuse_unsafe(infos)
    files = [info for info in infos if info.file_size and not info.is_dir()]
    texts = {info.filename for info in files if _begins_as_json(archive, info)}
    if sum(info.file_size for info in files if info.filename in texts) > MAX_JSON_BYTES:
        raise MalformedSource("archive_too_large", "The archive unpacks to more than is read at once.")
    for info in files:
        if info.file_size > RATIO_MATTERS_FROM and info.file_size > MAX_RATIO * max(info.compress_size, 1):
            raise MalformedSource("archive_too_large", "A file in the archive is packed as only bombs are.")
        yield _member(archive, info, is_json=info.filename in texts)


def _refuse_unsafe(infos: Sequence[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_MEMBERS:
        raise MalformedSource("archive_too_large", "The archive holds too many files.")
    if any(info.flag_bits & 0x1 for info in infos):
        raise MalformedSource("archive_encrypted", "The archive is encrypted.")
    if any(_ESCAPES.search(info.orig_filename) for info in infos):
        raise MalformedSource("archive_unsafe", "A name in the archive is absolute or leads out of its folder.")
    if any(stat.S_ISLNK(info.external_attr >> 16) for info in infos):
        raise MalformedSource("archive_unsafe", "The archive holds a symbolic link.")
    if len({info.filename for info in infos}) < len(infos):
        raise MalformedSource("archive_unsafe", "Two files in the archive bear the same name.")
    ordered = sorted(infos, key=lambda info: info.header_offset)
    for info, following in pairwise(ordered):
        if info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size > following.header_offset:
            raise MalformedSource("archive_unsafe", "Files in the archive overlap.")


def _begins_as_json(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    try:
        with archive.open(info) as stream:
            return _JSON_START.match(stream.read(512)) is not None
    except _DAMAGE as error:
        raise _damaged() from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, *, is_json: bool) -> Member:
    return Member(info.filename, info.file_size, lambda: _MemberStream(archive, info), is_json)


class _MemberStream:
    """A member's bytes, unpacked; MalformedSource for what zipfile raises, and for fewer bytes than were promised."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._missing = info.file_size
        try:
            self._stream: IO[bytes] = archive.open(info)
        except _DAMAGE as error:
            raise _damaged() from error

    def read(self, size: int, /) -> bytes:
        try:
            data = self._stream.read(size)  # never more than the directory promised: zipfile stops there
        except _DAMAGE as error:
            raise _damaged() from error
        self._missing -= len(data)
        if not data and self._missing:
            raise _damaged()
        return data


class _BoundedFile:
    """A file as zipfile reads it: the directory is one read, and a hostile one could take all memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, size: int = -1, /) -> bytes:
        if size > MAX_DIRECTORY_BYTES:
            raise MalformedSource("archive_too_large", "The archive's directory is too large.")
        return self._file.read(size)


def _damaged() -> MalformedSource:
    return MalformedSource("archive_damaged", "The archive is damaged or cut off.")
