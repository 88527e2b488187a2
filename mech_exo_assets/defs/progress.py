"""How far a long step is, as lines in the log of its run.

What belongs here: the line's form, by which the command line follows it, and writing few of them. What does not: showing it
(`cli.progress`).
"""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

FORM = "{done} of {wanted} {what}"
_LINES = 20
"""Lines that a step leaves in the log."""


def in_log(log: dg.DagsterLogManager, what: str) -> Callable[[int, int], None]:
    """Tells how many of something are done; writes a line at each twentieth.

    Parameters
    ----------
    log : DagsterLogManager
    what : str
        One word: what is counted.
    """
    told = -1

    def tell(done: int, wanted: int) -> None:
        nonlocal told
        if done * _LINES // wanted > told:
            told = done * _LINES // wanted
            log.info(FORM.format(done=done, wanted=wanted, what=what))

    return tell
