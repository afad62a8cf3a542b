"""Where exports go. A run that failed leaves nothing that looks whole.

with FileSink(path) as sink:
    for chunk in writer.write(records):
        sink.write(chunk)
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self, TypeVar

T = TypeVar("T")

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class SinkError(Exception):
    """Nothing was kept. `reason`: no_room (the disk, a quota or a limit), exists, failed; `detail` has no path."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Sink(Protocol):
    """Takes a file's bytes. Leaving the context finalizes; leaving it with an exception aborts. Raises SinkError."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...
    def write(self, data: bytes, /) -> None: ...


class FileSink:
    """A file that is there whole or not at all: written under another name beside it, on disk before it is renamed.

    Without `overwrite` a file that is there already is left alone, even one that came meanwhile. `size` counts bytes.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        self.path, self.overwrite, self.size = Path(path), overwrite, 0
        self._part = self.path.with_name(f".{secrets.token_hex(8)}.part")  # the name itself may be as long as can be
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if not self.overwrite and os.path.lexists(self.path):
            raise SinkError("exists", "There is a file of this name.")
        # Nobody else may read what people wrote; O_EXCL follows no link that lies in wait.
        number = _attempt(lambda: os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._file = os.fdopen(number, "wb")
        return self

    def write(self, data: bytes, /) -> None:
        file = self._opened
        _attempt(lambda: file.write(data))
        self.size += len(data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if kind is not None:
            self.abort()
            return
        try:
            self.finalize()
        except BaseException:
            self.abort()
            raise

    def finalize(self) -> None:
        """Everything on disk, then the name."""
        file = self._opened
        _attempt(file.flush)
        _attempt(lambda: os.fsync(file.fileno()))
        _attempt(file.close)
        self._file = None
        _attempt(self._take_name)
        _attempt(self._sync_folder)

    def abort(self) -> None:
        """Nothing is left. Harmless when it is over already."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()  # writes what is buffered, for which there may be no room
            self._file = None
        self._part.unlink(missing_ok=True)

    @property
    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise SinkError("failed", "The file is not open.")
        return self._file

    def _take_name(self) -> None:
        if self.overwrite:
            os.replace(self._part, self.path)
            return
        os.link(self._part, self.path)  # unlike a rename, it fails where there is a file
        self._part.unlink()

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _attempt(deed: Callable[[], T]) -> T:
    try:
        return deed()
    except FileExistsError:
        raise SinkError("exists", "There is a file of this name.") from None
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise SinkError("no_room", "There is no room for the whole file.") from None
        raise SinkError("failed", os.strerror(error.errno or errno.EIO)) from None
