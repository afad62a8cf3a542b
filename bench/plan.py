"""How much of everything: the full run, the quick one, and what a command line makes of them."""

from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "var" / "bench"

GROUPS = ("requests", "concurrency", "workers", "growth", "import", "memory", "start", "crowd", "slow")
FIRST_ANSWER = ("requests", "growth", "import", "memory", "start", "crowd", "slow")  # what has a goal
WORK = ("history", "unchanged", "reread", "list", "append")


@dataclass(frozen=True, slots=True)
class Sizes:
    """The size of a data set; the same sizes are always the same rows."""

    users: int
    conversations: int
    messages: int

    @property
    def database(self) -> str:
        return f"bench_{self.users}_{self.conversations}_{self.messages}"

    def with_messages(self, messages: int) -> "Sizes":
        """Fewer or more people who have as much each: what one person sees costs the same, if growth costs nothing."""
        share = messages / self.messages
        users = max(1, round(self.users * share))
        return Sizes(users, max(users, round(self.conversations * share)), messages)


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run does. `requests` and `seconds` bound each timed run; whichever comes first ends it."""

    name: str = "full"
    sizes: Sizes = Sizes(200, 20_000, 1_000_000)
    rounds: int = 7
    requests: int = 1_500
    seconds: float = 6.0
    warm_up: int = 150
    hot: int = 100  # conversations that are read again and again
    concurrency: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    concurrency_rounds: int = 3
    growth: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    growth_requests: int = 400
    depth: int = 10_000
    import_messages: int = 100_000
    import_rounds: int = 7
    mixed_requests: int = 100_000
    crowd_requests: int = 6_000
    start_rounds: int = 3
    groups: tuple[str, ...] = GROUPS  # and kinds of work, by themselves

    def wants(self, *names: str) -> bool:
        """Whether any of these groups or kinds of work is to be measured."""
        return any(name in self.groups for name in names)

    @property
    def work(self) -> tuple[str, ...]:
        """The kinds of work that are timed against the peers."""
        return tuple(name for name in WORK if self.wants("requests", name))


FULL = Plan()
QUICK = Plan(
    name="quick",
    sizes=Sizes(40, 1_000, 60_000),
    rounds=3,
    requests=100,
    seconds=0.4,
    warm_up=20,
    hot=40,
    concurrency=(1, 8, 32),
    concurrency_rounds=1,
    growth=(10_000, 60_000),
    growth_requests=40,
    import_messages=5_000,
    import_rounds=2,
    mixed_requests=1_000,
    crowd_requests=800,
    start_rounds=1,
    groups=FIRST_ANSWER,
)


def plan_of(*, quick: bool, sizes: Sizes | None = None, only: tuple[str, ...] = (), rounds: int | None = None) -> Plan:
    """The plan of a command line. Other sizes than the plan's own move the largest step of growth along."""
    plan = QUICK if quick else FULL
    if sizes is not None and sizes != plan.sizes:
        steps = (*(step for step in plan.growth if step < sizes.messages), sizes.messages)
        plan = replace(plan, sizes=sizes, growth=steps)
    return replace(plan, groups=only or plan.groups, rounds=rounds or plan.rounds)
