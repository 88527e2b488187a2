"""Calendar years as Dagster *partitions*, and how far an asset looks beyond its own year.

What belongs here: the partition definition and the mappings between assets. What does not: which years a run recomputes (`refresh`).
"""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from mech_exo_assets.settings import MAX_FORWARD_SESSIONS, Settings, load_strategy

LOOKBACK_YEARS = 4
"""Years before its own that an exposure may need: enough for the longest lookback of any factor (`factors.longest_lookback`)."""

FORWARD_YEARS = 1
"""Years after its own that a forward return may need: the settings accept at most `MAX_FORWARD_SESSIONS` sessions."""

SHORTEST_YEAR = 245
"""Sessions of the shortest year of any stock exchange that we know of."""

assert FORWARD_YEARS * SHORTEST_YEAR >= MAX_FORWARD_SESSIONS  # noqa: S101

YEARS = dg.TimeWindowPartitionsDefinition(
    start=str(load_strategy(Settings().config).first_year), cron_schedule="0 0 1 1 *", fmt="%Y", end_offset=1
)
"""One partition for each calendar year from `first_year` on, the current year included."""


@contextmanager
def accepted_beta(parameter: str) -> Generator[None]:
    """Do not warn of one parameter that Dagster calls beta: that is known here, and need not be said at each start."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=f"Parameter `{parameter}`", category=dg.BetaWarning)
        yield


def years_before(count: int) -> dg.TimeWindowPartitionMapping:
    """A year depends on itself and on `count` years before it, as far as they are there."""
    with accepted_beta("allow_nonexistent_upstream_partitions"):
        return dg.TimeWindowPartitionMapping(start_offset=-count, allow_nonexistent_upstream_partitions=True)


def years_after(count: int) -> dg.TimeWindowPartitionMapping:
    """A year depends on itself and on `count` years after it, as far as they are there."""
    with accepted_beta("allow_nonexistent_upstream_partitions"):
        return dg.TimeWindowPartitionMapping(end_offset=count, allow_nonexistent_upstream_partitions=True)


def years_of(context: dg.AssetExecutionContext) -> tuple[int, int]:
    """First and last year that this run of an asset computes."""
    window = context.partition_key_range
    return int(window.start), int(window.end)


def years_around(*, before: int, after: int) -> dg.TimeWindowPartitionMapping:
    """A year depends on itself, on `before` years before it and on `after` years after it, as far as they are there."""
    with accepted_beta("allow_nonexistent_upstream_partitions"):
        return dg.TimeWindowPartitionMapping(start_offset=-before, end_offset=after, allow_nonexistent_upstream_partitions=True)
