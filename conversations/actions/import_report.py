"""The report of a running import: what became of each item is written by the transaction that did it.

So a report is never ahead of what is stored, nor behind it: after a kill, the next attempt goes on at the first item
that was not reported, and counts nothing twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from uuid import UUID

from django.db import transaction

from chatstore.owned import new_id
from chatstore.sql import write
from conversations.actions import copying
from conversations.actions.ingest import ImportTotals, ItemReport
from conversations.interchange.records import ConversationRecord
from conversations.models.job import Outcome

TROUBLES_AT_ONCE = 500
_PLACES = {Outcome.FAILED: 0, Outcome.SKIPPED: 1}  # what went wrong comes first
_COUNTS = tuple(asdict(ImportTotals()))

# Uses the table's key. No row: another worker has taken the job up since, or it was cancelled, or its person is gone.
PROGRESS = f"""
    UPDATE conversations_importjob AS j
       SET {", ".join(f"{name} = %({name})s" for name in _COUNTS)}, format = %(format)s,
           done = %(done)s, bytes_done = %(bytes_done)s, heartbeat_at = clock_timestamp()
     WHERE j.user_id = %(user)s AND j.id = %(job)s AND j.attempt = %(attempt)s AND j.status = 'running'
    RETURNING j.id
"""
_ITEM_COLUMNS = (
    "user_id", "id", "job_id", "index", "place", "external_id", "outcome", "reason", "detail", "pointer",
    "conversation_id",
)  # fmt: skip


class NotOurs(Exception):
    """The job was cancelled, or another worker has taken it up: nothing more is to be written."""


@dataclass(slots=True)
class ImportReport:
    """The report as far as it is written, and what waits to be written with the next batch.

    `done` is how many items are reported: the index of the next one. `on_written` is told after each writing.
    """

    user_id: UUID
    job_id: UUID
    attempt: int
    totals: ImportTotals = field(default_factory=ImportTotals)
    done: int = 0
    bytes_done: int = 0
    format: str = ""
    on_written: Callable[[], None] = lambda: None
    _waiting: list[ItemReport] = field(default_factory=list)
    _exchanges: dict[int, tuple[int, int]] = field(default_factory=dict)

    def count_exchanges(self, index: int, record: ConversationRecord) -> None:
        """Of this record the report is to count questions with their answers, not messages."""
        questions = sum(message.role == "user" for message in record.messages)
        self._exchanges[index] = questions, len(record.messages)

    def _counted(self, report: ItemReport) -> ItemReport:
        """A question with its answer is one item: exact where all or none are new, or all have answers."""
        questions, messages = self._exchanges.pop(report.index, (1, 1))
        if questions == messages:
            return report
        counts = {
            name: -(-getattr(report, name) * questions // messages) for name in ("imported", "updated", "unchanged")
        }
        return replace(report, **counts)

    def record(self, reports: Sequence[ItemReport]) -> None:
        """Write reports, and what waits, within the transaction that is open. Raises NotOurs, and nothing is stored."""
        written = [*self._waiting, *reports]
        for report in written:
            self.totals.add(self._counted(report))
            self.done = max(self.done, report.index + 1)
        self._waiting = []
        if not write(PROGRESS, self._params()):
            raise NotOurs
        copying.copy_lines("conversations_importitem", _ITEM_COLUMNS, map(self._line, written))
        self.on_written()

    def heard(self, report: ItemReport) -> None:
        """A report that conversations_ingest gave: that of a Trouble was not recorded, and waits for the next batch."""
        if report.index >= self.done:
            self._waiting.append(report)
            if len(self._waiting) >= TROUBLES_AT_ONCE:
                self.flush()

    def flush(self) -> None:
        """Write what waits, and how far the reading is. Raises NotOurs."""
        with transaction.atomic():
            self.record(())

    def _params(self) -> dict[str, object]:
        return {
            "user": self.user_id,
            "job": self.job_id,
            "attempt": self.attempt,
            "format": self.format,
            "done": self.done,
            "bytes_done": self.bytes_done,
            **asdict(self.totals),
        }

    def _line(self, report: ItemReport) -> tuple[str, ...]:
        place = (_PLACES.get(Outcome(report.outcome), 2) << 40) + report.index
        return (
            copying.plain(self.user_id),
            copying.plain(new_id()),
            copying.plain(self.job_id),
            copying.plain(report.index),
            copying.plain(place),
            copying.text(report.external_id),
            report.outcome,
            copying.text(report.reason),
            copying.text(report.detail),
            copying.text(report.pointer),
            copying.plain(report.conversation_id),
        )
