"""One run from beginning to end: the data, the comparison, everything that is timed, and the report."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench import compare, goals, machine, rounds
from bench.database import Database
from bench.dataset import SEED
from bench.extras import crowd, growth, imports, memory, start
from bench.load import Generator
from bench.plan import HOME, Plan
from bench.servers import ONE_PORT, PRODUCT, SIDES, Server, running
from bench.stage import Stage, on_stage
from bench.texts import Texts
from bench.work import KINDS

REPORT = HOME / "report.json"
CLIENTS, MANY_CLIENTS = 8, 32
IN_TWO = ("history", "list", "append")  # what is timed again with two workers
Samples = dict[str, list[dict[str, Any]]]


def run(plan: Plan) -> dict[str, Any]:
    """The report. Raises compare.DifferentError when the sides do not do the same work."""
    with ExitStack() as stack:
        database = Database()
        stack.callback(database.close)
        generator = Generator()
        stack.callback(generator.close)
        report: dict[str, Any] = {
            "date": machine.today(),
            "plan": asdict(plan),
            "machine": machine.machine(),
            "versions": machine.versions(database),
            "sides": {side.name: side.title for side in SIDES},
        }
        started, texts = time.monotonic(), Texts(SEED)
        source = database.ensure(plan.sizes)
        if plan.wants("requests", "concurrency", "workers", "import", "memory", "crowd", "slow", *plan.work):
            with on_stage(plan, database, generator, texts, source) as stage:
                _on_stage(stage, report)
        if plan.wants("growth"):
            report["growth"] = _growth(plan, database, generator, texts)
        if plan.wants("start"):
            with _said("the start of `make run`"):
                report["start"] = start.measure(plan.start_rounds)
        report["seconds"] = round(time.monotonic() - started, 1)
    report["goals"] = [asdict(verdict) | {"reached": verdict.reached} for verdict in goals.evaluate(report)]
    return report


def save(report: dict[str, Any], path: Path = REPORT) -> None:
    """Whole, or not at all."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(report, indent=1), encoding="utf-8")
    new.replace(path)


def _on_stage(stage: Stage, report: dict[str, Any]) -> None:
    plan = stage.plan
    if plan.work or plan.wants("concurrency"):
        with running(SIDES, stage.url) as servers:
            with _said("the comparison of all sides' answers"):
                report["compared"] = compare.compare(servers, stage.people, stage.connection)
            report["requests"] = _requests(stage, servers)
            if plan.wants("concurrency"):
                report["concurrency"] = _concurrency(stage, servers)
    if plan.wants("workers"):
        with running(SIDES, stage.url, workers=2) as servers:
            report["two_workers"] = {
                f"{name}@{MANY_CLIENTS}": _measured(stage, servers, name, MANY_CLIENTS, plan.rounds) for name in IN_TWO
            }
    if plan.wants("memory", "crowd"):
        with running((PRODUCT, ONE_PORT), stage.url) as servers:
            for name, of_server in (("memory", memory.measure), ("crowd", crowd.measure)):
                if plan.wants(name):
                    with _said(name):
                        report[name] = {server.side.name: of_server(stage, server) for server in servers}
    for name, measure in (("slow", crowd.measure_slow), ("import", imports.measure)):
        if plan.wants(name):
            with _said(name):
                report[name] = measure(stage)


def _requests(stage: Stage, servers: list[Server]) -> dict[str, Samples]:
    found = {}
    for name in stage.plan.work:
        for clients in (CLIENTS, MANY_CLIENTS) if name == "history" else (CLIENTS,):
            found[f"{name}@{clients}"] = _measured(stage, servers, name, clients, stage.plan.rounds)
    return found


def _concurrency(stage: Stage, servers: list[Server]) -> dict[str, Samples]:
    """The history by the number of clients."""
    plan = stage.plan
    return {
        str(clients): _measured(stage, servers, "history", clients, plan.concurrency_rounds)
        for clients in plan.concurrency
    }


def _measured(stage: Stage, servers: list[Server], name: str, clients: int, count: int) -> Samples:
    kind, workers = KINDS[name], servers[0].workers
    with _said(f"{kind.title}, {clients} clients, {workers} worker{'s' if workers > 1 else ''}"):
        samples = rounds.measure(stage, servers, kind, clients=clients, rounds=count)
    return {side: [asdict(sample) for sample in found] for side, found in samples.items()}


def _growth(plan: Plan, database: Database, generator: Generator, texts: Texts) -> dict[str, Any]:
    sources = [database.ensure(plan.sizes.with_messages(messages)) for messages in plan.growth]
    with ExitStack() as stack, _said("growth"):
        stages = [stack.enter_context(on_stage(plan, database, generator, texts, source)) for source in sources]
        return growth.measure(stages, plan.growth)


@contextmanager
def _said(what: str) -> Iterator[None]:
    """A line for each thing that takes time."""
    started = time.monotonic()
    print(f"  {what} …", end="", flush=True)
    yield
    print(f" {time.monotonic() - started:.1f} s", flush=True)
