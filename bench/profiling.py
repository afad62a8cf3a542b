"""Where the product's time goes: its WSGI application in this process, asked as the bench asks it.

Two views, as each lies in its own way: a sampler, whose clock is the CPU's (it costs nothing, and sees what C code
costs as its caller's line), and cProfile, which counts calls (and makes small functions look dearer than they are).
"""

import argparse
import cProfile
import io
import os
import pstats
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from wsgiref.types import WSGIApplication

from bench.compare import append
from bench.database import Database, product_environment
from bench.dataset import SEED
from bench.http import Call
from bench.people import People
from bench.plan import FULL, HOME, ROOT, plan_of
from bench.texts import Texts
from bench.work import history_of, list_of

SCENARIOS = ("history", "unchanged", "list", "append")
REQUESTS, COUNTED, WARM_UP = 5_000, 1_500, 200
INTERVAL = 0.001
TOP, TOP_BELOW = 40, 120
NOT_SHOWN = (f"{ROOT}/bench/", "<frozen")
Ask = Callable[[Call], tuple[int, dict[str, str], bytes]]


def main() -> None:
    """Writes `var/bench/profile-<kind>.txt` and `.prof`, and prints the first."""
    parser = argparse.ArgumentParser(prog="python -m bench.profiling", description=__doc__)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--quick", action="store_true", help="on the small data set")
    options = parser.parse_args()
    database = Database()
    sizes = plan_of(quick=options.quick).sizes
    with database.working_copy(database.ensure(sizes)) as name:
        with database.connect(name) as connection:
            people = People.of(connection, sizes.users)
        ask = _asker(database.url(name))
        text = _profile(options.scenario, _calls(options.scenario, people, ask), ask)
        from django.db import connection as ours

        ours.close()
        ours.close_pool()  # type: ignore[attr-defined]
    database.close()
    target = HOME / f"profile-{options.scenario}.txt"
    target.write_text(text, encoding="utf-8")
    print(f"{text}\n{target}")


def _asker(url: str) -> Ask:
    os.environ.update(product_environment() | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "chatstore.settings"})
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # a log line a request, as in production, but not on this terminal
    from chatstore.wsgi import application

    return lambda call: ask_wsgi(application, call)


def ask_wsgi(application: WSGIApplication, call: Call) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (names in lower case) and body of what the application answers."""
    path, _, query = call.path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": call.method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000", "HTTP_AUTHORIZATION": f"Bearer {call.token}", "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0), "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(call.body),
        "wsgi.errors": sys.stderr, "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip
    environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in call.headers}
    if call.body:
        environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(call.body))}
    seen: list[Any] = []
    result = application(environ, lambda status, headers, exc_info=None: seen.extend((status, headers)))  # type: ignore[arg-type]
    body = b"".join(result)
    if close := getattr(result, "close", None):
        close()
    return int(seen[0][:3]), {name.lower(): value for name, value in seen[1]}, body


def _calls(scenario: str, people: People, ask: Ask) -> Iterator[Call]:
    """Endless."""
    import random

    rng, texts = random.Random(SEED), Texts(SEED)
    tags: dict[str, str] = {}
    tokens = list(people.tokens.values())
    number = 0
    while True:
        number += 1
        if scenario == "append":
            yield append(people.short[number % len(people.short)], texts.take("user", rng))
        elif scenario == "list":
            yield list_of(tokens[number % len(tokens)])
        else:
            call = history_of(people.long[number % (FULL.hot if scenario == "unchanged" else len(people.long))])
            if scenario == "unchanged":
                tag = tags.get(call.path) or tags.setdefault(call.path, ask(call)[1]["etag"])
                call = Call(call.method, call.path, call.token, (("If-None-Match", tag),))
            yield call


def _profile(scenario: str, calls: Iterator[Call], ask: Ask) -> str:
    for _ in range(WARM_UP):
        ask(next(calls))
    batch = [next(calls) for _ in range(REQUESTS)]
    statuses: Counter[int] = Counter()
    sampler = Sampler()
    started, cpu = time.perf_counter(), time.process_time()
    with sampler.sampling():
        for call in batch:
            statuses[ask(call)[0]] += 1
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    profile = cProfile.Profile()
    for call in [next(calls) for _ in range(COUNTED)]:
        profile.runcall(ask, call)
    profile.dump_stats(HOME / f"profile-{scenario}.prof")
    counted = io.StringIO()
    pstats.Stats(profile, stream=counted).sort_stats("tottime").print_stats(TOP)
    head = (
        f"{scenario}: {1e6 * cpu / REQUESTS:.0f} µs CPU and {1e6 * wall / REQUESTS:.0f} µs a request, {dict(statuses)}"
    )
    return f"{head}\n\n{sampler.told()}\n\ncProfile, by own time\n{_short(counted.getvalue())}"


def _short(text: str) -> str:
    for root in (f"{ROOT}/", f"{Path(os.__file__).parent}/", *(f"{path}/" for path in sys.path if path)):
        text = text.replace(root, "")
    return text


class Sampler:
    """Looks every millisecond of CPU time where this thread is."""

    def __init__(self) -> None:
        self.samples = 0
        self.own: Counter[str] = Counter()
        self.below: Counter[str] = Counter()

    @contextmanager
    def sampling(self) -> Iterator[None]:
        before = signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL, INTERVAL)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def _look(self, number: int, frame: FrameType | None) -> None:
        self.samples += 1
        seen: set[str] = set()
        is_innermost = True
        while frame is not None:
            code = frame.f_code
            if is_innermost:
                self.own[f"{code.co_filename}:{frame.f_lineno} {code.co_qualname}"] += 1
                is_innermost = False
            if not code.co_filename.startswith(NOT_SHOWN):
                seen.add(f"{code.co_filename}:{code.co_firstlineno} {code.co_qualname}")
            frame = frame.f_back
        self.below.update(seen)

    def told(self) -> str:
        """The functions with all that they call, then the lines by themselves, as shares of the CPU time."""
        total = max(1, self.samples)
        parts = []
        for title, counts, top in (
            ("With all that is called from it", self.below, TOP_BELOW),
            ("Lines by themselves", self.own, TOP),
        ):
            lines = [f"{100 * count / total:5.1f} %  {where}" for where, count in counts.most_common(top)]
            parts.append(_short("\n".join([f"{title} ({self.samples} samples)", *lines])))
        return "\n\n".join(parts)


if __name__ == "__main__":
    main()
