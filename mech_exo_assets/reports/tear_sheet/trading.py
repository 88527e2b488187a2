"""What the backtest traded, what that cost, and what it holds at the end.

What belongs here: how turnover, costs, trades and holdings are shown. What does not: the costs themselves (`quant.costs`).
"""

from __future__ import annotations

import polars as pl

from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR
from mech_exo_assets.reports.formats import number, percent
from mech_exo_assets.reports.tear_sheet.content import TearSheet
from mech_exo_assets.reports.web_page.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, YELLOW, Drawing, Table, drawing

COSTS = {"commission": SKY, "spread": GREEN, "impact": PURPLE, "borrow": YELLOW}
"""The four costs, in the order in which they are taken off, and the colour of each."""


def turnover_and_costs(content: TearSheet) -> Drawing:
    """Turnover and each cost, summed over calendar months."""
    from plotly.subplots import make_subplots

    names = ["turnover", *COSTS]
    monthly = content.backtest.group_by(pl.col("date").dt.truncate("1mo")).agg(pl.col(names).sum()).sort("date")
    months = monthly["date"].dt.to_string("%Y-%m").to_list()
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    bar = {"x": months, "xperiod": "M1", "xperiodalignment": "middle"}
    figure.add_bar(
        y=monthly["turnover"].to_numpy(),
        name="turnover",
        marker_color=GREY,
        showlegend=False,
        hovertemplate="%{y:.1%}",
        row=1,
        col=1,
        **bar,
    )
    for name, colour in COSTS.items():
        figure.add_bar(y=(monthly[name] * 1e4).to_numpy(), name=name, marker_color=colour, hovertemplate="%{y:.2f} bp", row=2, col=1, **bar)
    figure.update_yaxes(title_text="traded, of NAV", tickformat=".0%", row=1, col=1)
    figure.update_yaxes(title_text="basis points", row=2, col=1)
    figure.update_xaxes(hoverformat="%Y-%m")
    figure.update_xaxes(title_text="calendar month", row=2, col=1)
    meaning = "Turnover of each calendar month as a fraction of NAV, and below it the month's costs in basis points, by kind."
    return drawing("costs", figure, height=520, meaning=meaning, barmode="stack", bargap=0.15)


def annual_costs(content: TearSheet) -> dict[str, float]:
    """Mean session fractions times 252: gross, each cost, net; they add up, since nothing is compounded."""
    names = ["gross_return", *COSTS, "net_return"]
    means = content.backtest.select(pl.col(names).mean() * SESSIONS_PER_YEAR).row(0, named=True)
    return dict(means)


def waterfall(content: TearSheet) -> Drawing:
    """From the return before costs to that after them."""
    import plotly.graph_objects as go

    annual = annual_costs(content)
    steps = [annual["gross_return"], *(-annual[name] for name in COSTS), annual["net_return"]]
    figure = go.Figure(
        go.Waterfall(
            x=["before costs", *COSTS, "after costs"],
            y=steps,
            measure=["absolute", *["relative"] * len(COSTS), "total"],
            text=[percent(value) for value in steps],
            textposition="outside",
            cliponaxis=False,
            increasing_marker_color=BLUE,
            decreasing_marker_color=ORANGE,
            totals_marker_color=GREY,
            connector={"line": {"color": GREY, "width": 1, "dash": "dot"}},
            hovertemplate="%{x}: %{text}<extra></extra>",
        )
    )
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(title_text="a year, additive", tickformat=".1%", rangemode="tozero")
    meaning = f"From {percent(steps[0])} a year before costs to {percent(steps[-1])} after them, cost by cost."
    return drawing("waterfall", figure, height=380, meaning=meaning, hovermode="closest", showlegend=False)


def trades(content: TearSheet) -> Table:
    """How much was traded, and why."""
    rows = [
        [row["reason"], *(number(row[name], 0) for name in ("trades", "notional", "commission", "spread", "impact"))]
        for row in content.trades.iter_rows(named=True)
    ]
    return Table.of(["reason", "trades", "notional", "commission", "half-spread", "impact"], rows)


def holdings(content: TearSheet, count: int = 10) -> Table:
    """The largest positions at the last close."""
    largest = content.holdings.sort(pl.col("weight").abs(), descending=True).head(count)
    rows = [
        [
            row["symbol"],
            "long" if row["quantity"] > 0 else "short",
            percent(row["weight"]),
            number(row["quantity"], 1),
            number(row["price"]),
        ]
        for row in largest.iter_rows(named=True)
    ]
    return Table.of(["symbol", "side", "weight", "shares", "price"], rows, text_columns=2)
