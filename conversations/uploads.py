"""Files on their way in: spooled to disk as they come, counted and digested, never in memory as a whole."""

import hashlib
import tempfile
from contextlib import suppress
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from chatstore.problems import BodyTooLarge


class SpooledUpload(UploadedFile):  # type: ignore[type-arg]  # generic in the stubs alone
    """A file below UPLOAD_DIR that is gone when it is closed, unless it was moved away before. Its name is ours."""

    file: IO[bytes]

    def __init__(self) -> None:
        settings.UPLOAD_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = tempfile.NamedTemporaryFile(dir=settings.UPLOAD_DIR, prefix="upload-")  # noqa: SIM115
        super().__init__(file, "upload", "application/octet-stream", 0)
        self._digest = hashlib.sha256()

    @classmethod
    def of(cls, data: bytes) -> "SpooledUpload":
        upload = cls()
        upload.add(data)
        return upload.completed()

    def add(self, data: bytes) -> None:
        self._digest.update(data)
        self.size = (self.size or 0) + len(data)
        self.file.write(data)

    def completed(self) -> "SpooledUpload":
        self.file.flush()
        self.file.seek(0)
        return self

    @property
    def digest(self) -> bytes:
        """SHA-256 of what it holds."""
        return self._digest.digest()

    def temporary_file_path(self) -> str:
        """Where it lies: Django's FileSystemStorage moves it from there instead of copying it."""
        return str(self.file.name)

    def close(self) -> None:
        with suppress(FileNotFoundError):  # it was moved
            self.file.close()


class SpoolingHandler(FileUploadHandler):
    """All files of one request, together no larger than the limit. Raises BodyTooLarge."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._room = limit
        self._upload: SpooledUpload | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._upload = SpooledUpload()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._room -= len(raw_data)
        if self._room < 0:
            raise BodyTooLarge()
        assert self._upload is not None
        self._upload.add(raw_data)

    def file_complete(self, file_size: int) -> SpooledUpload:
        assert self._upload is not None
        upload, self._upload = self._upload.completed(), None
        return upload

    def upload_interrupted(self) -> None:
        if self._upload is not None:
            self._upload.close()
