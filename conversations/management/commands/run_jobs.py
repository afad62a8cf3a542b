"""`manage.py run_jobs`: a worker, which carries imports and exports out."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from chatstore import worker
from conversations.actions.exports import exports_tidy
from conversations.actions.import_work import imports_tidy

TIDY = (imports_tidy, exports_tidy)


class Command(BaseCommand):
    help = (
        "Carry out queued imports and exports until SIGTERM or SIGINT, which end it within 5 seconds: what it was at "
        "goes back into the queue. As many may run at once as you like. A line of the log for each job."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when the queue is empty")
        parser.add_argument("--end-with", type=int, metavar="PID", help="end when this process does, its parent")

    def handle(self, *, once: bool, end_with: int | None, **options: Any) -> None:
        if end_with is not None:
            worker.end_with(end_with)
        worker.run(once=once, tidy=TIDY)
