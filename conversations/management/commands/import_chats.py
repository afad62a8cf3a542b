"""`manage.py import_chats FILE… --user EMAIL`: a person's history from elsewhere."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from accounts.models import User
from chatstore import metrics
from conversations.actions.ingest import ImportTotals, ItemReport, conversations_ingest
from conversations.interchange.errors import SourceError
from conversations.interchange.files import read_files, total_bytes


class Command(BaseCommand):
    help = (
        "Import a person's conversations from a file as its vendor gave it (ChatGPT: conversations.json, or the zip; "
        "several parts of one export together). The same file again changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--user", required=True, metavar="EMAIL", help="whose conversations these are")
        parser.add_argument("--dry-run", action="store_true", help="do it all, report it, and undo it")
        parser.add_argument("--json", action="store_true", help="the report as JSON Lines, the totals last")

    def handle(
        self, *, files: Sequence[Path], user: str, dry_run: bool, json: bool, verbosity: int, **options: Any
    ) -> None:
        owner = User.objects.filter(email=User.objects.normalize_email(user).lower()).only("id").first()
        if owner is None:
            raise CommandError("There is no account with this e-mail address.")
        totals = ImportTotals()
        fault: Exception | None = None
        try:
            for report in self._imported(owner.pk, files, dry_run):
                totals.add(report)
                self._say(report, json, verbosity)
        except (SourceError, OSError) as error:
            fault = error
        status = "failed" if fault and not totals.any_stored else "partial_success" if fault else totals.status
        metrics.IMPORTS.labels(status=status).inc()
        self._sum_up(status, totals, fault, dry_run, json)
        if status == "failed":
            sys.exit(1)
        if status == "partial_success":
            sys.exit(2)

    def _imported(self, user_id: Any, files: Sequence[Path], dry_run: bool) -> Iterator[ItemReport]:
        columns = (
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
            TimeRemainingColumn(), TextColumn("{task.fields[count]} conversations"),
        )  # fmt: skip
        with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
            bar = progress.add_task("Importing", total=total_bytes(files), count=0)

            def advance(count: int) -> None:
                progress.advance(bar, count)

            found = read_files(files, on_bytes=advance)
            for count, report in enumerate(
                conversations_ingest(user_id=user_id, found=found, dry_run=dry_run), start=1
            ):
                progress.update(bar, count=count)
                yield report

    def _say(self, report: ItemReport, as_json: bool, verbosity: int) -> None:
        """A line for each conversation; ids and counts, never a title."""
        if as_json:
            self.stdout.write(json.dumps(asdict(report), default=str))
            return
        if report.outcome == "unchanged" and verbosity < 2:
            return
        counts = f"{report.imported} new, {report.updated} changed, {report.unchanged} unchanged"
        said = ": ".join(filter(None, (report.reason, report.detail))) or counts
        style = self.style.ERROR if report.outcome == "failed" else lambda text: text
        self.stdout.write(style(f"{report.index + 1:>6}  {report.outcome:<9}  {_short(report.external_id)}  {said}"))

    def _sum_up(
        self, status: str, totals: "ImportTotals", fault: Exception | None, dry_run: bool, as_json: bool
    ) -> None:
        if as_json:
            reason = getattr(fault, "reason", type(fault).__name__) if fault else totals.reason
            told = {"status": status, "reason": reason, "dry_run": dry_run, **asdict(totals)}
            self.stdout.write(json.dumps(told))
            return
        if fault:
            self.stderr.write(self.style.ERROR(f"Stopped: {fault}"))
        if totals.reason:
            self.stderr.write(self.style.ERROR("There is nothing to import in it."))
        undone = " (dry run: nothing was kept)" if dry_run else ""
        style = self.style.SUCCESS if status == "success" else self.style.WARNING
        self.stdout.write(style(f"{status}: {totals}{undone}"))


def _short(external_id: str | None) -> str:
    text = external_id or "-"
    return f"{text[:36]:<36}"
