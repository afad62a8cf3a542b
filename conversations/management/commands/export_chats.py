"""`manage.py export_chats --user EMAIL --format F --output PATH`: a person's history, to take away."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from accounts.models import User
from conversations.interchange.errors import WriterError
from conversations.interchange.records import ConversationRecord
from conversations.interchange.sinks import FileSink, SinkError
from conversations.interchange.writers import WRITERS
from conversations.queries import archive


@dataclass(slots=True)
class Written:
    """What went into the file. A failed run keeps no file, and counts nothing."""

    conversations: int = 0
    messages: int = 0
    bytes: int = 0


class Command(BaseCommand):
    help = (
        "Write a person's conversations into a file: all of them or those chosen, without the trash. The exit code is "
        "0 when the file is whole, 1 when there is none, 2 when it is whole but some of the chosen were not there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, metavar="EMAIL", help="whose conversations")
        parser.add_argument("--format", required=True, choices=list(WRITERS))
        parser.add_argument("--output", required=True, type=Path, metavar="PATH")
        parser.add_argument(
            "--conversation", action="append", type=UUID, metavar="ID", help="only this one; repeatable"
        )
        parser.add_argument("--force", action="store_true", help="replace a file that is there")
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(
        self, *, user: str, format: str, output: Path, conversation: Sequence[UUID] | None, force: bool, json: bool,
        **options: Any,
    ) -> None:  # fmt: skip
        owner = User.objects.filter(email=User.objects.normalize_email(user).lower()).only("id").first()
        if owner is None:
            raise CommandError("There is no account with this e-mail address.")
        ids = None if conversation is None else list(dict.fromkeys(conversation))
        written, fault = Written(), None
        try:
            with FileSink(output, overwrite=force) as sink:
                for chunk in WRITERS[format].write(self._records(owner.pk, ids, written)):
                    sink.write(chunk)
            written.bytes = sink.size
        except (SinkError, WriterError) as error:
            written, fault = Written(), error
        missing = 0 if ids is None or fault else len(ids) - written.conversations
        self._sum_up(written, missing, fault, json)
        if fault or missing:
            sys.exit(1 if fault else 2)

    def _records(self, user_id: UUID, ids: Sequence[UUID] | None, written: Written) -> Iterator[ConversationRecord]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
            bar = progress.add_task("Exporting", total=archive.archive_size(user_id=user_id, ids=ids))
            for record in archive.conversations(user_id=user_id, ids=ids):
                written.conversations += 1
                written.messages += len(record.messages)
                yield record
                progress.advance(bar)

    def _sum_up(self, written: Written, missing: int, fault: SinkError | WriterError | None, as_json: bool) -> None:
        status = "failed" if fault else "partial_success" if missing else "success"
        if as_json:
            counts = {"conversations": written.conversations, "messages": written.messages, "bytes": written.bytes}
            told = {"status": status, "reason": fault.reason if fault else "", **counts, "missing": missing}
            self.stdout.write(json.dumps(told))
            return
        if fault:
            self.stderr.write(self.style.ERROR(f"Nothing was written: {fault.detail}"))
            return
        style = self.style.WARNING if missing else self.style.SUCCESS
        gone = f"; {missing} of those asked for are not there" if missing else ""
        said = f"{written.conversations} conversations, {written.messages} messages, {written.bytes} bytes{gone}"
        self.stdout.write(style(f"{status}: {said}"))
