"""Encoded answers of this process, by whatever key says that they are still right. Bounded in bytes and in time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple


class Answer(NamedTuple):
    """An encoded answer, and the version of what it shows."""

    version: int
    body: bytes


NONE = Answer(0, b"")


class AnswerCache:
    """The answers used last, at most `max_bytes` of them in all, none for longer than `seconds`.

    They are people's texts: `seconds` bounds how long one that was erased may stay in memory, where nobody can ask for
    it any more, and an answer that would take more than an eighth of the room is not kept. Safe between threads.
    """

    def __init__(self, *, max_bytes: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes, self._seconds, self._clock = max_bytes, seconds, clock
        self._kept: OrderedDict[Hashable, tuple[Answer, float]] = OrderedDict()
        self._lock = threading.Lock()
        self.size = 0  # in bytes, of the answers alone

    def get(self, key: Hashable) -> Answer | None:
        """The answer under this key, if not too old. Whether its version still stands, ask elsewhere."""
        with self._lock:
            answer, expires = self._kept.get(key, (None, 0.0))
            if answer is None or expires < self._clock():
                return None
            self._kept.move_to_end(key)
            return answer

    def put(self, key: Hashable, answer: Answer) -> None:
        """Keep it, and let go of what was not used for longest, be it too old or one too many."""
        with self._lock:
            self._drop(key)
            if len(answer.body) > self._max_bytes // 8:
                return
            now = self._clock()
            self._kept[key] = (answer, now + self._seconds)
            self.size += len(answer.body)
            while self.size > self._max_bytes or next(iter(self._kept.values()))[1] < now:
                self._drop(next(iter(self._kept)))

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._kept.clear()
            self.size = 0

    def _drop(self, key: Hashable) -> None:
        answer, _ = self._kept.pop(key, (NONE, 0.0))
        self.size -= len(answer.body)
