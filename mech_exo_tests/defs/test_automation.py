"""Who triggers what: the clock reads the market, and what is downstream follows by itself, for the last two years only."""

import datetime as dt
from collections.abc import Callable

import dagster as dg
import pytest

from mech_exo_assets.definitions import defs
from mech_exo_assets.defs.partitions import YEARS
from mech_exo_assets.defs.schedules import daily_refresh, nightly_backtest

THIS_YEAR = YEARS.get_last_partition_key()
LAST_YEAR = str(int(THIS_YEAR) - 1)
Requested = dict[str, set[str | None]]


def _key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture(scope="module")
def untouched() -> dg.EvaluateAutomationConditionsResult:
    """What the automation says of an instance on which nothing has happened; it takes seconds, and each test goes on from here."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        return dg.evaluate_automation_conditions(defs=defs, instance=ephemeral)


@pytest.fixture
def requested_after(instance: dg.DagsterInstance, untouched: dg.EvaluateAutomationConditionsResult) -> Callable[..., Requested]:
    return lambda *updates: _requested_after(instance, untouched, *updates)


def _requested_after(
    instance: dg.DagsterInstance, before: dg.EvaluateAutomationConditionsResult, *updates: tuple[str, str | None]
) -> Requested:
    """What the automation asks for once the given assets and partitions have been updated."""
    for name, partition in updates:
        instance.report_runless_asset_event(dg.AssetMaterialization(_key(name), partition=partition))
    after = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=before.cursor)
    return {
        result.key.to_user_string(): set(after.get_requested_partitions(result.key))
        for result in after.results
        if after.get_requested_partitions(result.key)
    }


def test_nothing_is_asked_for_where_nothing_was_updated(requested_after: Callable[..., Requested]):
    assert requested_after() == {}


def test_new_prices_of_this_year_ask_for_everything_downstream(requested_after: Callable[..., Requested]):
    requested = requested_after(("market/prices", LAST_YEAR), ("market/prices", THIS_YEAR))
    both = {LAST_YEAR, THIS_YEAR}
    assert requested["factors/exposures"] == both
    assert requested["market/forward_returns"] == both
    assert requested["factors/scores"] == both
    assert requested["decay/ic"] == both
    assert requested["decay/residual_ic"] == both
    assert requested["decay/status"] == {None}
    assert requested["decay/momentum_12_1"] == {None}
    assert requested["strategy/targets"] == both
    assert requested["reporting/mart"] == {None}


def test_the_backtest_waits_for_the_night(requested_after: Callable[..., Requested]):
    requested = requested_after(("strategy/targets", LAST_YEAR), ("strategy/targets", THIS_YEAR))
    assert set(requested) == {"reporting/mart"}


def test_a_new_backtest_asks_for_the_mart(requested_after: Callable[..., Requested]):
    assert set(requested_after(("strategy/backtest", None))) == {"reporting/mart"}


def _requested(result: dg.EvaluateAutomationConditionsResult) -> set[str]:
    return {each.key.to_user_string() for each in result.results if result.get_num_requested(each.key)}


@pytest.mark.parametrize(("job", "goes_on"), [("weight_search", True), ("nightly_backtest", False)])
def test_the_mart_does_not_wait_for_a_search_and_waits_for_every_other_run(
    instance: dg.DagsterInstance, untouched: dg.EvaluateAutomationConditionsResult, job: str, goes_on: bool
):
    run = instance.create_run_for_job(defs.resolve_job_def(job), status=dg.DagsterRunStatus.STARTED)
    instance.report_runless_asset_event(dg.AssetMaterialization(_key("strategy/composite"), partition=THIS_YEAR))
    during = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=untouched.cursor)
    assert ("reporting/mart" in _requested(during)) == goes_on
    instance.report_run_failed(run)
    after = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=during.cursor)
    assert ("reporting/mart" in _requested(after)) == (not goes_on), "once"


def test_tables_of_a_search_that_goes_on_ask_for_nothing(requested_after: Callable[..., Requested]):
    assert requested_after(("weights/trials", None), ("weights/optimised", None), ("weights/comparison", None)) == {}


def test_a_search_that_ends_while_the_mart_is_published_is_published_by_the_next(
    instance: dg.DagsterInstance, untouched: dg.EvaluateAutomationConditionsResult
):
    """The run of the mart has read the search's tables before the last of them was written, and tells its own end after it."""
    for name in ("weights/history", "reporting/mart"):
        instance.report_runless_asset_event(dg.AssetMaterialization(_key(name)))
    after = dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=untouched.cursor)
    assert _requested(after) == {"reporting/mart"}
    assert _requested(dg.evaluate_automation_conditions(defs=defs, instance=instance, cursor=after.cursor)) == set()


def test_a_correction_of_an_old_year_asks_for_no_year_partition(requested_after: Callable[..., Requested]):
    requested = requested_after(("market/prices", "1995"))
    assert "factors/exposures" not in requested
    assert "decay/ic" not in requested


def test_market_assets_are_never_asked_for_by_automation(requested_after: Callable[..., Requested]):
    requested = requested_after(("market/universe", None), ("market/features", None))
    assert not {"market/prices", "market/universe", "market/fundamentals", "market/features"} & set(requested)
    assert "factors/exposures" in requested


@pytest.mark.parametrize("schedule", [daily_refresh, nightly_backtest])
def test_the_schedules_go_over_the_last_two_years(schedule: dg.ScheduleDefinition):
    context = dg.build_schedule_context(scheduled_execution_time=dt.datetime(2026, 11, 20, 23, 30, tzinfo=dt.UTC))
    (request,) = schedule.evaluate_tick(context).run_requests
    assert request.tags["dagster/asset_partition_range_start"] == "2025"
    assert request.tags["dagster/asset_partition_range_end"] == "2026"
    assert request.run_key


def test_the_schedule_of_a_day_in_january_still_reads_two_years():
    context = dg.build_schedule_context(scheduled_execution_time=dt.datetime(2026, 1, 5, 23, 30, tzinfo=dt.UTC))
    (request,) = daily_refresh.evaluate_tick(context).run_requests
    assert (request.tags["dagster/asset_partition_range_start"], request.tags["dagster/asset_partition_range_end"]) == ("2025", "2026")
