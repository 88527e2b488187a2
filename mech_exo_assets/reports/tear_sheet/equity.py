"""The returns of the backtest: growth and drawdown, months, the rolling Sharpe ratio, the worst days and drawdowns.

What belongs here: how these are shown. What does not: how they are computed (`quant.performance`), but for the running product of returns.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from mech_exo_assets.quant.performance import drawdown_series, drawdowns, monthly_returns, rolling_sharpe
from mech_exo_assets.reports.formats import number, percent
from mech_exo_assets.reports.tear_sheet.content import TearSheet
from mech_exo_assets.reports.web_page.drawing import BLUE, GREEN, GREY, LOSS, Cell, Drawing, Table, days, drawing, growth_axis, plain

WINDOW = 252
"""Sessions of the rolling Sharpe ratio."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def growth(content: TearSheet) -> Drawing:
    """Growth of 1 after costs, before costs and of the benchmark, and the drawdown of the first."""
    from plotly.subplots import make_subplots

    book = content.backtest
    dates = days(book["date"])
    curves = book.select((pl.col("net_return", "gross_return", "benchmark_return") + 1).cum_prod())
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.68, 0.32], vertical_spacing=0.05)
    (benchmark,) = plain([content.benchmark])
    for name, label, line in (
        ("gross_return", "before costs", {"color": GREEN, "width": 1.3, "dash": "dot"}),
        ("benchmark_return", f"benchmark: {benchmark}", {"color": GREY, "width": 1.3, "dash": "dash"}),
        ("net_return", "after costs", {"color": BLUE, "width": 2}),
    ):
        if curves[name].null_count() < len(book):
            figure.add_scatter(
                x=dates, y=curves[name].to_numpy(), name=label, line=line, mode="lines", hovertemplate="%{y:.3f}", row=1, col=1
            )
    figure.add_scatter(
        x=dates,
        y=drawdown_series(book["net_return"].to_numpy()),
        name="drawdown after costs",
        line={"color": LOSS, "width": 1},
        fill="tozeroy",
        mode="lines",
        hovertemplate="%{y:.2%}",
        showlegend=False,
        row=2,
        col=1,
    )
    known = pl.concat([curves[name].drop_nulls() for name in curves.columns])
    figure.update_yaxes(title_text="growth of 1 (log)", row=1, col=1, **growth_axis(pl.concat([known, pl.Series([1.0])])))
    figure.update_yaxes(title_text="drawdown", tickformat=".0%", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(hoverformat="%Y-%m-%d")
    figure.update_xaxes(title_text="session", row=2, col=1)
    last = number(curves["net_return"][-1])
    meaning = f"Growth of 1 from {book['date'][0]} to {book['date'][-1]}: after costs 1 became {last}. Below: the drawdown."
    return drawing("growth", figure, height=560, meaning=meaning)


def months(content: TearSheet) -> Table:
    """Returns after costs by year and month, and of the year."""
    book = content.backtest
    table = monthly_returns(book["net_return"].to_numpy(), book["date"].to_numpy().astype("datetime64[D]"))
    by_month = {(year, month): value for year, month, value in table.select("year", "month", "value").iter_rows()}
    years = sorted({year for year, _ in by_month})
    largest = max(abs(value) for value in by_month.values()) or 1.0
    rows = []
    for year in years:
        values = [by_month.get((year, month)) for month in range(1, 13)]
        total = float(np.prod([1 + value for value in values if value is not None])) - 1
        cells = [Cell("" if value is None else percent(value, 1), None if value is None else value / largest) for value in values]
        rows.append([Cell(str(year)), *cells, Cell(percent(total, 1))])
    return Table(["year", *_MONTHS, "year's total"], rows)


def rolling(content: TearSheet) -> Drawing:
    """Rolling Sharpe ratio after costs and of the benchmark, and gross and net exposure."""
    from plotly.subplots import make_subplots

    book = content.backtest
    dates = days(book["date"])
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    enough = len(book) >= WINDOW
    if enough:
        benchmark = book["benchmark_return"].cast(pl.Float64).fill_null(np.nan).to_numpy()
        for values, label, line in (
            (rolling_sharpe(benchmark, window=WINDOW), "Sharpe ratio of the benchmark", {"color": GREY, "width": 1.2, "dash": "dash"}),
            (rolling_sharpe(book["net_return"].to_numpy(), window=WINDOW), "Sharpe ratio after costs", {"color": BLUE, "width": 2}),
        ):
            figure.add_scatter(x=dates, y=values, name=label, line=line, mode="lines", hovertemplate="%{y:.2f}", row=1, col=1)
        figure.add_hline(y=0, line={"color": GREY, "width": 1}, row=1, col=1)
    else:
        said = f"needs {WINDOW} sessions; there are {len(book)}"
        figure.add_annotation(text=said, showarrow=False, x=0.5, y=0.5, xref="x domain", yref="y domain", row=1, col=1)
    for name, label, line in (
        ("exposure", "gross exposure", {"color": GREEN, "width": 1.3}),
        ("net_exposure", "net exposure", {"color": LOSS, "width": 1.3, "dash": "dot"}),
    ):
        figure.add_scatter(x=dates, y=book[name].to_numpy(), name=label, line=line, mode="lines", hovertemplate="%{y:.1%}", row=2, col=1)
    figure.update_yaxes(title_text="annual Sharpe ratio", row=1, col=1)
    figure.update_yaxes(title_text="fraction of NAV", tickformat=".0%", rangemode="tozero", row=2, col=1)
    figure.update_xaxes(hoverformat="%Y-%m-%d", range=[dates[0], dates[-1]])
    figure.update_xaxes(title_text="session", row=2, col=1)
    meaning = f"Annual Sharpe ratio over the last {WINDOW} sessions, and exposure as a fraction of NAV."
    return drawing("rolling", figure, height=520, meaning=meaning)


def worst_days(content: TearSheet, count: int = 10) -> Table:
    """Sessions with the lowest returns after costs."""
    worst = content.backtest.sort("net_return", "date").head(count)
    rows = [
        [
            str(row["date"]),
            *(percent(row[name]) for name in ("net_return", "gross_return", "benchmark_return")),
            percent(row["exposure"], 0),
        ]
        for row in worst.iter_rows(named=True)
    ]
    return Table.of(["session", "after costs", "before costs", "benchmark", "gross exposure"], rows)


def worst_drawdowns(content: TearSheet, count: int = 5) -> Table:
    """The deepest losses from a peak, after costs."""
    book = content.backtest
    found = drawdowns(book["net_return"].to_numpy(), book["date"].to_numpy().astype("datetime64[D]"), count=count)
    rows = [
        [
            str(row["from"] or "start"),
            str(row["trough"]),
            str(row["recovered"] or "not yet"),
            percent(row["depth"]),
            number(row["sessions"], 0),
        ]
        for row in found.iter_rows(named=True)
    ]
    return Table.of(["from (peak)", "to (trough)", "made good", "depth", "sessions"], rows, text_columns=3)
