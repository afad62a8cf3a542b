"""Timed runs: interleaved, so that what else the machine does meets all sides alike."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bench.cpu import tree_seconds
from bench.load import Job, Outcome
from bench.servers import Server
from bench.stage import Stage
from bench.work import Kind

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed run. CPU in milliseconds a request, latencies in milliseconds."""

    requests: int
    failures: dict[str, int]
    per_second: float
    app_ms: float
    postgres_ms: float
    p50: float
    p95: float
    p99: float

    @property
    def total_ms(self) -> float:
        return self.app_ms + self.postgres_ms


def interleaved(items: Sequence[T], rounds: int) -> Iterator[tuple[int, Sequence[T]]]:
    """A B C, C B A, A B C, …: a drift of the machine favours nobody."""
    for number in range(rounds):
        yield number, items if number % 2 == 0 else list(reversed(items))


def measure(
    stage: Stage, servers: Sequence[Server], kind: Kind, *, clients: int, rounds: int
) -> dict[str, list[Sample]]:
    """The samples of each side, by its name, in the order of the rounds."""
    samples: dict[str, list[Sample]] = {server.side.name: [] for server in servers}
    for number, order in interleaved(servers, rounds):
        kind.before_round(stage, number)
        for server in order:
            samples[server.side.name].append(_timed(stage, server, kind, clients, number))
    return samples


def _timed(stage: Stage, server: Server, kind: Kind, clients: int, number: int) -> Sample:
    requests = kind.requests(stage, server, number)
    warm_up = [call.to(server.port) for call in requests.warm_up]
    timed = [call.to(server.port) for call in requests.timed]
    stage.generator.run(Job(server.port, clients, warm_up, stage.plan.seconds, (kind.status,)))
    app, postgres = server.cpu_seconds(), tree_seconds(stage.postmaster)
    outcome = stage.generator.run(Job(server.port, clients, timed, stage.plan.seconds, (kind.status,)))
    app, postgres = server.cpu_seconds() - app, tree_seconds(stage.postmaster) - postgres
    return sample_of(outcome, app, postgres)


def sample_of(outcome: Outcome, app_seconds: float, postgres_seconds: float) -> Sample:
    """The figures of a run. Raises RuntimeError when not one request was answered well."""
    count = len(outcome.latencies)
    if not count:
        raise RuntimeError(f"No request was answered as it should be: {dict(outcome.failures)}")
    milliseconds = sorted(1000 * seconds for seconds in outcome.latencies)
    return Sample(
        requests=count,
        failures=dict(outcome.failures),
        per_second=count / outcome.seconds,
        app_ms=1000 * app_seconds / count,
        postgres_ms=1000 * postgres_seconds / count,
        p50=statistics.median(milliseconds),
        p95=quantile(milliseconds, 0.95),
        p99=quantile(milliseconds, 0.99),
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that this share does not exceed; of few values, the one that is next."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
