"""The goals of the issue, and what a run says of each."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Relation = Literal["<=", ">="]
Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure of one side as a ratio to another's, round by round: the median, and how far the rounds lie apart."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a goal. `also` is the same figure of the product on one port."""

    name: str
    title: str
    value: float
    relation: Relation
    goal: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    also: float | None = None

    @property
    def reached(self) -> bool:
        return self.value <= self.goal if self.relation == "<=" else self.value >= self.goal

    @property
    def line(self) -> str:
        """One line for people."""
        spread = "" if self.low is None or self.high is None else f" ({self.low:.2f} to {self.high:.2f})"
        also = "" if self.also is None else f"; one port {self.also:.2f}"
        figure = f"{self.value:.2f}{self.unit}{spread}{also}"
        said = "reached" if self.reached else "MISSED "
        return f"{said}  {self.title}: {figure}, goal {self.relation} {self.goal:g}{self.unit}"


def figure(sample: Mapping[str, Any], name: str) -> float:
    """A figure of a sample; `total_ms` is the application's and PostgreSQL's CPU together."""
    return float(sample["app_ms"] + sample["postgres_ms"] if name == "total_ms" else sample[name])


def ratio(samples: Mapping[str, Sequence[Mapping[str, Any]]], name: str, side: str, base: str) -> Ratio:
    """Of the rounds' ratios the median; what a round saw of the machine's weather, both sides saw."""
    found = [figure(one, name) / figure(two, name) for one, two in zip(samples[side], samples[base], strict=True)]
    return Ratio(statistics.median(found), min(found), max(found))


@dataclass(frozen=True, slots=True)
class RatioGoal:
    """A goal about timed requests."""

    name: str
    title: str
    samples: str
    figure: str
    relation: Relation
    goal: float
    base: str = "idiomatic"

    def verdict(self, report: Report) -> Verdict | None:
        """None when it was not measured."""
        samples = report.get("requests", {}).get(self.samples)
        if not samples:
            return None
        found = ratio(samples, self.figure, "product", self.base)
        also = ratio(samples, self.figure, "one-port", self.base).value if "one-port" in samples else None
        return Verdict(
            self.name, self.title, found.value, self.relation, self.goal, "", found.low, found.high, also
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ValueGoal:
    """A goal about one figure of a group of the report."""

    name: str
    title: str
    path: tuple[str, ...]
    relation: Relation
    goal: float
    unit: str = ""

    def verdict(self, report: Report) -> Verdict | None:
        """None when it was not measured."""
        found: Any = report
        for step in self.path:
            found = found.get(step) if isinstance(found, Mapping) else None
        if found is None:
            return None
        found = found if isinstance(found, Mapping) else {"value": found}
        return Verdict(
            self.name, self.title, found["value"], self.relation, self.goal, self.unit, found.get("low"),
            found.get("high"),
        )  # fmt: skip


def _failures(report: Report) -> Verdict | None:
    if not report.get("requests"):
        return None
    count = sum(
        sum(sample["failures"].values())
        for by_side in report["requests"].values()
        for side in ("product", "one-port")
        for sample in by_side.get(side, ())
    )
    return Verdict("requests.failures", "timed requests of chatstore that failed", count, "<=", 0)


GOALS: tuple[RatioGoal | ValueGoal, ...] = (
    RatioGoal("history.app", "history: app CPU", "history@8", "app_ms", "<=", 0.30),
    RatioGoal("history.total", "history: app + PostgreSQL CPU", "history@8", "total_ms", "<=", 0.40),
    RatioGoal("history.tuned", "history: app + PostgreSQL CPU, to tuned", "history@8", "total_ms", "<=", 1.3, "tuned"),
    RatioGoal("history.rps8", "history: requests/s, 8 clients", "history@8", "per_second", ">=", 2.5),
    RatioGoal("history.rps32", "history: requests/s, 32 clients", "history@32", "per_second", ">=", 2.5),
    RatioGoal("history.p95_8", "history: p95, 8 clients", "history@8", "p95", "<=", 0.4),
    RatioGoal("history.p95_32", "history: p95, 32 clients", "history@32", "p95", "<=", 0.4),
    RatioGoal("unchanged.app", "history unchanged (304): app CPU", "unchanged@8", "app_ms", "<=", 0.2),
    RatioGoal("reread.tuned", "history read before: CPU, to tuned", "reread@8", "total_ms", "<=", 0.8, "tuned"),
    RatioGoal("list.app", "conversation list: app CPU", "list@8", "app_ms", "<=", 0.4),
    RatioGoal("append.app", "append: app CPU", "append@8", "app_ms", "<=", 0.5),
    RatioGoal("append.rps", "append: requests/s", "append@8", "per_second", ">=", 2),
    ValueGoal("growth.history", "growth: p50 of history, largest to smallest", ("growth", "history"), "<=", 1.1),
    ValueGoal("growth.list", "growth: p50 of list, largest to smallest", ("growth", "list"), "<=", 1.1),
    ValueGoal("growth.depth", "growth: a page at depth 10,000 to the first", ("growth", "depth"), "<=", 1.2),
    ValueGoal("import.speed", "import_chats: speed, to bare COPY", ("import", "speed"), ">=", 0.5),
    ValueGoal("import.memory", "import_chats: resident memory growth", ("import", "growth_mb"), "<=", 100, " MB"),
    ValueGoal("start.second", "make run, the second time", ("start", "second"), "<=", 5, " s"),
    *(
        goal
        for side, title in (("product", ""), ("one-port", ", one port"))
        for goal in (
            ValueGoal(f"memory.{side}", f"memory, mixed requests{title}", ("memory", side, "end"), "<=", 120, " MB"),
            ValueGoal(f"growth.{side}", f"memory, second half{title}", ("memory", side, "growth"), "<=", 4, " MB"),
            ValueGoal(f"crowd.{side}", f"200 clients{title}: failures", ("crowd", side, "failures"), "<=", 0),
            ValueGoal(f"crowd.{side}.p99", f"200 clients{title}: p99 to the queue", ("crowd", side, "p99"), "<=", 2),
            ValueGoal(f"slow.{side}", f"slow clients{title}: requests of others lost", ("slow", side), "<=", 0),
        )
    ),
)  # fmt: skip


def evaluate(report: Report) -> list[Verdict]:
    """A verdict on every goal that was measured, in the order of the issue."""
    judges: list[Callable[[Report], Verdict | None]] = [goal.verdict for goal in GOALS]
    found = [judge(report) for judge in [*judges[:12], _failures, *judges[12:]]]
    return [verdict for verdict in found if verdict is not None]
