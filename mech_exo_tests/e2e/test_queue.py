"""The queue under `mech-exo up`: a weight search and the runs of the home go on beside each other, and those of the home take turns."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.one_search import SEARCH_TABLES
from mech_exo_tests.e2e import dagster_server as server
from mech_exo_tests.e2e.browser import served

pytestmark = pytest.mark.slow


def test_a_search_goes_on_beside_the_runs_of_the_home_which_take_turns(recent_home: Path, tmp_path: Path):
    this_year = dt.datetime.now(dt.UTC).year
    home = Path(shutil.copytree(recent_home, tmp_path / "home"))
    lake = Lake(home / "lake")
    years = {"dagster/asset_partition_range_start": str(this_year - 1), "dagster/asset_partition_range_end": str(this_year)}
    with served(home) as address:
        search = server.launch(address, "weight_search")
        server.wait_until(lambda: server.run_of(address, search)["status"] == "STARTED", "the search goes on")
        first, second = (server.launch(address, "market_refresh", tags=years) for _ in range(2))
        server.wait_until(lambda: server.run_of(address, second)["status"] == "SUCCESS", "the market was read twice")
        # What is downstream of the market follows by automation, which does not wait for the search either.
        server.wait_until(lambda: lake.version("factors/exposures") >= 1, "the exposures follow")
        searching, one, two = (server.run_of(address, run_id) for run_id in (search, first, second))
        server.terminate(address, search)
        server.wait_until(lambda: server.run_of(address, search)["status"] == "CANCELED", "the search was ended")
    assert (searching["status"], searching["endTime"]) == ("STARTED", None), "all of that beside the search"
    assert searching["startTime"] <= one["startTime"]
    assert (one["status"], two["status"]) == ("SUCCESS", "SUCCESS")
    assert one["endTime"] <= two["startTime"]
    assert not set(lake.tables()) & set(SEARCH_TABLES), "it has not finished its first step"
