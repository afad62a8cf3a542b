"""Whether what one person sees costs the same, however much others have, and however far down they read."""

import json
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench.goals import Ratio
from bench.http import HOST, Call, Client
from bench.load import Job
from bench.people import Target
from bench.rounds import interleaved
from bench.servers import PRODUCT, Server, running
from bench.stage import Stage, turn
from bench.work import history_of, list_of

DEPTHS = (0, 100, 1_000, 5_000, 10_000)
STEP = 500
DEPTH_REQUESTS = 60


@dataclass(frozen=True, slots=True)
class Step:
    """One size, served."""

    messages: int
    stage: Stage
    server: Server


def measure(stages: Sequence[Stage], sizes: Sequence[int]) -> dict[str, Any]:
    """`history` and `list`: p50 at the largest size to that at the smallest; `depth`; and the figures behind them."""
    with ExitStack() as stack:
        steps = []
        for stage, messages in zip(stages, sizes, strict=True):
            (server,) = stack.enter_context(running([PRODUCT], stage.url))
            steps.append(Step(messages, stage, server))
        by_size = _by_size(steps)
        depths = _by_depth(steps[-1])
    found: dict[str, Any] = {"sizes": by_size}
    for name in ("history", "list"):
        found[name] = _ratio(by_size[str(sizes[-1])][name], by_size[str(sizes[0])][name])
    if depths:
        found["depths"] = depths
        found["depth"] = _ratio(depths[str(DEPTHS[-1])], depths["0"])
    return found


def _ratio(these: Sequence[float], those: Sequence[float]) -> dict[str, float]:
    found = [one / two for one, two in zip(these, those, strict=True)]
    ratio = Ratio(statistics.median(found), min(found), max(found))
    return {"value": ratio.value, "low": ratio.low, "high": ratio.high}


def _by_size(steps: Sequence[Step]) -> dict[str, dict[str, list[float]]]:
    """p50 in milliseconds of each round, one client: size -> kind of work -> rounds."""
    plan = steps[0].stage.plan
    # As many conversations as the smallest has, each once a round: none is read twice in the same version.
    count = min(plan.growth_requests, *(len(step.stage.people.long) for step in steps))
    found: dict[str, dict[str, list[float]]] = {str(step.messages): {"history": [], "list": []} for step in steps}
    for number, order in interleaved(steps, plan.rounds + 1):
        for step in order:
            people = step.stage.people
            targets = turn(people.long, number * count, count)
            step.stage.renew(targets)
            lists = turn(list(people.tokens.values()), number, count)
            for name, calls in (("history", map(history_of, targets)), ("list", map(list_of, lists))):
                p50 = _p50(step, list(calls))
                if number:  # the first round warms up
                    found[str(step.messages)][name].append(p50)
    return found


def _p50(step: Step, calls: Sequence[Call]) -> float:
    job = Job(step.server.port, 1, [call.to(step.server.port) for call in calls], 60.0, (200,))
    outcome = step.stage.generator.run(job)
    if outcome.failures:
        raise RuntimeError(f"growth: {dict(outcome.failures)}")
    return 1000 * statistics.median(outcome.latencies)


def _by_depth(step: Step) -> dict[str, list[float]]:
    """Milliseconds of each request at each depth of the deepest conversation, all depths in turn."""
    deep = step.stage.people.deep
    if deep is None:
        return {}
    found: dict[str, list[float]] = {str(depth): [] for depth in DEPTHS}
    with Client(step.server.port) as client:
        calls = [(str(depth), _page_at(client, deep, depth, step.server.port)) for depth in DEPTHS]
        for number, order in interleaved(calls, DEPTH_REQUESTS):
            for depth, call in order:
                step.stage.renew([deep])
                started = time.perf_counter()
                answer = client.ask(call)
                if answer.status != 200:
                    raise RuntimeError(f"depth {depth}: {answer.status}")
                if number >= DEPTH_REQUESTS // 6:
                    found[depth].append(1000 * (time.perf_counter() - started))
    return found


def _page_at(client: Client, target: Target, depth: int, port: int) -> Call:
    """The page of 50 that begins after `depth` messages, reached as a client reaches it: by following `next`."""
    call, passed = history_of(target), 0
    while passed < depth:
        size = min(STEP, depth - passed)
        wide = Call("GET", call.path.replace("limit=50", f"limit={size}"), target.token)
        link = json.loads(client.ask(wide).body)["next"]
        path = link.removeprefix(f"http://{HOST}:{port}").replace(f"limit={size}", "limit=50")
        call, passed = Call("GET", path, target.token), passed + size
    return call
