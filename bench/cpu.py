"""CPU time and memory of a tree of processes, from the kernel's own clocks.

A process's CPU clock (clock_getcpuclockid) counts nanoseconds of all its threads, those that ended included. What
children had used when they ended and were waited for stands with their parent in /proc/<pid>/stat, in clock ticks.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_CPUCLOCK_SCHED = 2  # include/linux/posix-timers.h


def process_seconds(pid: int) -> float:
    """CPU seconds of one process, all threads. Raises OSError when it is gone."""
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def reaped_seconds(pid: int) -> float:
    """CPU seconds of the children that this process has waited for (cutime + cstime). Raises OSError."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / TICKS


def children_of() -> dict[int, list[int]]:
    """Parent -> children, of all processes of the machine."""
    found: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError, IndexError):
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
                found.setdefault(int(fields[1]), []).append(int(entry))
    return found


def tree(root: int) -> list[int]:
    """A process and all below it."""
    children, found = children_of(), [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def tree_seconds(root: int) -> float:
    """CPU seconds used so far by a process and all that were ever below it."""
    for _ in range(5):
        try:
            return sum(process_seconds(pid) + reaped_seconds(pid) for pid in tree(root))
        except (OSError, IndexError):
            continue  # one ended while we looked: now it stands with its parent
    raise RuntimeError(f"The processes below {root} keep changing")


def resident_megabytes(pid: int, field: str = "VmRSS") -> float:
    """VmRSS, or VmHWM: the most that it ever was."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"{pid} has no {field}")


def largest_resident(root: int) -> float:
    """Of the process of a tree that holds most: a server's worker."""
    sizes = []
    for pid in tree(root):
        with suppress(OSError):
            sizes.append(resident_megabytes(pid))
    return max(sizes)
