"""Parts of one step, so that memory holds each of them; and workers of a Dask scheduler, on which parts and steps are computed.

What belongs here: dividing work, reaching the scheduler, and which settings a worker computes with. What does not: Dagster's executor
(`dask_executor`), and what is computed.

A step over many years reads its tables and computes them span by span (`Cluster.spans`); every year has the same figures to the last bit,
however the years are divided.

A worker loads the asset graph once, with the settings of the first task that it is given, and refuses tasks with others: a graph that was
loaded with another source, home or strategy would compute something else without a word. Passwords do not travel; each worker has those of
its own environment.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.years import spans
from mech_exo_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    import distributed

_DECIDE = {"home", "lake", "source", "config", "namespace", "keep_days"}
"""Settings that decide what is computed and where it is kept; the others are a worker's own."""
PARTS_PER_THREAD = 2
"""Into so many parts work is divided for each thread of a worker: one that is done early takes another."""
REACH_SECONDS = 10
ROWS_AT_ONCE = 1_000_000
"""Of a wide table; about so many are computed at a time, or those of one year where that has more."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Shared = TypeVar("_Shared")

_taken: str | None = None


def client(address: str) -> distributed.Client:
    """A connection to the scheduler.

    Raises
    ------
    InputError
        If it does not answer, or the package is not installed.
    """
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise InputError("MECH_EXO_DASK is set, and Dask is not installed; install it with pip install 'mech-exo[dask]'.") from error
    try:
        return distributed.Client(address, timeout=REACH_SECONDS)
    except (OSError, TimeoutError) as error:
        raise InputError(
            f"{address}: no Dask scheduler answers within {REACH_SECONDS} seconds. Start one with `dask scheduler`, or correct "
            "MECH_EXO_DASK."
        ) from error


def settings_text(settings: Settings) -> str:
    """All that decides what is computed and where it is kept, without passwords; and the scheduler."""
    fields = settings.model_dump(mode="json", include=_DECIDE)
    choices = b"" if settings.config is None or not settings.config.is_file() else settings.config.read_bytes()
    decided = {"fields": fields, "choices": hashlib.sha256(choices).hexdigest(), "database": _database(settings)}
    return json.dumps({**decided, "dask": settings.dask}, sort_keys=True)


def take_over(text: str) -> Settings:
    """Let this worker compute with these settings from now on.

    Raises
    ------
    InputError
        If it has others already, or its environment names another database.
    """
    global _taken  # noqa: PLW0603 (one process loads one graph, at its first import)
    differing = "" if _taken is None else _differing(_taken, text)
    if differing:
        raise InputError(
            f"this worker (process {os.getpid()}) has loaded the asset graph with other settings ({differing}). Give each home workers of "
            "its own, and restart them after a change of settings or strategy."
        )
    if _taken is None:
        for name, value in json.loads(text)["fields"].items():
            if value not in (None, ""):
                os.environ[f"MECH_EXO_{name.upper()}"] = str(value)
        # A worker's own environment need not name the scheduler that it belongs to, and its steps are to be divided all the same.
        os.environ.setdefault("MECH_EXO_DASK", json.loads(text)["dask"])
    settings = load_settings()
    # What this machine makes of them: its environment may name another database, and its file of choices may be another one.
    own = settings_text(settings)
    differing = _differing(own, text)
    if differing:
        raise InputError(
            f"on this worker's machine (process {os.getpid()}) the settings of the run are others ({differing}); its database is "
            f"{json.loads(own)['database']}, and the run's {json.loads(text)['database']}. Start it with the same environment and files."
        )
    _taken = text
    return settings


class Cluster:
    """Where the parts of a step are computed: here, or on the workers of a scheduler.

    Parameters
    ----------
    address : str
        Of the scheduler; empty: here.
    """

    def __init__(self, address: str = "") -> None:
        self.address = address

    def spans(self, years: tuple[int, int], table: pl.LazyFrame) -> list[tuple[int, int]]:
        """Consecutive spans of years, first and last of each: so short that memory holds one, and enough for all workers.

        Parameters
        ----------
        years : tuple of int
            First and last one that are wanted. Those before and after all rows of `table` belong to the first and the last span.
        table : LazyFrame
            The largest one that is computed from.
        """
        rows, begin, end = table.select(pl.len(), pl.col("date").min(), pl.col("date").max().alias("end")).collect().row(0)
        first, last = (max(years[0], begin.year), min(years[1], end.year)) if rows else years
        if first > last:
            return [years]
        count = math.ceil(rows / ROWS_AT_ONCE)
        if self.address:
            with _from_a_step(self.address) as found:
                count = max(count, _wanted_parts(found))
        divided = spans(first, last, count)
        return [(years[0] if start == first else start, years[1] if end == last else end) for start, end in divided]

    def each(self, function: Callable[..., _Result], parts: Sequence[tuple[Any, ...]]) -> Iterator[_Result]:
        """`function(*part)` of each part, in their order, one result at a time. What a part raises is raised."""
        if not self.address:
            for part in parts:
                yield function(*part)
            return
        with _from_a_step(self.address) as found:
            yield from _in_turn(found, function, parts)

    @contextmanager
    def sharing(
        self, function: Callable[[_Shared, Sequence[_Item]], list[_Result]], value: _Shared
    ) -> Generator[Callable[[Sequence[_Item]], list[_Result]] | None]:
        """`function(value, items)` of many items in parts, with a large value that each worker is sent once; None without workers."""
        if not self.address:
            yield None
            return
        with _from_a_step(self.address) as found:
            there = found.scatter(value, broadcast=True, hash=False)

            def divided(items: Sequence[_Item]) -> list[_Result]:
                parts = [(there, part) for part in _parts(found, items)]
                return [result for part in _in_turn(found, function, parts) for result in part]

            yield divided


def _in_turn(found: distributed.Client, function: Callable[..., _Result], parts: Sequence[tuple[Any, ...]]) -> Iterator[_Result]:
    """The results in the order of the parts, of which each thread of a worker is given one at a time.

    Given all at once, they would be dealt out before anybody knows how long each takes, and one worker would wait for another.
    """
    from distributed import as_completed

    left, position, done, shown = iter(enumerate(parts)), dict[object, int](), dict[int, _Result](), 0
    under_way = as_completed()

    def give(count: int) -> None:
        for at, part in islice(left, count):
            future = found.submit(function, *part, pure=False)
            position[future.key] = at
            under_way.add(future)

    give(_threads(found))
    for future in under_way:
        result = future.result()
        give(1)
        done[position.pop(future.key)] = result
        while shown in done:
            yield done.pop(shown)
            shown += 1


def _parts(found: distributed.Client, items: Sequence[_Item]) -> list[Sequence[_Item]]:
    """Consecutive parts of some work, of about the same size, a few for each thread of a worker."""
    size = max(1, -(-len(items) // _wanted_parts(found)))
    return [items[at : at + size] for at in range(0, len(items), size)]


def _wanted_parts(found: distributed.Client) -> int:
    return PARTS_PER_THREAD * _threads(found)


def _threads(found: distributed.Client) -> int:
    return max(1, sum(worker["nthreads"] for worker in found.scheduler_info(n_workers=-1)["workers"].values()))


@contextmanager
def _from_a_step(address: str) -> Generator[distributed.Client]:
    """A connection for a step: one that runs on a worker lets others use its place while it waits for its parts."""
    import distributed

    try:
        distributed.get_worker()
    except ValueError:
        with client(address) as found:
            yield found
        return
    with distributed.worker_client() as found:
        yield found


def _database(settings: Settings) -> str:
    """Which database, without who asks it."""
    if settings.db_url is None:
        return "the home's files"
    scheme, _, rest = settings.db_url.get_secret_value().partition("://")
    return f"{scheme.split('+')[0]}://{rest.rpartition('@')[2].partition('?')[0]}"


def _differing(one: str, other: str) -> str:
    before, after = json.loads(one), json.loads(other)
    # Choices count by what they are, and not by the file that they stand in: a home keeps a copy of its own.
    fields = [name for name in after["fields"] if name != "config" and before["fields"].get(name) != after["fields"][name]]
    return ", ".join([*fields, *(name for name in ("choices", "database") if before[name] != after[name])])
