"""The kinds of work that are timed: which requests, against which conversations, after which preparation."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from bench.compare import append
from bench.dataset import SEED
from bench.http import Call, Client
from bench.people import Target
from bench.servers import Server
from bench.stage import Stage, turn


@dataclass(frozen=True, slots=True)
class Requests:
    """What is sent in one timed run: first to warm up, untimed, then the rest."""

    warm_up: list[Call]
    timed: list[Call]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of work. `before_round` is done once before a round, for all sides alike."""

    name: str
    title: str
    status: int
    requests: Callable[[Stage, Server, int], Requests]
    before_round: Callable[[Stage, int], None] = lambda stage, number: None


def history_of(target: Target) -> Call:
    return Call("GET", f"{target.messages}?order=desc&limit=50", target.token)


def list_of(token: str) -> Call:
    return Call("GET", "/api/v1/conversations?limit=20", token)


def _slice(stage: Stage, number: int) -> tuple[list[Target], list[Target]]:
    """Conversations of one round, none twice, and others to warm up with."""
    long, warm = stage.people.long, stage.plan.warm_up
    count = max(1, min(stage.plan.requests, len(long) - warm))
    targets = turn(long, number * count, count + min(warm, len(long)))
    return targets[:count], targets[count:]


def _history(stage: Stage, server: Server, number: int) -> Requests:
    targets, others = _slice(stage, number)
    return Requests([history_of(target) for target in others], [history_of(target) for target in targets])


def _renew_slice(stage: Stage, number: int) -> None:
    stage.renew(_slice(stage, number)[0])


def _unchanged(stage: Stage, server: Server, number: int) -> Requests:
    calls = []
    with Client(server.port) as client:
        for target in stage.people.long[: stage.plan.hot]:
            call = history_of(target)
            tag = client.ask(call).headers["etag"]
            calls.append(Call(call.method, call.path, call.token, (("If-None-Match", tag),)))
    return Requests(turn(calls, 0, stage.plan.warm_up), turn(calls, 0, stage.plan.requests))


def _reread(stage: Stage, server: Server, number: int) -> Requests:
    calls = [history_of(target) for target in stage.people.long[: stage.plan.hot]]
    return Requests(calls, turn(calls, 0, stage.plan.requests))


def _list(stage: Stage, server: Server, number: int) -> Requests:
    calls = [list_of(token) for token in stage.people.tokens.values()]
    return Requests(turn(calls, 0, stage.plan.warm_up), turn(calls, 0, stage.plan.requests))


def _append(stage: Stage, server: Server, number: int) -> Requests:
    # Each run has texts of its own: under one key the same message twice would be a replay.
    rng = random.Random(f"{SEED} append {number} {server.side.name}")
    count = stage.plan.warm_up + stage.plan.requests
    targets = turn(stage.people.short, number * count, count)
    calls = [append(target, stage.texts.take("user", rng)) for target in targets]
    return Requests(calls[: stage.plan.warm_up], calls[stage.plan.warm_up :])


KINDS = {
    kind.name: kind
    for kind in (
        Kind("history", "history, last 50 messages", 200, _history, _renew_slice),
        Kind("unchanged", "history again, unchanged (304)", 304, _unchanged),
        Kind("reread", "history read before, not changed", 200, _reread),
        Kind("list", "conversation list, 20", 200, _list),
        Kind("append", "append a message", 201, _append),
    )
}


def mixed(stage: Stage, begin: int, count: int) -> list[Call]:
    """As an application asks: mostly histories and lists, and a message now and then. All answer 2xx."""
    rng = random.Random(f"{SEED} mixed {begin}")
    tokens = list(stage.people.tokens.values())
    calls = []
    for _ in range(count):
        chance = rng.random()
        if chance < 0.6:
            calls.append(history_of(rng.choice(stage.people.long)))
        elif chance < 0.85:
            calls.append(list_of(rng.choice(tokens)))
        else:
            calls.append(append(rng.choice(stage.people.short), stage.texts.take("user", rng)))
    return calls
