"""The tail of every writing statement: the change counter, the change rows, and the answer that is kept.

A write is one SQL statement, and so its own transaction: it happens whole or not at all, without BEGIN and COMMIT,
which are round trips too. The parts before the tail differ; they must offer a CTE
`changed(ordinal, kind, object_id, conversation_id, op)`.
"""

from django.db import IntegrityError

from chatstore import metrics
from chatstore.problems import to_a_live_caller
from chatstore.sql import Params, Row, write
from conversations.actions.idempotency import Once, raise_answer_given

# The counter is locked when all else is done: who holds it commits next, so the order of the feed is that of commits.
RECORD = """
    counter AS (
        INSERT INTO conversations_changecounter AS k (user_id, value)
        SELECT %(user)s, count(*) FROM changed HAVING count(*) > 0
            ON CONFLICT (user_id) DO UPDATE SET value = k.value + excluded.value
        RETURNING k.value
    ),
    recorded AS (
        INSERT INTO conversations_change (user_id, id, kind, object_id, conversation_id, op)
        SELECT %(user)s,
               counter.value - count(*) OVER () + row_number() OVER (ORDER BY changed.ordinal),
               changed.kind, changed.object_id, changed.conversation_id, changed.op
          FROM changed, counter
    )
"""

# After the counter, always: two statements that wait for each other's key and counter would be a deadlock.
KEEP = """
    , kept AS (
        INSERT INTO conversations_idempotencykey (user_id, id, fingerprint, status, body, version, conversation_id)
        SELECT %(user)s, %(once_id)s, %(once_fingerprint)s, %(once_status)s, {answer}::text, {version}, {conversation}
          FROM counter
    )
"""


class Write:
    """One named writing statement, in two forms: alone, and with its answer kept under an idempotency key.

    `answer` is the body as one JSON value, `version` that of its ETag, `about` the conversation that it quotes.
    """

    def __init__(
        self,
        name: str,
        head: str,
        select: str,
        *,
        answer: str = "",
        version: str = "NULL::bigint",
        about: str = "NULL::uuid",
        status: int = 201,
    ) -> None:
        self.name, self.status = name, status
        self.plain = f"/* {name} */ WITH {head}, {RECORD} {select}"
        kept = KEEP.format(answer=answer, version=version, conversation=about)
        self.kept = f"/* {name} */ WITH {head}, {RECORD} {kept} {select}" if answer else ""  # only a POST has a key

    def run(self, params: Params, *, once: Once | None = None) -> list[Row]:
        """The rows of its final SELECT. Raises AnswerGiven when this request was answered before."""
        try:
            if once:  # a repeat meets the key of the first run, and gets its answer
                rows = write(self.kept, {**params, **once.params(self.status)}, repeatable=True)
            else:
                rows = write(self.plain, params)
        except IntegrityError as error:
            diagnostics = getattr(error.__cause__, "diag", None)
            if once and getattr(diagnostics, "constraint_name", "") == "conversations_idempotencykey_pkey":
                with to_a_live_caller():  # or the statement would not have come as far as the key
                    raise_answer_given(user_id=params["user"], once=once)
                return self.run(params, once=once)  # the key had expired, and is free now
            metrics.SAVE_FAILURES.labels(kind=self.name, reason="refused").inc()
            raise
        except Exception:
            metrics.SAVE_FAILURES.labels(kind=self.name, reason="fault").inc()
            raise
        if rows:
            metrics.SAVES.labels(kind=self.name).inc()
        return rows
