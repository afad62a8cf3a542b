"""What a worker holds after many requests of all kinds, and whether it goes on growing."""

from typing import Any

from bench.load import Job
from bench.servers import Server
from bench.stage import Stage
from bench.work import mixed

BLOCK = 5_000
CLIENTS = 8
ENOUGH = 50_000  # requests: before that, what is filled is what will be in use


def measure(stage: Stage, server: Server) -> dict[str, Any]:
    """Megabytes of its worker at the start, half-way and at the end; `growth` in the second half of enough requests."""
    plan = stage.plan
    resident, done, failures = [server.resident_megabytes()], 0, 0
    while done < plan.mixed_requests:
        count = min(BLOCK, max(1, plan.mixed_requests // 4), plan.mixed_requests - done)
        requests = [call.to(server.port) for call in mixed(stage, done, count)]
        outcome = stage.generator.run(Job(server.port, CLIENTS, requests, 600.0, (200, 201)))
        failures += sum(outcome.failures.values())
        done += count
        resident.append(server.resident_megabytes())
    half = resident[len(resident) // 2]
    return {
        "begin": resident[0], "half": half, "end": resident[-1], "requests": done, "failures": failures,
        "growth": resident[-1] - half if done >= ENOUGH else None, "samples": resident,
    }  # fmt: skip
