"""The bytes of attachments in Django's default storage, under names made of our own ids.

No transaction spans database and storage. So a file is written before the row that names it, and deleted after the row
is gone; what falls in between (a crash, a storage that is away) is left over, never missed, and `files_sweep` finds it.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import IO, Literal, cast
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone

from chatstore.logs import get_logger
from chatstore.owned import is_id, new_id
from conversations.interchange.errors import MalformedSource
from conversations.interchange.records import Readable

FOLDER = "attachments"
CHUNK_BYTES = 1 << 18
IN_MEMORY_BYTES = 1 << 20  # larger ones are spooled to a temporary file on their way
SWEEP_AFTER = timedelta(days=1)  # longer than any import's batch: its files are there before their rows

Missing = Literal["not_in_export", "too_large", "unreadable"]

log = get_logger("chatstore.files")


@dataclass(frozen=True, slots=True)
class Bytes:
    """What is known of bytes that were read; `file` is "" where they have not been stored: they are here already."""

    size: int
    sha256: str
    file: str = ""


def bytes_store(*, user_id: UUID, opened: Callable[[], Readable], known_sha256: str | None = None) -> Bytes | Missing:
    """Put a stream into storage, or say why that cannot be; bytes with the digest `known_sha256` are here already.

    They pass through a temporary file: a stream that breaks off leaves nothing behind, and the storage (S3, too) gets
    one that it can rewind. What the storage raises is raised: it is away, and the import has to end.
    """
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as spool:
        try:
            digest, size = _copied(opened(), cast(IO[bytes], spool))
        except MalformedSource:
            return "unreadable"
        if size > settings.MAX_ATTACHMENT_BYTES:
            return "too_large"
        if digest == known_sha256:
            return Bytes(size, digest)
        spool.seek(0)
        name = default_storage.save(f"{_folder(user_id)}/{new_id()}", File(spool))
    return Bytes(size, digest, name)


def _copied(stream: Readable, target: IO[bytes]) -> tuple[str, int]:
    """SHA-256 and size; it stops once the size is beyond the limit."""
    digest, size = hashlib.sha256(), 0
    while size <= settings.MAX_ATTACHMENT_BYTES and (chunk := stream.read(CHUNK_BYTES)):
        digest.update(chunk)
        target.write(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def files_delete(names: Iterable[str]) -> None:
    """Delete files that no row names any more. One that cannot be is left to the sweep: the deed it follows is done."""
    for name in names:
        try:
            default_storage.delete(name)
        except Exception as fault:  # each storage has errors of its own
            log.warning("file_not_deleted", fault=type(fault).__name__)


def files_delete_on_commit(names: Iterable[str]) -> None:
    """The same once the transaction that is open, if any, is committed."""
    if names := list(names):
        transaction.on_commit(lambda: files_delete(names))


def files_sweep(*, dry_run: bool = False) -> Iterator[str]:
    """Delete the files that no row names, those of people who are gone among them; their names, as they go.

    Only what is older than SWEEP_AFTER: the rows of younger ones may not be committed yet.
    """
    before = timezone.now() - SWEEP_AFTER
    for person in _people():
        folder = _folder(person)
        names = sorted(f"{folder}/{file}" for file in default_storage.listdir(folder)[1])
        held = _held_by(person)  # asked last: what is listed and old has its row by now, or never will
        for name in names:
            if name not in held and default_storage.get_modified_time(name) < before:
                if not dry_run:
                    files_delete([name])
                yield name


# Uses attachment_owns_its_file.
HELD = "SELECT a.file FROM conversations_attachment a WHERE a.user_id = %s AND a.file <> ''"


def _held_by(person: UUID) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(HELD, [person])
        return {row[0] for row in cursor.fetchall()}


def _people() -> list[UUID]:
    """Those who have a folder; what else may lie there is none of ours."""
    try:
        names = default_storage.listdir(FOLDER)[0]
    except FileNotFoundError:  # nobody ever had a file
        return []
    return sorted(UUID(name) for name in names if is_id(name))


def _folder(user_id: UUID) -> str:
    return f"{FOLDER}/{user_id}"
