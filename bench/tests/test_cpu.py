"""The accounting, on processes whose use of the CPU is known."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench.cpu import largest_resident, process_seconds, tree, tree_seconds

BUSY = """
import time
end = time.process_time() + 0.3
while time.process_time() < end: pass
"""
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"
THREAD = f"import threading\nthread = threading.Thread(target=exec, args=[{BUSY!r}])\nthread.start()\nthread.join()"


@contextmanager
def after(code: str) -> Iterator[int]:
    """The id of a process that has run the code, and waits."""
    code = f"{code}\nprint('done', flush=True)\ninput()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        try:
            yield process.pid
        finally:
            process.kill()


def test_the_clock_of_a_process_is_its_own_idea_of_its_time():
    assert process_seconds(os.getpid()) == pytest.approx(time.process_time(), abs=0.02)


def test_a_busy_process_is_counted():
    with after(BUSY) as pid:
        assert 0.29 <= tree_seconds(pid) <= 0.6


def test_a_child_that_ended_is_still_counted():
    with after(PARENT) as pid:
        assert tree(pid) == [pid]
        assert 0.28 <= tree_seconds(pid) <= 0.8


def test_a_thread_that_ended_is_still_counted():
    with after(THREAD) as pid:
        assert 0.29 <= tree_seconds(pid) <= 0.6


def test_an_idle_process_uses_next_to_nothing():
    with after("") as pid:
        before = tree_seconds(pid)
        time.sleep(0.2)
        assert tree_seconds(pid) - before < 0.02
        assert 2 < largest_resident(pid) < 100


def test_a_process_that_is_gone_is_an_error_not_a_zero():
    with after("") as pid:
        pass
    with pytest.raises(OSError, match=r"."):
        process_seconds(pid)
