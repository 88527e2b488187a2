"""Small matrices on one thread.

What belongs here: the limit on the threads of BLAS. What does not: threads of our own kernels, which numba governs.

At a few hundred rows the threads of BLAS mostly wait for each other, and up to a hundred times as long where a neighbour keeps a core busy.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[Any]:
    """Within it, BLAS computes on the calling thread alone; numbers may differ from those of several threads in the last bits."""
    return _controller().limit(limits=1, user_api="blas")


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
