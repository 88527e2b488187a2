"""The nightly job as the daemon launches it: on a home with targets it judges the strategy and writes both reports."""

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest

from mech_exo_assets.cli.options import dagster_instance
from mech_exo_assets.definitions import build_definitions
from mech_exo_assets.defs.jobs import NIGHTLY_BACKTEST
from mech_exo_assets.defs.schedules import nightly_backtest
from mech_exo_assets.settings import load_settings
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.e2e.living_market import write_choices
from mech_exo_tests.e2e.market_folder import lake_tables, mech_exo

pytestmark = pytest.mark.slow


def test_the_night_judges_the_strategy_and_leaves_the_rest_as_it_is(tmp_path: Path):
    source = "simulator:names=12,sessions=1300,seed=5"
    done = mech_exo("run", "--home", tmp_path, "--source", source, "--config", write_choices(tmp_path / "mine.yaml"))
    assert done.returncode == 0, done.stderr
    before = lake_tables(tmp_path)
    lake = Lake(tmp_path / "lake")
    versions = {key: lake.version(key) for key in before}
    (tmp_path / "reports" / "tear_sheet.html").unlink()
    settings = load_settings(home=tmp_path, source=source)
    night = dt.datetime.combine(before["market/prices"]["date"].max(), dt.time(2), tzinfo=dt.UTC)
    context = dg.build_schedule_context(scheduled_execution_time=night)
    (request,) = nightly_backtest.evaluate_tick(context).run_requests
    with dagster_instance(settings) as instance:
        job = build_definitions(settings).resolve_job_def(NIGHTLY_BACKTEST.name)
        assert job.execute_in_process(instance=instance, tags=request.tags).success
        assert instance.get_latest_materialization_event(dg.AssetKey(["reporting", "quantstats_report"])) is not None
    assert (tmp_path / "reports" / "quantstats.pdf").read_bytes().startswith(b"%PDF-")
    assert (tmp_path / "reports" / "tear_sheet.html").stat().st_size > 1_000_000
    after = lake_tables(tmp_path)
    judged = {key for key in before if lake.version(key) > versions[key]}
    assert "strategy/backtest" in judged
    assert "strategy/targets" not in judged
    for key, table in before.items():
        assert table.equals(after[key].select(table.columns), null_equal=True), key
