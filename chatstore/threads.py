"""The threads in which synchronous code runs for an event loop."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """A fixed number of threads, one queue. concurrent.futures' pool does the same for 0.1 ms more a call.

    A call that has to wait for its client says `lend()`: another thread takes its place, so that slow clients do not
    hold up the others. At most `spare` threads are lent at a time; further ones keep their place, and wait in it.
    """

    def __init__(self, number: int, *, spare: int, name: str) -> None:
        self._number, self._name = number, name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._spare = threading.BoundedSemaphore(spare)
        self._here = threading.local()
        self._started = False
        self.pending = 0  # accepted and not done; counted by the event loop alone

    async def run(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises, called in one of the threads in a context of its own."""
        if not self._started:  # not at import: servers that fork would leave the threads behind
            self._started = True
            for _ in range(self._number):
                self._start_one()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def call() -> None:
            with suppress(RuntimeError):  # from call_soon_threadsafe: the loop is closed, and nobody waits any more
                try:
                    result = contextvars.Context().run(function)
                except BaseException as error:
                    loop.call_soon_threadsafe(_fail, future, error)
                else:
                    loop.call_soon_threadsafe(_finish, future, result)

        self.pending += 1
        try:
            self._calls.put(call)
            return await future
        finally:
            self.pending -= 1

    def lend(self) -> None:
        """Called in one of the threads: it ends after this call, and another takes its place now."""
        if not self._is_lent() and self._spare.acquire(blocking=False):
            self._here.lent = True
            self._start_one()

    def close(self) -> None:
        """Let the threads end when they have done what is queued."""
        for _ in range(self._number if self._started else 0):
            self._calls.put(None)

    def _start_one(self) -> None:
        threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            if self._is_lent():
                self._spare.release()
                return

    def _is_lent(self) -> bool:
        return getattr(self._here, "lent", False)


def _finish(future: "asyncio.Future[T]", result: T) -> None:
    if not future.done():  # cancelled, when the server goes down
        future.set_result(result)


def _fail(future: "asyncio.Future[T]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
