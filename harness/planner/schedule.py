"""How long jobs take on a number of GPUs: longest processing time first, in order of need."""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One job: its duration, the GPUs it occupies, and the jobs that come before it."""

    name: str
    hours: float
    gpus: int
    after: tuple[str, ...] = ()


def makespan(tasks: Sequence[Task], gpus: int) -> float:
    """Hours until all tasks are done; infinite if one needs more GPUs than there are.

    Whenever GPUs are free, the longest task that can use them and whose predecessors are done
    gets them. Tasks without a GPU start as soon as they can: processors are taken to be many.

    Args:
        tasks: names are unique, `after` names tasks of this list, without a circle.
        gpus: 1 or more.
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
