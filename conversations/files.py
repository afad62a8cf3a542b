"""Files in Django's storage: named by us, read from a local path, gone when nobody needs them."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage

from chatstore.logs import get_logger

log = get_logger("conversations.files")


def folder_of(kind: str, *, user_id: UUID, job_id: UUID) -> str:
    """Where the files of a job lie: `imports` or `exports`, the person, the job."""
    return f"{kind}/{user_id}/{job_id}"


def keep_files(folder: str, files: "Sequence[File[bytes]]") -> list[str]:
    """Put files into the storage: their names. When one fails, none stays."""
    names: list[str] = []
    try:
        for number, file in enumerate(files):
            names.append(default_storage.save(f"{folder}/{number}", file))
    except BaseException:
        delete_files(names)
        raise
    return names


def delete_files(names: Sequence[str]) -> None:
    """Delete what is there of them. One that cannot be deleted now is said, and stays for those who tidy up."""
    for name in names:
        try:
            default_storage.delete(name)
        except OSError as error:
            log.warning("file_not_deleted", error=type(error).__name__)


@contextmanager
def local_paths(names: Sequence[str]) -> Iterator[list[Path]]:
    """The files as paths of this machine: where they lie, or copies for as long as the context lasts.

    Raises FileNotFoundError when one is gone.
    """
    try:
        paths = [Path(default_storage.path(name)) for name in names]
    except NotImplementedError:  # a bucket
        with _copies(names) as copies:
            yield copies
        return
    for path in paths:
        path.stat()
    yield paths


@contextmanager
def _copies(names: Sequence[str]) -> Iterator[list[Path]]:
    settings.UPLOAD_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    with TemporaryDirectory(dir=settings.UPLOAD_DIR, prefix="job-") as folder:
        copies = [Path(folder) / str(number) for number in range(len(names))]
        for name, copy in zip(names, copies, strict=True):
            with default_storage.open(name) as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        yield copies
