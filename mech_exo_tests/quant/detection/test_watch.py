"""From a table of information coefficients to the tables of the monitor, in dates and words."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from mech_exo_assets.quant.detection import watch
from mech_exo_assets.quant.detection.run_length import threshold
from mech_exo_assets.schemas import ALARMS, MONITOR, RESIDUAL_IC, STATUS, STATUS_HISTORY
from mech_exo_assets.settings import load_strategy

FIRST = dt.date(2001, 1, 1)
CHOICES = load_strategy().decay.model_copy(update={"false_alarms_per_year": 0.02, "watches_per_year": 0.2})
"""A budget so small that one run of the tests sees no false alarm: one in fifty years."""


def sessions(n):
    return np.datetime64(FIRST) + np.arange(n)


def table(factors, *, horizon=1):
    """One row for each session of each factor, from the first session on."""
    parts = [
        pl.DataFrame(
            {"date": sessions(len(values)).astype("datetime64[D]").tolist(), "factor": name, "horizon": horizon, "ic": values, "n": 300},
            schema=RESIDUAL_IC.dtypes(),
        )
        for name, values in factors.items()
    ]
    return pl.concat(parts)


def ic(*parts, seed=0):
    means = np.concatenate([np.full(n, mean) for mean, n in parts])
    return means + 0.06 * np.random.default_rng(seed).standard_normal(len(means))


def watched(factors, *, horizon=1, execution_lag=1, choices=CHOICES, n=None):
    longest = max(map(len, factors.values()))
    return watch(
        table(factors, horizon=horizon),
        sessions(n or longest + horizon + execution_lag),
        horizon=horizon,
        execution_lag=execution_lag,
        choices=choices,
    )


DIES = ic((0.06, 800), (0.0, 200))


@pytest.fixture(scope="module")
def of_two():
    return watched({"dies": DIES, "lives": ic((0.06, 1000), seed=1), "noise": ic((0.0, 1000), seed=2), "young": ic((0.06, 100), seed=3)})


def test_the_tables_keep_their_schemas(of_two):
    for schema, frame in (
        (MONITOR, of_two.monitor),
        (ALARMS, of_two.alarms),
        (STATUS_HISTORY, of_two.status_history),
        (STATUS, of_two.status),
    ):
        assert dict(frame.schema) == schema.dtypes()
        assert frame.select(schema.unique).is_duplicated().sum() == 0


def test_each_factor_has_the_status_that_it_earns(of_two):
    statuses = dict(of_two.status.select("factor", "status").iter_rows())
    assert statuses["dies"] == "decayed"
    assert statuses["lives"] in ("healthy", "watch")
    assert statuses["noise"] == statuses["young"] == "unproven"


def test_an_ic_is_known_at_the_close_that_ends_its_return(of_two):
    rows = of_two.monitor.filter(factor="dies")
    assert ((rows["date"] - rows["score_date"]).dt.total_days() == 2).all()


def test_an_alarm_says_what_changed_when_how_sure_how_soon_and_how_often_it_is_false(of_two):
    alarm = of_two.alarms.filter(factor="dies").row(0, named=True)
    died = FIRST + dt.timedelta(days=800)
    assert alarm["kind"] == "decay"
    assert alarm["change_low"] <= died <= alarm["change_high"] < alarm["alarm_date"]
    assert alarm["ic_before"] == pytest.approx(0.06, abs=0.01)
    assert alarm["false_alarms_per_year"] == 0.02
    assert alarm["factors"] == 3
    status = of_two.status.filter(factor="dies").row(0, named=True)
    sessions_until = (alarm["alarm_date"] - alarm["change_date"]).days
    assert f"alarm after {sessions_until} sessions; 0.02 false alarms a year are expected over 3 factors." in status["reason"]
    assert status["since"] == alarm["alarm_date"]


def test_the_reasons_of_the_unproven_say_what_they_lack(of_two):
    reasons = dict(of_two.status.select("factor", "reason").iter_rows())
    assert reasons["young"] == "Not proven: it has 100 observations, and is judged after 252."
    assert reasons["noise"].endswith("over 1000 observations; 3 is wanted.")


def test_a_factor_that_works_against_its_direction_is_called_so():
    status = watched({"against": ic((-0.06, 700))}).status.row(0, named=True)
    assert status["status"] == "unproven"
    assert "works against its declared direction" in status["reason"]


@pytest.mark.parametrize("factors", [1, 4])
def test_the_budget_is_shared_by_the_factors_that_are_judged(factors):
    result = watched({f"f{k}": ic((0.06, 400), seed=k) for k in range(factors)})
    for row in result.monitor.filter(pl.col("statistic") == 0).tail(5).iter_rows(named=True):
        assert row["threshold"] == pytest.approx(threshold(row["delta"], factors * 252.0 / 0.02), rel=1e-9)


def test_at_a_longer_horizon_only_returns_that_do_not_overlap_are_used():
    result = watched({"slow": np.repeat(ic((0.1, 130)), 10)}, horizon=10)
    rows = result.monitor
    assert (rows["score_date"].diff().drop_nulls().dt.total_days() == 10).all()
    assert ((rows["date"] - rows["score_date"]).dt.total_days() == 11).all()
    assert rows["statistic"].null_count() == 60


def test_expected_delay_counts_the_sessions_until_an_ic_is_known():
    one, two = (watched({"f": ic((0.06, 400))}, execution_lag=lag).status["expected_delay"].item() for lag in (1, 5))
    assert two - one == pytest.approx(4.0)


def test_what_is_not_known_yet_is_not_used():
    result = watched({"f": ic((0.06, 400))}, n=300)
    assert result.monitor["date"].max() == FIRST + dt.timedelta(days=299)
    assert result.monitor.height == 298


def test_no_table_gives_empty_tables():
    result = watch(RESIDUAL_IC.empty(), sessions(10), horizon=1, execution_lag=1, choices=CHOICES)
    assert all(frame.is_empty() for frame in (result.monitor, result.alarms, result.status_history, result.status))


def test_the_whole_life_is_told_in_order():
    choices = CHOICES.model_copy(update={"probation_sessions": 50})
    result = watched({"f": ic((0.08, 700), (0.0, 300), (0.08, 500), seed=9)}, choices=choices)
    history = result.status_history
    order = history.filter(pl.col("status") != "watch")["status"].rle().struct.field("value")
    assert order.to_list() == ["unproven", "healthy", "decayed", "recovered", "healthy"]
    reason = {
        cause: history.filter(pl.col("reason").str.starts_with(cause)) for cause in ("Proven: t ", "It works again: IC ", "Recovered, and")
    }
    assert reason["Proven: t "]["status"].to_list() == ["healthy"]
    assert reason["It works again: IC "]["status"].to_list() == ["recovered"]
    assert reason["Recovered, and"]["reason"].to_list() == ["Recovered, and without an alarm for 50 observations."]


def test_shiryaev_roberts_is_a_choice():
    result = watched({"dies": DIES}, choices=CHOICES.model_copy(update={"detector": "shiryaev_roberts"}))
    alarm = result.alarms.row(0, named=True)
    assert alarm["detector"] == "shiryaev_roberts"
    assert 2 < alarm["expected_delay"] < 100
    assert result.status["status"].item() == "decayed"
