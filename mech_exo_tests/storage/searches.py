"""Trials to store, and a process that works on a study: `python -m mech_exo_tests.storage.searches WORK URL NAME …`.

What belongs here: what several tests of the studies need. What does not: assertions.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import sqlalchemy as sa
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from mech_exo_assets.storage.studies import StudyDatabase
from mech_exo_assets.storage.studies.store import StudyStore

DIRECTIONS = ("maximize", "minimize", "maximize")
SPACE: dict[str, BaseDistribution] = {
    "momentum": FloatDistribution(0.0, 1.0),
    "value": FloatDistribution(1e-6, 10.0, log=True),
    "names": IntDistribution(10, 100, step=10),
    "construction": CategoricalDistribution(("rank", "linear", None, True)),
}
_REPOSITORY = Path(__file__).resolve().parent.parent.parent


def trial(batch: int, slot: int, **changes: object) -> FrozenTrial:
    """A completed trial of that place, another for each place."""
    place = 16 * batch + slot
    start = dt.datetime(2026, 3, 2, 9, 30, 0, 123456) + dt.timedelta(seconds=place)  # noqa: DTZ001 - Optuna's times are local and bare
    fields: dict[str, object] = {
        "number": -1,
        "trial_id": -1,
        "state": TrialState.COMPLETE,
        "value": None,
        "values": [math.sin(place), math.cos(place) / 3, place / 7],
        "datetime_start": start,
        "datetime_complete": start + dt.timedelta(milliseconds=7),
        "params": {
            "momentum": abs(math.sin(place + 0.1)),
            "value": 10 ** -(place % 6),
            "names": 10 + 10 * (place % 10),
            "construction": ("rank", "linear", None, True)[place % 4],
        },
        "distributions": dict(SPACE),
        "user_attrs": {"batch": batch, "slot": slot, "turnover": place / 3, "names": ["ä", "β"], "nested": {"deep": [1, None]}},
        "system_attrs": {"constraints": [0.5 - slot % 2, -1.0]},
        "intermediate_values": {},
    }
    return FrozenTrial(**(fields | changes))


def failed(batch: int, slot: int) -> FrozenTrial:
    """A trial that has no values, but a reason."""
    attributes = {"batch": batch, "slot": slot, "error": "no names"}
    return trial(batch, slot, state=TrialState.FAIL, values=None, user_attrs=attributes, system_attrs={})


def trials(batch: int, count: int = 4) -> list[FrozenTrial]:
    return [trial(batch, slot) for slot in range(count)]


def open_store(url: str, name: str = "search", **attributes: object) -> StudyStore:
    return StudyDatabase(url).open(name, directions=DIRECTIONS, attributes={"family": "equity"} | attributes)


def stored(url: str, name: str = "search") -> list[FrozenTrial]:
    """What another Optuna user finds."""
    url = url.replace("postgresql://", "postgresql+psycopg2://").replace("{", "{{").replace("}", "}}")
    return optuna.load_study(study_name=name, storage=url).trials


def start(work: str, url: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that does this work."""
    command = [sys.executable, "-m", "mech_exo_tests.storage.searches", work, url, *map(str, arguments)]
    return subprocess.Popen(command, cwd=_REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> list[str]:
    """The words that it printed, when it has ended well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split()


def _search(url: str, batches: str) -> None:
    """Take batches until all are done; print those that were written."""
    store = open_store(url)
    while not store.finished(int(batches)):
        batch = store.claim(int(batches))
        if batch is None:
            time.sleep(0.01)
        elif store.complete(batch, trials(batch)):
            print(batch, flush=True)  # noqa: T201 - the parent reads it


def _hold(url: str) -> None:
    """Claim a batch, print it, and wait to be killed."""
    print(open_store(url).claim(100), flush=True)  # noqa: T201 - the parent reads it
    sys.stdin.read()


def _die(url: str, statement: str) -> None:
    """Be killed before that statement of `complete`; print when there is none."""
    store = open_store(url)
    batch = store.claim(100)
    assert batch is not None
    left = [int(statement)]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(store._opened.engine, "before_cursor_execute", count)
    store.complete(batch, trials(batch))
    print("survived", flush=True)  # noqa: T201 - the parent reads it


def _look(url: str, count: str) -> None:
    """Look at the hold-out that often."""
    database = StudyDatabase(url)
    for _ in range(int(count)):
        database.record_look("search", dt.datetime.now(dt.UTC))


if __name__ == "__main__":
    {"search": _search, "hold": _hold, "die": _die, "look": _look}[sys.argv[1]](*sys.argv[2:])
