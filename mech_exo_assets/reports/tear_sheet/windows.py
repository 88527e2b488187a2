"""The walk-forward: each window's Sharpe ratio, the stitched curve, the weights that were fitted.

What belongs here: how they are shown. What does not: the windows themselves (`quant.walk_forward`).
"""

from __future__ import annotations

import polars as pl

from mech_exo_assets.reports.formats import NOT_DEFINED, number, percent
from mech_exo_assets.reports.tear_sheet.content import TearSheet
from mech_exo_assets.reports.web_page.drawing import (
    BLUE,
    DIVERGING,
    GREEN,
    ORANGE,
    PURPLE,
    Drawing,
    Table,
    days,
    drawing,
    growth_axis,
    plain,
)

_LOOKS = ((BLUE, "solid", ""), (ORANGE, "dash", "/"), (GREEN, "dot", "x"), (PURPLE, "dashdot", "."))
"""Colour, dash and hatching of each fit."""
_TO = " \N{EN DASH} "


def _fits(frame: pl.DataFrame) -> dict[str, tuple[str, str, str]]:
    return dict(zip(sorted(frame["fit"].unique()), _LOOKS, strict=False))


def sharpe_bars(content: TearSheet) -> Drawing:
    """Sharpe ratio of every window and fit, with its standard error."""
    import plotly.graph_objects as go

    table = content.walk_forward_windows
    figure = go.Figure()
    for fit, (colour, _, hatching) in _fits(table).items():
        rows = table.filter(pl.col("fit") == fit).sort("window")
        figure.add_bar(
            x=[f"{start:%Y-%m}" for start in rows["test_from"]],
            customdata=rows["window"].to_list(),
            y=rows["sharpe"].to_list(),
            error_y={"array": rows["sharpe_error"].to_list(), "thickness": 1.2, "width": 3},
            name=plain([fit])[0],
            marker={"color": colour, "pattern": {"shape": hatching, "fgcolor": "#ffffff", "size": 6, "fillmode": "overlay"}},
            hovertemplate="window %{customdata}: %{y:.2f} ± %{error_y.array:.2f}",
        )
    figure.update_yaxes(title_text="annual Sharpe ratio", zeroline=True, zerolinecolor="#5b6672")
    figure.update_xaxes(title_text="first month of the window's test", type="category", tickfont_size=9)
    meaning = "Annual Sharpe ratio out of sample of every window, after costs, with a bar of one standard error to either side."
    return drawing("window-sharpe", figure, height=380, meaning=meaning, barmode="group")


def stitched(content: TearSheet) -> Drawing:
    """Growth of 1 out of sample: the test periods one after another."""
    import plotly.graph_objects as go

    figure = go.Figure()
    curves = []
    for fit, (colour, dash, _) in _fits(content.walk_forward).items():
        rows = content.walk_forward.filter(pl.col("fit") == fit).sort("date")
        curve = (rows["net_return"] + 1).cum_prod()
        curves.append(curve)
        line = {"color": colour, "dash": dash, "width": 1.8}
        figure.add_scatter(
            x=days(rows["date"]), y=curve.to_numpy(), name=plain([fit])[0], mode="lines", line=line, hovertemplate="%{y:.3f}"
        )
    figure.update_yaxes(title_text="growth of 1 (log)", **growth_axis(pl.concat([*curves, pl.Series([1.0])])))
    figure.update_xaxes(title_text="session out of sample", hoverformat="%Y-%m-%d")
    return drawing(
        "stitched", figure, height=360, meaning="Growth of 1 after costs over all test periods, one after another, for each fit."
    )


def weights(content: TearSheet) -> list[tuple[Drawing, str]]:
    """Weights of the factors in each window, one picture for every fit that changes them."""
    import plotly.graph_objects as go

    drawn = []
    for fit in sorted(content.walk_forward_weights["fit"].unique()):
        rows = content.walk_forward_weights.filter(pl.col("fit") == fit)
        if rows.group_by("factor").agg(pl.col("weight").n_unique())["weight"].max() == 1:
            continue
        windows = sorted(rows["window"].unique())
        mean = rows.group_by("factor").agg(pl.col("weight").mean()).sort("weight", "factor")
        value = {(factor, window): weight for factor, window, weight in rows.select("factor", "window", "weight").iter_rows()}
        grid = [[value.get((factor, window)) for window in windows] for factor in mean["factor"]]
        limit = float(rows["weight"].abs().max())  # ty: ignore[invalid-argument-type]
        figure = go.Figure(
            go.Heatmap(
                x=[str(window) for window in windows],
                y=plain(mean["factor"].to_list()),
                z=grid,
                zmin=-limit,
                zmax=limit,
                colorscale=DIVERGING,
                xgap=1,
                ygap=1,
                colorbar={"title": {"text": "weight", "side": "right"}, "tickformat": ".0%", "thickness": 12, "len": 1, "outlinewidth": 0},
                hovertemplate="%{y}, window %{x}: %{z:.1%}<extra></extra>",
            )
        )
        figure.update_xaxes(title_text="window", type="category", showgrid=False)
        figure.update_yaxes(type="category", showgrid=False, tickfont_size=10)
        meaning = f"Weight of each factor in each window as fitted by {fit}; blue is positive, orange negative."
        drawn.append(
            (
                drawing(
                    f"weights-{len(drawn)}", figure, height=110 + 18 * len(grid), meaning=meaning, hovermode="closest", showlegend=False
                ),
                meaning,
            )
        )
    return drawn


def table(content: TearSheet) -> Table:
    """One row for each window and fit."""
    rows = [
        [
            str(row["window"]),
            row["fit"],
            f"{row['train_from']}{_TO}{row['train_to']}",
            f"{row['test_from']}{_TO}{row['test_to']}",
            number(row["train_sharpe"]),
            NOT_DEFINED if row["sharpe"] is None else f"{number(row['sharpe'])} ± {number(row['sharpe_error'])}",
            percent(row["total_return"], 1),
            percent(row["volatility"], 1),
            percent(row["max_drawdown"], 1),
            percent(row["turnover"], 1),
        ]
        for row in content.walk_forward_windows.sort("window", "fit").iter_rows(named=True)
    ]
    heads = (
        "window",
        "fit",
        "training",
        "test",
        "Sharpe, training",
        "Sharpe, test",
        "return",
        "volatility",
        "largest drawdown",
        "turnover",
    )
    return Table.of(heads, rows, text_columns=4)


def stability(content: TearSheet) -> Table:
    """For each fit: how the windows' Sharpe ratios scatter, and how many are above zero."""
    grouped = content.walk_forward_windows.group_by("fit").agg(
        pl.col("sharpe").drop_nulls().len().alias("windows"),
        pl.col("sharpe").mean().alias("mean"),
        pl.col("sharpe").std().alias("deviation"),
        (pl.col("sharpe") > 0).sum().alias("positive"),
    )
    rows = [
        [row["fit"], str(row["windows"]), number(row["mean"]), number(row["deviation"]), f"{row['positive']} of {row['windows']}"]
        for row in grouped.sort("fit").iter_rows(named=True)
    ]
    return Table.of(["fit", "windows", "mean Sharpe", "standard deviation", "above zero"], rows)
