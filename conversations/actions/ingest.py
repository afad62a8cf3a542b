"""Writing what readers read: a batch of conversations is one transaction, by COPY.

Identity is (user, source, external id). The same again changes nothing; a newer record adds what is new, changes what
changed, moves the leaf, renames; nothing is ever deleted.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from chatstore import metrics
from chatstore.storable import json_to_storable, to_storable
from conversations.actions import ingest_batch
from conversations.actions.ingest_batch import Incoming, Outcome
from conversations.interchange.readers import Found
from conversations.interchange.records import ConversationRecord, DocumentRecord, Trouble

BATCH_MESSAGES, BATCH_CHARACTERS = 2_000, 4_000_000

ItemOutcome = Literal["imported", "updated", "unchanged", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class ItemReport:
    """What became of one item of a file. The counts are messages."""

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


# Told of what is stored within the transaction that stores it: a report is kept with its deed, or not at all.
Recorder = Callable[[Sequence[ItemReport]], None]


@dataclass(slots=True)
class ImportTotals:
    """The sums of an import: conversations by outcome, and messages."""

    conversations_imported: int = 0
    conversations_updated: int = 0
    conversations_unchanged: int = 0
    conversations_skipped: int = 0
    conversations_failed: int = 0
    imported_count: int = 0
    updated_count: int = 0
    unchanged_count: int = 0

    def add(self, report: ItemReport) -> None:
        name = f"conversations_{report.outcome}"
        setattr(self, name, getattr(self, name) + 1)
        self.imported_count += report.imported
        self.updated_count += report.updated
        self.unchanged_count += report.unchanged

    @property
    def any_stored(self) -> bool:
        """Whether anything of it is here now, from this import or an earlier one."""
        return bool(self.conversations_imported or self.conversations_updated or self.conversations_unchanged)

    @property
    def status(self) -> Literal["success", "partial_success", "failed"]:
        """Never a success when nothing came in."""
        if not self.any_stored:
            return "failed"
        return "partial_success" if self.conversations_failed else "success"

    @property
    def reason(self) -> str:
        """Why there was nothing at all, or ""."""
        return "" if self.any_stored or self.conversations_skipped or self.conversations_failed else "nothing_to_import"

    def __str__(self) -> str:
        return (
            f"conversations: {self.conversations_imported} imported, {self.conversations_updated} updated, "
            f"{self.conversations_unchanged} unchanged, {self.conversations_skipped} skipped, "
            f"{self.conversations_failed} failed; messages: {self.imported_count} new, {self.updated_count} changed, "
            f"{self.unchanged_count} unchanged"
        )


def conversations_ingest(
    *,
    user_id: UUID,
    found: Iterable[Found],
    dry_run: bool = False,
    first_index: int = 0,
    recorder: Recorder | None = None,
) -> Iterator[ItemReport]:
    """Store what was read, batch by batch, and say of each item what became of it, in the order of the file.

    A batch that was reported is committed. A conversation that the database refuses is `failed`, alone. With `dry_run`
    everything is done and rolled back. What `found` raises is raised here, when all that came before it is stored.
    `recorder` is told of each batch within its transaction; what it raises undoes the batch, and is raised here. Of a
    Trouble, which stores nothing, only the caller learns. Raises OperationalError when the database goes away: what was
    reported stays.
    """
    batch = _Batch(user_id, dry_run, recorder)
    items = enumerate(found, first_index)
    while True:
        try:
            index, item = next(items)
        except StopIteration:
            break
        except Exception:
            yield from batch.stored()
            raise
        ready = _made_ready(index, item)
        if isinstance(ready, Trouble) or not batch.has_room_for(ready):
            yield from batch.stored()
            batch = _Batch(user_id, dry_run, recorder)
        if isinstance(ready, Trouble):
            yield _of_trouble(index, ready)
        else:
            batch.add(ready)
    yield from batch.stored()


class _Batch:
    """Conversations to be stored in one transaction; none twice."""

    def __init__(self, user_id: UUID, dry_run: bool, recorder: Recorder | None) -> None:
        self._user_id, self._dry_run, self._recorder = user_id, dry_run, recorder
        self.items: list[Incoming] = []
        self.identities: set[tuple[str, str]] = set()
        self.messages = self.characters = 0

    def has_room_for(self, incoming: Incoming) -> bool:
        is_full = self.messages >= BATCH_MESSAGES or self.characters >= BATCH_CHARACTERS
        return not is_full and (incoming.record.source, incoming.external_id) not in self.identities

    def add(self, incoming: Incoming) -> None:
        self.items.append(incoming)
        self.identities.add((incoming.record.source, incoming.external_id))
        self.messages += len(incoming.record.messages)
        self.characters += incoming.characters

    def stored(self) -> list[ItemReport]:
        return self._stored(self.items)

    def _stored(self, items: Sequence[Incoming]) -> list[ItemReport]:
        if not items:
            return []
        try:
            return self._in_transaction(items)
        except (DatabaseError, InterfaceError, ValueError, OverflowError) as error:
            if isinstance(error, OperationalError | InterfaceError) and not _is_too_large(error):
                raise
            if len(items) == 1:
                return self._refused(items[0])
            return [report for incoming in items for report in self._stored([incoming])]

    def _in_transaction(self, items: Sequence[Incoming]) -> list[ItemReport]:
        with transaction.atomic():
            with connection.cursor() as cursor:
                # One import of a person at a time: two of the same file give one result. Not the counter's row: that
                # one is locked last, and requests would queue behind the whole batch.
                cursor.execute(
                    "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '60s', true),"
                    " pg_advisory_xact_lock(hashtextextended(%s, 0))",
                    [f"chatstore.ingest:{self._user_id}"],
                )
            outcomes = ingest_batch.store(user_id=self._user_id, batch=items, now=timezone.now())
            reports = [_report(incoming, outcome) for incoming, outcome in zip(items, outcomes, strict=True)]
            if self._recorder:
                self._recorder(reports)
            if self._dry_run:
                transaction.set_rollback(True)
        return [_counted(report) for report in reports]

    def _refused(self, incoming: Incoming) -> list[ItemReport]:
        report = ItemReport(incoming.index, incoming.external_id, "failed", reason="refused_by_database")
        if self._recorder:
            with transaction.atomic():
                self._recorder([report])
        return [_counted(report)]


def _made_ready(index: int, item: Found) -> Incoming | Trouble:
    match item:
        case Trouble():
            return item
        case DocumentRecord():
            detail = "It is no conversation."
            return Trouble(
                index=index, external_id=item.external_id, outcome="skipped", reason="not_a_conversation", detail=detail
            )
        case ConversationRecord():
            return _record_made_ready(index, item)


def _record_made_ready(index: int, record: ConversationRecord) -> Incoming | Trouble:
    try:
        return incoming_of(index, record)
    except RecursionError:
        detail = "Its data are nested too deeply to be stored."
        return Trouble(
            index=index, external_id=record.external_id, outcome="failed", reason="nested_too_deeply", detail=detail
        )


def incoming_of(index: int, record: ConversationRecord) -> Incoming:
    """A record made ready: its raw texts encoded once, and its digest."""
    whole = hashlib.sha256()
    raws = []
    for message in record.messages:
        raw = None if message.raw is None else json_to_storable(message.raw)
        raws.append(raw)
        for part in (message.external_id, message.parent_external_id or "", raw or message.role + message.content):
            whole.update(to_storable(part).encode() + b"\0")
    said_by = whole.copy()  # a format without ids is known again by what was said
    for part in (record.title or "", record.current_external_id or "", str(record.updated_at), str(record.archived)):
        whole.update(to_storable(part).encode() + b"\0")
    external_id = record.external_id or f"sha256:{said_by.hexdigest()}"
    return Incoming(index, record, external_id, whole.digest(), raws)


def _is_too_large(error: Exception) -> bool:
    """Beyond a limit of PostgreSQL's (class 54), as an id of 3 kB in an index: the row is at fault, not the server."""
    return (getattr(error.__cause__, "sqlstate", None) or "").startswith("54")


def _report(incoming: Incoming, outcome: Outcome) -> ItemReport:
    return ItemReport(
        incoming.index,
        incoming.external_id,
        outcome.kind,
        reason=outcome.reason,
        conversation_id=outcome.conversation_id,
        imported=outcome.imported,
        updated=outcome.updated,
        unchanged=outcome.unchanged,
    )


def _of_trouble(index: int, trouble: Trouble) -> ItemReport:
    return _counted(
        ItemReport(index, trouble.external_id, trouble.outcome, trouble.reason, trouble.detail, trouble.pointer)
    )


def _counted(report: ItemReport) -> ItemReport:
    for outcome in ("imported", "updated", "unchanged"):
        if number := getattr(report, outcome):
            metrics.IMPORT_MESSAGES.labels(outcome=outcome).inc(number)
    return report
