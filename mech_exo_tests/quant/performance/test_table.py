"""The table of figures."""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets.quant.performance import performance, performance_table
from mech_exo_assets.schemas import PERFORMANCE
from mech_exo_tests.quant.performance.builders import benchmarked, days


def test_the_table_holds_every_figure_of_the_three_series():
    net, benchmark = benchmarked(300)
    gross, gapped = net + 0.0001, np.where(np.arange(300) < 50, np.nan, benchmark)
    table = performance_table(net, gross, gapped, days(300))
    assert table.schema == PERFORMANCE.dtypes()
    of_table = set(table["metric"])
    dates = {"drawdown_from", "drawdown_to", "drawdown_recovered", "best_at", "worst_at"}
    expected = {
        "net": performance(net, days(300), benchmark=gapped),
        "gross": performance(gross, days(300), benchmark=gapped),
        "benchmark": performance(benchmark[50:], days(300)[50:]),
    }
    assert of_table == set(expected["net"].__slots__) - dates
    for column, figures in expected.items():
        for row in table.iter_rows(named=True):
            assert row[column] == getattr(figures, row["metric"])
    assert table.filter(pl.col("metric") == "beta")["benchmark"].to_list() == [None]
    assert all(len(meaning) > 10 and meaning.endswith(".") for meaning in table["meaning"])
    assert set(table["unit"]) == {"sessions", "fraction", "fraction per year", "ratio", "number"}


def test_the_table_dates_drawdown_and_extremes():
    def dates(*returns):
        table = performance_table(np.array(returns), np.array(returns), np.full(len(returns), np.nan), days(len(returns)))
        assert table["benchmark"].null_count() == table.height
        return dict(table.filter(pl.col("net_dates").is_not_null()).select("metric", "net_dates").iter_rows())

    assert dates(0.1, -0.2, 0.5) == {
        "best": "2020-01-03",
        "worst": "2020-01-02",
        "max_drawdown": "2020-01-01 to 2020-01-02, recovered 2020-01-03",
    }
    assert dates(-0.2, 0.1)["max_drawdown"] == "the start to 2020-01-01, not recovered"
    assert "max_drawdown" not in dates(0.1, 0.1)
