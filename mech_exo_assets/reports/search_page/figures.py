"""The pictures of the page of a weight search.

What belongs here: Plotly figures of the group's tables. What does not: the words (`words`), and the pictures of asset pages
(`search_figures`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from mech_exo_assets.reports.formats import number, percent
from mech_exo_assets.reports.search_figures import MOST_LINES, ordered_weights
from mech_exo_assets.reports.search_page.content import SearchContent
from mech_exo_assets.reports.web_page.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, YELLOW, Drawing, days, drawing, plain

_STARTS = ("square-open", "triangle-up-open", "triangle-down-open", "diamond-open", "cross-open", "x-open")
_LINES = (
    {"color": ORANGE, "width": 2.2},
    {"color": BLUE, "width": 1.5},
    {"color": YELLOW, "dash": "dash"},
    {"color": GREEN, "dash": "dot"},
)
"""Of the weights on the hold-out, the optimised first; where two are the same, the later one shows on the one before."""
_SHARPE = "Sharpe ratio (annual, after costs)"


def pareto(content: SearchContent) -> Drawing:
    """Sharpe ratio against maximum drawdown of all trials."""
    import plotly.graph_objects as go

    complete = content.trials.filter(pl.col("state") == "complete")
    figure = go.Figure()
    groups: list[tuple[str, pl.DataFrame, dict[str, Any]]] = [
        ("dominated", complete.filter(pl.col("feasible"), ~pl.col("on_front")), {"color": GREY, "size": 5, "opacity": 0.6}),
        ("outside of a limit", complete.filter(~pl.col("feasible")), {"color": GREY, "size": 6, "symbol": "x-thin-open"}),
        ("on the front", complete.filter(pl.col("on_front")), {"color": BLUE, "size": 8}),
    ]
    started = complete.filter(pl.col("start").is_not_null()).sort("trial")
    for (name, rows), symbol in zip(
        started.partition_by("start", as_dict=True, maintain_order=True).items(), _STARTS * (1 + started.height), strict=False
    ):
        groups.append((f"start: {name[0]}", rows, {"color": GREEN, "size": 11, "symbol": symbol, "line": {"width": 2}}))
    chosen = complete.filter(pl.col("trial") == content.chosen)
    groups.append(("chosen", chosen, {"color": ORANGE, "size": 15, "symbol": "circle-open", "line": {"width": 3}}))
    for name, rows, marker in groups:
        if not rows.is_empty():
            figure.add_scatter(
                x=rows["max_drawdown"].to_numpy(),
                y=rows["sharpe"].to_numpy(),
                customdata=rows.select("trial", "calmar", "turnover").to_numpy(),
                name=plain([name])[0],
                mode="markers",
                marker=marker,
                hovertemplate="trial %{customdata[0]}<br>Sharpe %{y:.3f}<br>drawdown %{x:.1%}<br>"
                "Calmar %{customdata[1]:.3f}<br>turnover %{customdata[2]:.3f}",
            )
    figure.update_xaxes(title_text="maximum drawdown; smaller is better", tickformat=".0%")
    figure.update_yaxes(title_text=f"{_SHARPE}; larger is better")
    front = int(content.frontier.height)
    meaning = f"{complete.height:,} trials, {front} of them on the front; trial {content.chosen} is chosen."
    return drawing("pareto", figure, height=520, meaning=meaning, hovermode="closest")


def history(content: SearchContent) -> Drawing:
    """Sharpe ratio trial by trial, and the best that keeps the limits until then."""
    import plotly.graph_objects as go

    complete = content.trials.filter(pl.col("state") == "complete").sort("trial")
    numbers, sharpe, feasible = (complete[name].to_numpy() for name in ("trial", "sharpe", "feasible"))
    best = np.maximum.accumulate(np.where(feasible, sharpe, -np.inf))
    known = np.isfinite(best)
    figure = go.Figure()
    figure.add_scatter(
        x=numbers, y=sharpe, name="trial", mode="markers", marker={"color": GREY, "size": 5, "opacity": 0.6}, hovertemplate="%{y:.3f}"
    )
    figure.add_scatter(
        x=numbers[known],
        y=best[known],
        name="best that keeps the limits until then",
        mode="lines",
        line={"color": BLUE, "width": 2, "shape": "hv"},
        hovertemplate="%{y:.3f}",
    )
    figure.update_xaxes(title_text="trial")
    figure.update_yaxes(title_text=_SHARPE)
    return drawing("history", figure, height=340, meaning="Sharpe ratio of each trial, in the order in which they were tried.")


def parallel_coordinates(content: SearchContent) -> Drawing | None:
    """One line for each trial over the factors' weights; None where no trial was judged."""
    import plotly.graph_objects as go

    wide, names = ordered_weights(content.trials, content.trial_weights)
    if wide.is_empty():
        return None
    values = wide.select(names)
    span = [float(min(0.0, *values.min().row(0))), float(max(values.max().row(0)))]
    ticks = np.linspace(span[0], span[1], 5)
    dimensions = [
        {
            "label": label,
            "values": np.round(values[name].to_numpy(), 5),
            "range": span,
            # All axes have the same range, so that one of them carries the numbers.
            "tickvals": ticks,
            "ticktext": [f"{tick:.0%}" if at == 0 else "" for tick in ticks],
        }
        for at, (name, label) in enumerate(zip(names, plain(names), strict=True))
    ]
    sharpe = np.round(wide["sharpe"].to_numpy(), 4)
    # Its numbers stand beside the colours, where no line crosses them.
    dimensions.append({"label": "Sharpe ratio", "values": sharpe, "tickvals": [float(sharpe.max())], "ticktext": [""]})
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            labelangle=-55,
            labelfont={"size": 11},
            tickfont={"size": 10},
            rangefont={"size": 1, "color": "rgba(0,0,0,0)"},
            line={
                "color": sharpe,
                "colorscale": "Viridis",
                "reversescale": True,
                "showscale": True,
                "colorbar": {"title": {"text": "Sharpe ratio", "side": "right"}, "thickness": 12, "outlinewidth": 0},
            },
            unselected={"line": {"opacity": 0.02}},
        )
    )
    complete = content.trials.filter(pl.col("state") == "complete").height
    which = f"the best {MOST_LINES:,} of {complete:,} trials" if complete > MOST_LINES else f"all {complete:,} trials"
    meaning = f"Weights of {which}, darker where the Sharpe ratio is larger; factors by their mean weight in the best tenth."
    return drawing("parallel", figure, height=480, meaning=meaning, showlegend=False, margin={"l": 60, "r": 110, "t": 170, "b": 16})


def importances(content: SearchContent) -> Drawing | None:
    """Share of the variance of the Sharpe ratio that each factor's weight explains; None where it was not computed."""
    import plotly.graph_objects as go

    if not content.importances:
        return None
    names, shares = list(content.importances), list(content.importances.values())
    figure = go.Figure(
        go.Bar(
            x=shares,
            y=plain(names),
            orientation="h",
            marker={"color": BLUE},
            text=[percent(share, 1) for share in shares],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", dtick=1)
    figure.update_xaxes(title_text="share of the variance", tickformat=".0%", range=[0, 1.12 * max(shares)])
    meaning = "Share of the Sharpe ratio's variance over the trials that each factor's weight explains by itself (fANOVA)."
    return drawing("importances", figure, height=70 + 18 * len(names), meaning=meaning, showlegend=False, hovermode="closest")


def weights(content: SearchContent) -> Drawing:
    """Optimised, searched, equal and configured weight of each factor."""
    import plotly.graph_objects as go

    rows = content.optimised.sort(pl.col("weight").abs(), "factor", descending=[True, False])
    names = plain(rows["factor"].to_list())
    figure = go.Figure()
    figure.add_bar(y=names, x=rows["weight"].to_numpy(), name="optimised", orientation="h", marker={"color": SKY}, hovertemplate="%{x:.2%}")
    for name, label, symbol, colour in (
        ("searched", "searched", "circle-open", ORANGE),
        ("configured", "strategy file", "diamond-open", GREEN),
        ("equal", "equal", "line-ns-open", PURPLE),
    ):
        marker = {"symbol": symbol, "color": colour, "size": 8, "line": {"width": 2}}
        figure.add_scatter(y=names, x=rows[name].to_numpy(), name=label, mode="markers", marker=marker, hovertemplate="%{x:.2%}")
    figure.update_yaxes(range=[len(names) - 0.4, -0.6], dtick=1)
    figure.update_xaxes(title_text="weight", tickformat=".0%")
    meaning = "Weights after the search; searched: before equal weights were mixed in; strategy file: `composite.weights`."
    return drawing("weights", figure, height=110 + 20 * len(names), meaning=meaning, hovermode="y unified")


def shrinkage(content: SearchContent) -> Drawing | None:
    """Sharpe ratio of the inner validation by share of equal weights; None where nothing could be validated."""
    import plotly.graph_objects as go

    rows = content.shrinkage.drop_nulls("sharpe").sort("share")
    if rows.is_empty():
        return None
    figure = go.Figure()
    shares, sharpe = rows["share"].to_numpy(), rows["sharpe"].to_numpy()
    figure.add_scatter(x=shares, y=sharpe, mode="lines+markers", line={"color": BLUE}, hovertemplate="%{x:.0%}: %{y:.3f}<extra></extra>")
    picked = rows.filter("chosen")
    figure.add_scatter(
        x=picked["share"].to_numpy(),
        y=picked["sharpe"].to_numpy(),
        name="chosen",
        mode="markers",
        marker={"symbol": "circle-open", "color": ORANGE, "size": 16, "line": {"width": 3}},
        hoverinfo="skip",
    )
    figure.update_xaxes(title_text="share of equal weights", tickformat=".0%", tickvals=shares)
    figure.update_yaxes(title_text="Sharpe ratio (annual)")
    meaning = f"Sharpe ratio over the inner tests by share of equal weights; {percent(content.record['share'], 0)} is chosen."
    return drawing("shrinkage", figure, height=320, meaning=meaning, showlegend=False, hovermode="closest")


def growth(content: SearchContent) -> Drawing:
    """Growth of 1 on the hold-out under each of the compared weights."""
    import plotly.graph_objects as go

    figure = go.Figure()
    names = content.comparison["weights"].to_list()
    for name, line in zip(names, _LINES * (1 + len(names)), strict=False):
        rows = content.returns.filter(pl.col("weights") == name).sort("date")
        figure.add_scatter(
            x=days(rows["date"]),
            y=np.cumprod(1 + rows["net_return"].to_numpy()),
            name=plain([name])[0],
            mode="lines",
            line=line,
            hovertemplate="%{y:.3f}",
        )
    figure.update_xaxes(title_text="session", hoverformat="%Y-%m-%d")
    figure.update_yaxes(title_text="growth of 1 (after costs)")
    first, last = content.returns["date"].min(), content.returns["date"].max()
    ends = ", ".join(f"{row['weights']} {number(1 + row['total_return'])}" for row in content.comparison.iter_rows(named=True))
    return drawing("growth", figure, height=380, meaning=f"What 1 became from {first} to {last}, after costs: {ends}.")
