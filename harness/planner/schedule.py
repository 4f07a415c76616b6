"""How long jobs take on a number of GPUs: longest processing time first, in order of need."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One job: its duration, whether it occupies a GPU, and the jobs that come before it."""

    name: str
    hours: float
    on_gpu: bool
    after: tuple[str, ...] = ()


def makespan(tasks: Sequence[Task], gpus: int) -> float:
    """Hours until all tasks are done.

    Whenever a GPU is free, the longest task whose predecessors are done gets it. Tasks that
    need no GPU start as soon as they can: processors are taken to be many.

    Args:
        tasks: names are unique, `after` names tasks of this list, without a circle.
        gpus: 1 or more.
    """
    waiting = {task.name: task for task in tasks}
    running: list[tuple[float, str, bool]] = []
    finished: set[str] = set()
    now, free = 0.0, gpus
    while waiting or running:
        ready = [task for task in waiting.values() if finished.issuperset(task.after)]
        for task in sorted(ready, key=lambda task: (-task.hours, task.name)):
            if task.on_gpu and not free:
                continue
            free -= task.on_gpu
            heapq.heappush(running, (now + task.hours, task.name, task.on_gpu))
            del waiting[task.name]
        now, name, on_gpu = heapq.heappop(running)
        free += on_gpu
        finished.add(name)
    return now
