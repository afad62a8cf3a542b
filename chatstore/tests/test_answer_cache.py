"""The cache of encoded answers: bounded in bytes and in time, and never a stale one under a new version."""

import threading

from chatstore.answer_cache import Answer, AnswerCache


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_what_was_not_used_for_longest_goes_first():
    cache = AnswerCache(max_bytes=80, seconds=60)
    for key in range(8):
        cache.put(key, Answer(1, b"x" * 10))
    assert cache.get(0) is not None
    cache.put(8, Answer(1, b"x" * 10))
    assert [cache.get(key) is not None for key in (0, 1, 8)] == [True, False, True]
    assert cache.size == 80


def test_an_answer_that_would_take_too_much_room_is_not_kept_and_drives_out_its_older_self():
    cache = AnswerCache(max_bytes=80, seconds=60)
    cache.put("a", Answer(1, b"x" * 10))
    cache.put("a", Answer(2, b"x" * 11))
    assert cache.get("a") is None
    assert cache.size == 0


def test_an_old_answer_is_not_given_and_goes_with_the_next_that_comes():
    clock = Clock()
    cache = AnswerCache(max_bytes=800, seconds=60, clock=clock)
    cache.put("a", Answer(1, b"abc"))
    clock.now = 61
    assert cache.get("a") is None
    cache.put("b", Answer(1, b"de"))
    assert cache.size == 2


def test_a_newer_answer_takes_the_place_of_the_older():
    cache = AnswerCache(max_bytes=800, seconds=60)
    cache.put("a", Answer(1, b"abc"))
    cache.put("a", Answer(2, b"de"))
    assert cache.get("a") == Answer(2, b"de")
    assert cache.size == 2
    cache.clear()
    assert cache.get("a") is None


def test_without_room_nothing_is_kept():
    cache = AnswerCache(max_bytes=0, seconds=60)
    cache.put("a", Answer(1, b"a"))
    assert cache.get("a") is None


def test_many_threads_keep_the_sum_right():
    cache = AnswerCache(max_bytes=1_000, seconds=60)

    def work(number):
        for turn in range(500):
            cache.put((number + turn) % 17, Answer(turn, b"x" * (turn % 100)))
            cache.get(turn % 17)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [found for key in range(17) if (found := cache.get(key))]
    assert cache.size == sum(len(answer.body) for answer in kept) <= 1_000
