"""The daemon at work under `mech-exo up`: the market is read anew, and what is downstream follows by itself."""

import datetime as dt
import json
import time
import urllib.request
from pathlib import Path

import pytest

from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.e2e.browser import served
from mech_exo_tests.e2e.market_folder import mech_exo

pytestmark = pytest.mark.slow

PATIENCE = 300
LAUNCH = "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename } }"
RUNS = "{ runsOrError { ... on Runs { results { status assetSelection { path } tags { key value } } } } }"
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def _ask(address: str, query: str, **variables: object) -> dict:
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["data"]


def test_a_refresh_of_the_market_is_followed_by_everything_downstream_for_the_last_two_years(tmp_path: Path):
    this_year = dt.datetime.now(dt.UTC).year
    years = (str(this_year - 1), str(this_year))
    done = mech_exo("run", "--source", f"simulator:names=12,sessions=420,first={this_year - 3}-06-03", "--home", tmp_path)
    assert done.returncode == 0, done.stderr
    lake = Lake(tmp_path / "lake")
    older = {key: lake.files(key)[this_year - 2] for key in ("factors/scores", "decay/ic", "strategy/targets")}
    selector = {"repositoryLocationName": "mech_exo_assets.definitions", "repositoryName": "__repository__", "jobName": "market_refresh"}
    tags = [{"key": key, "value": year} for key, year in zip(RANGE, years, strict=True)]
    params = {"selector": selector, "runConfigData": "{}", "mode": "default", "executionMetadata": {"tags": tags}}
    with served(tmp_path) as address:
        assert _ask(address, LAUNCH, p=params)["launchRun"]["__typename"] == "LaunchRunSuccess"
        deadline = time.monotonic() + PATIENCE
        # Tables written whole come last, and the mart once more after each of them.
        while min(lake.version(key) for key in ("strategy/targets", "decay/statistics")) < 1 and time.monotonic() < deadline:
            time.sleep(2)
        runs = _ask(address, RUNS)["runsOrError"]["results"]
    assert [run["status"] for run in runs if run["status"] == "FAILURE"] == []
    assert {lake.version(key) for key in ("factors/exposures", "decay/ic", "strategy/targets", "decay/statistics")} == {1}
    assert lake.version("strategy/backtest") == 0, "the backtest waits for the night"
    by_automation = [run for run in runs if {"key": "dagster/sensor_name", "value": "automation"} in run["tags"]]
    partitioned = [run for run in by_automation if ["factors", "scores"] in [key["path"] for key in run["assetSelection"]]]
    assert len(partitioned) == 1, "one run for both years"
    assert {tag["value"] for tag in partitioned[0]["tags"] if tag["key"] in RANGE} == set(years)
    assert {key: lake.files(key)[this_year - 2] for key in older} == older
