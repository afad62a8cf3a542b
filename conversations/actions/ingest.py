"""Writing what readers read: a batch of conversations is one transaction, by COPY.

Identity is (user, source, external id). The same again changes nothing; a newer record adds what is new, changes what
changed, moves the leaf, renames; nothing is ever deleted. The bytes of attachments are in storage before their batch
begins, because a reader's streams end with the next record; what a batch that failed left there is deleted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from chatstore import metrics
from conversations.actions import ingest_batch
from conversations.actions.files import files_delete, files_delete_on_commit
from conversations.actions.ingest_attachments import attachments_described, attachments_received
from conversations.actions.ingest_documents import IncomingDocument, document_incoming, documents_keep
from conversations.actions.ingest_incoming import Incoming, Outcome, conversation_incoming
from conversations.actions.ingest_report import ImportTotals as ImportTotals
from conversations.actions.ingest_report import ItemOutcome
from conversations.actions.ingest_report import ItemReport as ItemReport
from conversations.actions.statistics import MANY, statistics_refresh
from conversations.interchange.readers import Found
from conversations.interchange.records import DocumentRecord, Trouble

BATCH_MESSAGES, BATCH_CHARACTERS = 2_000, 4_000_000

Ready = Incoming | IncomingDocument
# Told of what is stored within the transaction that stores it: a report is kept with its deed, or not at all.
Recorder = Callable[[Sequence[ItemReport]], None]


def conversations_ingest(
    *,
    user_id: UUID,
    found: Iterable[Found],
    dry_run: bool = False,
    first_index: int = 0,
    recorder: Recorder | None = None,
) -> Iterator[ItemReport]:
    """As `_ingested`; when many messages came in, the planner hears of it at the end."""
    count = 0
    try:
        for report in _ingested(enumerate(found, first_index), _Store(user_id, dry_run, recorder)):
            count += report.imported
            yield report
    finally:
        if count >= MANY and not dry_run:
            statistics_refresh()


def _ingested(items: Iterator[tuple[int, Found]], store: "_Store") -> Iterator[ItemReport]:
    """Store what was read, batch by batch, and say of each item what became of it, in the order of the file.

    A batch that was reported is committed. A conversation that the database refuses is `failed`, alone. With `dry_run`
    everything is done and rolled back. What `found` or the storage of files raises is raised here, when all that came
    before it is stored. A recorder is told of each batch within its transaction; what it raises undoes the batch, and
    is raised here; of a Trouble, which stores nothing, only the caller learns. Raises OperationalError when the
    database goes away: what was reported stays.
    """
    batch = _Batch()
    try:
        while True:
            try:
                index, item = next(items)
                ready = _made_ready(store.user_id, index, item)
            except StopIteration:
                break
            except Exception:
                yield from store.stored(batch.taken())
                raise
            reports: list[ItemReport] = []
            if isinstance(ready, Trouble) or not batch.has_room_for(ready):
                full, batch = batch, _Batch()
                if not isinstance(ready, Trouble):
                    batch.add(ready)  # before anything is stored or said: it has files to answer for
                reports = store.stored(full.taken())
            else:
                batch.add(ready)
            yield from reports
            if isinstance(ready, Trouble):
                yield _of_trouble(index, ready)
        yield from store.stored(batch.taken())
    finally:
        files_delete(batch.files)  # of what will not be stored any more


class _Batch:
    """What is to be stored in one transaction; nothing twice."""

    def __init__(self) -> None:
        self.items: list[Ready] = []
        self.identities: set[tuple[str, ...]] = set()
        self.messages = self.characters = 0

    def has_room_for(self, ready: Ready) -> bool:
        is_full = self.messages >= BATCH_MESSAGES or self.characters >= BATCH_CHARACTERS
        return not is_full and ready.identity not in self.identities

    def add(self, ready: Ready) -> None:
        self.items.append(ready)
        self.identities.add(ready.identity)
        self.messages += ready.messages
        self.characters += ready.characters

    @property
    def files(self) -> list[str]:
        return [file for ready in self.items for file in ready.files]

    def taken(self) -> list[Ready]:
        """All that is in it; from here on somebody else answers for the files."""
        items, self.items = self.items, []
        return items


def _made_ready(user_id: UUID, index: int, item: Found) -> Ready | Trouble:
    if isinstance(item, Trouble):
        return item
    try:
        if isinstance(item, DocumentRecord):
            return document_incoming(index, item)
        incoming, described = conversation_incoming(index, item), attachments_described(item)
    except RecursionError:
        detail = "Its data are nested too deeply to be stored."
        return Trouble(
            index=index, external_id=item.external_id, outcome="failed", reason="nested_too_deeply", detail=detail
        )
    if not described:
        return incoming
    received = attachments_received(
        user_id=user_id, source=item.source, external_id=incoming.external_id, described=described
    )
    return replace(incoming, attachments=received)


class _Store:
    """Where a batch goes."""

    def __init__(self, user_id: UUID, dry_run: bool, recorder: Recorder | None) -> None:
        self.user_id = user_id
        self._dry_run, self._recorder = dry_run, recorder

    def stored(self, batch: Sequence[Ready]) -> list[ItemReport]:
        """What became of each; all in one transaction, or each alone where the database refuses one of them."""
        if not batch:
            return []
        try:
            reports = self._in_transaction(batch)
        except (DatabaseError, InterfaceError, ValueError, OverflowError) as error:
            if isinstance(error, OperationalError | InterfaceError) and not _is_too_large(error):
                if _was_rolled_back(error):
                    _delete_files(batch)
                raise
            if len(batch) == 1:
                _delete_files(batch)
                return self._refused(batch[0])
            return [report for ready in batch for report in self.stored([ready])]
        except BaseException:  # the recorder's: the batch is undone
            _delete_files(batch)
            raise
        if self._dry_run:
            _delete_files(batch)
        return [_counted(report) for report in reports]

    def _in_transaction(self, batch: Sequence[Ready]) -> list[ItemReport]:
        conversations = [ready for ready in batch if isinstance(ready, Incoming)]
        documents = [ready for ready in batch if isinstance(ready, IncomingDocument)]
        with transaction.atomic():
            self._wait_for_turn()
            now = timezone.now()
            kept = documents_keep(user_id=self.user_id, documents=documents, now=now)
            outcomes, idle_files = ingest_batch.store(user_id=self.user_id, batch=conversations, now=now)
            reports = [*map(_report, conversations, outcomes), *map(_report_of_document, documents, kept)]
            reports.sort(key=lambda report: report.index)
            if self._recorder:
                self._recorder(reports)
            if self._dry_run:
                transaction.set_rollback(True)
            else:
                files_delete_on_commit(idle_files)
        return reports

    def _wait_for_turn(self) -> None:
        """One import of a person at a time: two of the same file give one result.

        Not the counter's row: that one is locked last, and requests would queue behind the whole batch.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '60s', true),"
                " pg_advisory_xact_lock(hashtextextended(%s, 0))",
                [f"chatstore.ingest:{self.user_id}"],
            )

    def _refused(self, ready: Ready) -> list[ItemReport]:
        kind = ready.record.kind if isinstance(ready, IncomingDocument) else ""
        report = ItemReport(ready.index, ready.external_id, "failed", reason="refused_by_database", document_kind=kind)
        if self._recorder:
            with transaction.atomic():
                self._recorder([report])
        return [_counted(report)]


def _delete_files(batch: Sequence[Ready]) -> None:
    files_delete(file for ready in batch for file in ready.files)


def _was_rolled_back(error: Exception) -> bool:
    """Whether the server said so. When it is gone, nobody knows if it had committed: the files stay, for the sweep."""
    return getattr(error.__cause__, "sqlstate", None) is not None


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
        attachments_stored=outcome.attachments,
        attachments_missing=sum(attachment.is_missing for attachment in incoming.attachments),
    )


def _report_of_document(document: IncomingDocument, outcome: ItemOutcome) -> ItemReport:
    return ItemReport(document.index, document.external_id, outcome, document_kind=document.record.kind)


def _of_trouble(index: int, trouble: Trouble) -> ItemReport:
    return _counted(
        ItemReport(index, trouble.external_id, trouble.outcome, trouble.reason, trouble.detail, trouble.pointer)
    )


def _counted(report: ItemReport) -> ItemReport:
    for outcome in ("imported", "updated", "unchanged"):
        if number := getattr(report, outcome):
            metrics.IMPORT_MESSAGES.labels(outcome=outcome).inc(number)
    return report
