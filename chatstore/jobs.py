"""The queue: procrastinate's, in PostgreSQL, so that a job is queued by the transaction that it is about.

Its rows hold ids and nothing else; a finished one is deleted. What a job is, how far it is and how it ended stands in
the tables of those who queue it. `chatstore.worker` takes jobs up again.
"""

from typing import Any
from uuid import UUID

from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.contrib.django import app
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job

from chatstore.problems import DatabaseUnavailable, as_domain_error

QUEUE = "chatstore"
MAX_RETRIES = 20
LONGEST_WAIT = 60  # seconds between two tries


class Interrupted(JobAborted):
    """The worker is to stop: the job goes back into the queue, for another one."""


class RetryLater(BaseRetryStrategy):
    """At once after an interruption, later and later while the database is away; a fault of ours is not repeated."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, Interrupted):
            return RetryDecision()
        if isinstance(as_domain_error(exception), DatabaseUnavailable) and job.attempts < MAX_RETRIES:
            return RetryDecision(retry_in={"seconds": min(2**job.attempts, LONGEST_WAIT)})
        return None


def enqueue(task: str, *, user_id: UUID, job_id: UUID) -> None:
    """Queue a job of a person's, as part of the transaction that is open."""
    arguments: dict[str, Any] = {"user_id": str(user_id), "job_id": str(job_id)}
    app.configure_task(task, queue=QUEUE).defer(**arguments)
