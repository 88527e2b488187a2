"""Tags, pools and jobs of runs: which years they compute, who launched them and why, and which of them take turns.

What belongs here: names and values of tags that jobs, schedules, sensors and the command line share, the names of jobs that assets and
sensors know, and which Dagster *pool* a step is of. What does not: jobs, and how many runs a pool has room for (`dagster.yaml`).
"""

from __future__ import annotations

from enum import IntEnum

from mech_exo_assets.storage.dagster_home import HOME_POOL, SEARCH_POOL

ACTOR_TAG, REASON_TAG = "mech_exo/actor", "mech_exo/reason"
NOT_TRIED_AGAIN = {"dagster/max_retries": "0"}
"""Tags of runs that Dagster does not start again when their process has died: somebody else sees to it, a person or a sensor."""
RETRAIN_JOB = "retrain"
"""Name of the job that builds and judges a challenger."""
SEARCH_JOB = "weight_search"
"""Name of the job that searches weights."""
SEARCHED_GROUP = "weights"
"""The group of the assets that a weight search makes."""


def pool_of(group: str) -> str:
    """The pool of the steps that make the assets of a group: of runs that have a step of one pool, one goes on at a time."""
    return SEARCH_POOL if group == SEARCHED_GROUP else HOME_POOL


def year_range_tags(first: int, last: int, *, rebuild: bool = False) -> dict[str, str]:
    """Run tags that select the year partitions from `first` to `last`; with `rebuild`, all other years go."""
    from mech_exo_assets.storage.io_manager import REBUILD_TAG  # Dagster, which a command line without a run does not need

    tags = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    return {**tags, REBUILD_TAG: "true"} if rebuild else tags


class Rank(IntEnum):
    """Who goes first where several runs wait: today's orders, then a retraining, then what can wait until tomorrow. Others have rank 0."""

    DEPLOY = 20
    MARKET = 10
    RETRAIN = 5
    LEARNING = -5
    SEARCH = -10
    MAINTENANCE = -20


def priority(rank: Rank) -> dict[str, str]:
    """Tags of runs that the queue takes before those of a lower rank."""
    return {"dagster/priority": str(int(rank))}
