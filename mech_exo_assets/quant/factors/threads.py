"""Work on several cores: the same function on independent parts.

What belongs here: how parts are spread. What does not: what a part is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from numba import config

Part = TypeVar("Part")
Result = TypeVar("Result")


def n_threads() -> int:
    """Threads to work with: all cores that this process may use, or NUMBA_NUM_THREADS."""
    return int(config.NUMBA_NUM_THREADS)  # ty: ignore[missing-attribute]


def in_threads(work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """`work` on each part, in their order; whichever thread is free takes the next. An error of any part is raised.

    Kernels and NumPy let go of the interpreter, so threads are enough. A part's figures do not depend on the thread.
    """
    waiting = list(parts)
    if min(len(waiting), n_threads()) <= 1:
        return [work(part) for part in waiting]
    with ThreadPoolExecutor(n_threads(), thread_name_prefix="factors") as pool:
        return list(pool.map(work, waiting))


def once(build: Callable[[], Result]) -> Callable[[], Result]:
    """A function that builds at its first call, in whichever thread, and returns the same thing ever after."""
    lock = threading.Lock()
    built: list[Result] = []

    def read() -> Result:
        with lock:
            if not built:
                built.append(build())
            return built[0]

    return read
