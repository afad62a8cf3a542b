"""What an import says of itself: of each item, and in all."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

ItemOutcome = Literal["imported", "updated", "unchanged", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class ItemReport:
    """What became of one item of a file. The counts are messages, but for those of attachments."""

    index: int
    external_id: str | None
    outcome: ItemOutcome
    reason: str = ""
    detail: str = ""
    pointer: str | None = None
    conversation_id: UUID | None = None
    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    attachments_stored: int = 0  # new or changed, with or without their bytes
    attachments_missing: int = 0  # those that came without bytes that can be kept
    document_kind: str = ""  # of a document; "" where the item is a conversation


@dataclass(slots=True)
class ImportTotals:
    """The sums of an import: conversations and documents by outcome, messages, attachments."""

    conversations_imported: int = 0
    conversations_updated: int = 0
    conversations_unchanged: int = 0
    conversations_skipped: int = 0
    conversations_failed: int = 0
    imported_count: int = 0
    updated_count: int = 0
    unchanged_count: int = 0
    attachments_stored: int = 0
    attachments_missing: int = 0
    documents_imported: int = 0
    documents_updated: int = 0
    documents_unchanged: int = 0
    documents_failed: int = 0

    def add(self, report: ItemReport) -> None:
        name = f"{'documents' if report.document_kind else 'conversations'}_{report.outcome}"
        setattr(self, name, getattr(self, name) + 1)
        self.imported_count += report.imported
        self.updated_count += report.updated
        self.unchanged_count += report.unchanged
        self.attachments_stored += report.attachments_stored
        self.attachments_missing += report.attachments_missing

    @property
    def any_stored(self) -> bool:
        """Whether anything of it is here now, from this import or an earlier one."""
        return bool(
            self.conversations_imported
            or self.conversations_updated
            or self.conversations_unchanged
            or self.documents_imported
            or self.documents_updated
            or self.documents_unchanged
        )

    @property
    def any_failed(self) -> bool:
        return bool(self.conversations_failed or self.documents_failed)

    @property
    def status(self) -> Literal["success", "partial_success", "failed"]:
        """Never a success when nothing came in."""
        if not self.any_stored:
            return "failed"
        return "partial_success" if self.any_failed else "success"

    @property
    def reason(self) -> str:
        """Why there was nothing at all, or ""."""
        return "" if self.any_stored or self.conversations_skipped or self.any_failed else "nothing_to_import"

    def __str__(self) -> str:
        told = (
            f"conversations: {self.conversations_imported} imported, {self.conversations_updated} updated, "
            f"{self.conversations_unchanged} unchanged, {self.conversations_skipped} skipped, "
            f"{self.conversations_failed} failed; messages: {self.imported_count} new, {self.updated_count} changed, "
            f"{self.unchanged_count} unchanged"
        )
        if self.attachments_stored or self.attachments_missing:
            told += f"; attachments: {self.attachments_stored} new or changed, {self.attachments_missing} without bytes"
        documents = {
            "imported": self.documents_imported,
            "updated": self.documents_updated,
            "unchanged": self.documents_unchanged,
            "failed": self.documents_failed,
        }
        if any(documents.values()):
            told += "; documents: " + ", ".join(f"{count} {outcome}" for outcome, count in documents.items())
        return told
