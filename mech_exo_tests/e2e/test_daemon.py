"""The daemon at work under `mech-exo up`: the market is read anew, and what is downstream follows by itself."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.e2e import dagster_server as server
from mech_exo_tests.e2e.browser import served

pytestmark = pytest.mark.slow

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def test_a_refresh_of_the_market_is_followed_by_everything_downstream_for_the_last_two_years(recent_home: Path, tmp_path: Path):
    this_year = dt.datetime.now(dt.UTC).year
    years = (str(this_year - 1), str(this_year))
    home = Path(shutil.copytree(recent_home, tmp_path / "home"))
    lake = Lake(home / "lake")
    older = {key: lake.files(key)[this_year - 2] for key in ("factors/scores", "decay/ic", "strategy/targets")}
    with served(home) as address:
        server.launch(address, "market_refresh", tags=dict(zip(RANGE, years, strict=True)))
        # Tables written whole come last, and the mart once more after each of them.
        last = ("strategy/targets", "decay/statistics")
        server.wait_until(lambda: min(lake.version(key) for key in last) >= 1, f"{' and '.join(last)} were written anew")
        runs = server.runs(address)
    assert [run["status"] for run in runs if run["status"] == "FAILURE"] == []
    assert {lake.version(key) for key in ("factors/exposures", "decay/ic", "strategy/targets", "decay/statistics")} == {1}
    assert lake.version("strategy/backtest") == 0, "the backtest waits for the night"
    by_automation = [run for run in runs if {"key": "dagster/sensor_name", "value": "automation"} in run["tags"]]
    partitioned = [run for run in by_automation if ["factors", "scores"] in [key["path"] for key in run["assetSelection"]]]
    assert len(partitioned) == 1, "one run for both years"
    assert {tag["value"] for tag in partitioned[0]["tags"] if tag["key"] in RANGE} == set(years)
    assert {key: lake.files(key)[this_year - 2] for key in older} == older
