"""Time that jobs take on a number of GPUs: of the jobs that can start, the longest goes first."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One job: its hours, the number of GPUs it occupies, and the tasks that must end first."""

    name: str
    hours: float
    gpus: int
    after: tuple[str, ...] = ()


def makespan(tasks: Sequence[Task], gpus: int) -> float:
    """Return the hours until all tasks are done; infinite if a task needs more than `gpus`.

    Whenever GPUs are free, they go to the longest task that fits and whose predecessors are
    done. Tasks without a GPU start at once: the number of CPUs is assumed to be unlimited. Names
    are unique, `after` names tasks of this list without a cycle, and `gpus` is 1 or more.
    """
    waiting = {task.name: task for task in tasks}
    running: list[tuple[float, str, int]] = []
    finished: set[str] = set()
    now, free = 0.0, gpus
    if any(task.gpus > gpus for task in tasks):
        return math.inf
    while waiting or running:
        ready = [task for task in waiting.values() if finished.issuperset(task.after)]
        for task in sorted(ready, key=lambda task: (-task.hours, task.name)):
            if task.gpus > free:
                continue
            free -= task.gpus
            heapq.heappush(running, (now + task.hours, task.name, task.gpus))
            del waiting[task.name]
        now, name, released = heapq.heappop(running)
        free += released
        finished.add(name)
    return now
