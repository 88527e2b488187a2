"""What Optuna says by itself, and when it does not.

What belongs here: silencing what a user cannot act on. What does not: our own progress.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def quietly() -> Generator[None]:
    """Without Optuna's line for each trial, and without its warning that the multivariate sampler is experimental, which is known here."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
