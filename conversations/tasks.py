"""What the workers do for this app: each task takes ids, and calls one action."""

from uuid import UUID

from procrastinate import JobContext
from procrastinate.contrib.django import app

from chatstore.jobs import QUEUE, Interrupted, RetryLater
from chatstore.logs import bind_user
from conversations.actions import exports, imports
from conversations.actions.import_work import import_work


@app.task(name=imports.TASK, queue=QUEUE, retry=RetryLater(), pass_context=True)
def run_import(context: JobContext, user_id: str, job_id: str) -> None:
    """Carry an import out."""
    bind_user(user_id)
    import_work(user_id=UUID(user_id), job_id=UUID(job_id), check=lambda: _check(context))


@app.task(name=exports.TASK, queue=QUEUE, retry=RetryLater(), pass_context=True)
def run_export(context: JobContext, user_id: str, job_id: str) -> None:
    """Write an export."""
    bind_user(user_id)
    exports.export_work(user_id=UUID(user_id), job_id=UUID(job_id), check=lambda: _check(context))


def _check(context: JobContext) -> None:
    """Raises Interrupted when the worker is to stop."""
    if context.should_abort():
        raise Interrupted
