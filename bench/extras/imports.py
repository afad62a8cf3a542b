"""`import_chats` beside a bare COPY of the same rows into the same table."""

import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from bench.database import product_environment
from bench.dataset import SEED
from bench.plan import HOME, ROOT
from bench.stage import Stage
from bench.texts import Texts

PER_CONVERSATION = 50
EMAIL = "importer@bench.example"
BEGIN = 1_600_000_000.25
TABLES = ("conversations_message", "conversations_conversation", "conversations_change")


def measure(stage: Stage) -> dict[str, Any]:
    """`speed`: bare COPY's time to the import's, round by round; `growth_mb`: what the process grew by, at most."""
    file = export_file(stage.texts, stage.plan.import_messages)
    user = uuid4()
    connection = stage.connection
    connection.execute(
        "INSERT INTO accounts_user (id, email, password, is_superuser, is_staff, is_active, security_stamp)"
        " VALUES (%s, %s, '!', false, false, true, gen_random_uuid())",
        [user, EMAIL],
    )
    rounds = []
    for _ in range(stage.plan.import_rounds):
        imported = _import(stage, file)
        rows = HOME / "rows.copy"
        count = _save_rows(connection, user, rows)
        if count != stage.plan.import_messages:
            raise RuntimeError(f"{count} messages came in, of {stage.plan.import_messages}")
        connection.execute("DELETE FROM conversations_message WHERE user_id = %s", [user])
        _tidy(connection)
        rounds.append({**imported, "copy_seconds": _copy(connection, rows)})
        rows.unlink()
        _forget(connection, user)
        _tidy(connection)
    ratios = [one["copy_seconds"] / one["seconds"] for one in rounds]
    return {
        "speed": {"value": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
        "growth_mb": max(one["peak_mb"] - one["before_mb"] for one in rounds),
        "messages": stage.plan.import_messages,
        "file_mb": file.stat().st_size / 1e6,
        "rounds": rounds,
    }


def _import(stage: Stage, file: Path) -> dict[str, float]:
    """In a process of its own; the time is the command's, without the start of Python and Django."""
    command = [sys.executable, "-m", "bench.extras.import_child", str(file), EMAIL]
    environment = product_environment() | {"DATABASE_URL": stage.url, "DJANGO_SETTINGS_MODULE": "chatstore.settings"}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _save_rows(connection: psycopg.Connection, user: Any, target: Path) -> int:
    with connection.cursor() as cursor, target.open("wb") as file:
        query = f"COPY (SELECT * FROM conversations_message WHERE user_id = '{user}') TO STDOUT"
        with cursor.copy(query.encode()) as copy:
            for part in copy:
                file.write(part)
        return cursor.rowcount


def _copy(connection: psycopg.Connection, rows: Path) -> float:
    started = time.perf_counter()
    statement = b"COPY conversations_message FROM STDIN"
    with connection.cursor() as cursor, rows.open("rb") as file, cursor.copy(statement) as copy:
        while part := file.read(1 << 18):
            copy.write(part)
    return time.perf_counter() - started


def _forget(connection: psycopg.Connection, user: Any) -> None:
    for table in ("conversations_conversation", "conversations_change", "conversations_changecounter"):
        connection.execute(f"DELETE FROM {table} WHERE user_id = %s".encode(), [user])


def _tidy(connection: psycopg.Connection) -> None:
    """So that each begins with a table of the same size, and nobody's vacuum runs while another is timed."""
    connection.execute(f"VACUUM (ANALYZE) {', '.join(TABLES)}".encode())
    connection.execute("CHECKPOINT")


def export_file(texts: Texts, messages: int) -> Path:
    """An export as ChatGPT writes it, with this many messages; the same every time."""
    path = HOME / f"export-{messages}.json"
    if path.exists():
        return path
    rng = random.Random(f"{SEED} export")
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        file.write("[")
        for number, begin in enumerate(range(0, messages, PER_CONVERSATION)):
            count = min(PER_CONVERSATION, messages - begin)
            file.write(",\n" if number else "")
            json.dump(_conversation(texts, rng, number, count), file, ensure_ascii=False)
        file.write("]")
    new.rename(path)
    return path


def _conversation(texts: Texts, rng: random.Random, number: int, count: int) -> dict[str, Any]:
    begin = BEGIN + number * 10_000
    nodes: list[dict[str, Any]] = [{"id": f"root-{number}", "message": None, "parent": None, "children": []}]
    for place in range(count):
        node = f"node-{number}-{place}"
        nodes[-1]["children"].append(node)
        message = _message(texts, rng, node, "assistant" if place % 2 else "user", begin + 30 * place)
        nodes.append({"id": node, "message": message, "parent": nodes[-1]["id"], "children": []})
    return {
        "title": f"Conversation {number}", "create_time": begin, "update_time": begin + 30 * count,
        "mapping": {node["id"]: node for node in nodes}, "current_node": nodes[-1]["id"],
        "conversation_id": f"conversation-{number}", "id": f"conversation-{number}",
        "default_model_slug": "gpt-4o", "is_archived": False, "moderation_results": [], "plugin_ids": None,
    }  # fmt: skip


def _message(texts: Texts, rng: random.Random, node: str, role: str, time_: float) -> dict[str, Any]:
    metadata = {"model_slug": "gpt-4o", "finish_details": {"type": "stop"}} if role == "assistant" else {}
    return {
        "id": node, "author": {"role": role, "name": None, "metadata": {}}, "create_time": time_, "update_time": None,
        "content": {"content_type": "text", "parts": [texts.take(role, rng)]}, "status": "finished_successfully",
        "end_turn": True, "weight": 1.0, "metadata": metadata, "recipient": "all", "channel": None,
    }  # fmt: skip
