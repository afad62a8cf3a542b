"""What makes a whole file unusable. A single bad conversation is no error but a `records.Trouble`."""

from collections.abc import Sequence


class SourceError(Exception):
    """What was given cannot be read, or not any further.

    `reason` is stable snake_case, for programs; `detail` a sentence for people. Neither ever holds text of a chat.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class MalformedSource(SourceError):
    """The bytes are not what they claim to be; `position` is the byte of the JSON text where reading stopped, if known.

    Reasons: not_utf8, not_json, truncated_json, trailing_data, nested_too_deep, number_too_long, item_too_large;
    archive_damaged, archive_unsafe, archive_too_large, archive_encrypted; database_damaged, database_too_large.
    """

    def __init__(self, reason: str, detail: str, position: int | None = None) -> None:
        super().__init__(reason, detail)
        self.position = position


class UnrecognisedSource(SourceError):
    """Sound, but of no format we read; `keys` are the names at the top of its items, or of its tables: never values."""

    def __init__(self, keys: Sequence[str]) -> None:
        seen = ", ".join(keys) if keys else "none"
        super().__init__("format_not_recognised", f"No reader knows this shape; keys seen: {seen}.")
        self.keys = tuple(keys)


class WriterError(Exception):
    """A file cannot be written in this format. `reason`: too_large, failed. Never holds text of a chat."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
