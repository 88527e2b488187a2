"""Memory that the C library keeps for later.

What belongs here: giving it back to the system. What does not: how much a computation takes.
"""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Give freed memory back to the system, where the C library is glibc; elsewhere nothing happens.

    Libraries in C++ free a training's bins in pieces that glibc keeps for its next allocations. These are often of another size, so that
    what one fit left behind would lie beside what the next one takes.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
