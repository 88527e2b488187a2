"""Who earned the return: factors, sectors, sides, names.

What belongs here: how contributions are shown. What does not: the attribution itself (`quant.contributions`).
"""

from __future__ import annotations

import polars as pl

from mech_exo_assets.reports.formats import percent
from mech_exo_assets.reports.tear_sheet.content import TearSheet
from mech_exo_assets.reports.web_page.drawing import GAIN, LOSS, Drawing, drawing, plain

SHOWN = 20
"""Members of a dimension that are drawn; where there are more, the best and the worst halves of this."""


def sums(content: TearSheet, dimension: str) -> pl.DataFrame:
    """Columns member, contribution: sums over the whole period, largest first."""
    of_dimension = content.contributions.filter(pl.col("dimension") == dimension)
    total = of_dimension.group_by("member").agg(pl.col("contribution").sum())
    return total.sort("contribution", "member", descending=[True, False])


def bars(content: TearSheet, dimension: str) -> tuple[Drawing, str] | None:
    """The members' contributions as bars, and a sentence on what is shown; None where the dimension has no members."""
    import plotly.graph_objects as go

    total = sums(content, dimension)
    if total.is_empty():
        return None
    shown = total if len(total) <= SHOWN else pl.concat([total.head(SHOWN // 2), total.tail(SHOWN // 2)])
    values = shown["contribution"].to_list()
    labels = plain([name if len(name) <= 24 else f"{name[:23]}…" for name in shown["member"]])
    figure = go.Figure(
        go.Bar(
            x=values,
            # Labels may be cut to the same text; places are told apart by number.
            y=list(range(len(values))),
            orientation="h",
            marker_color=[GAIN if value >= 0 else LOSS for value in values],
            customdata=plain(shown["member"].to_list()),
            hovertext=[percent(value) for value in values],
            hovertemplate="%{customdata}: %{hovertext}<extra></extra>",
        )
    )
    # Right of the bar, or of zero for a loss: to the left of a bar a number would run into the name where there is little room.
    figure.add_scatter(
        x=[max(value, 0.0) for value in values],
        y=list(range(len(values))),
        mode="text",
        text=[f"\N{NO-BREAK SPACE}{percent(value)}" for value in values],
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
    )
    low, high = min(0.0, *values), max(0.0, *values)
    width = (high - low) or 1.0
    span = [low - 0.04 * width if low < 0 else 0.0, high + 0.06 * width]
    figure.update_xaxes(title_text="sum over the period, of NAV", tickformat=".1%", range=span, nticks=4)
    figure.update_yaxes(tickvals=list(range(len(values))), ticktext=labels, range=[len(values) - 0.4, -0.6], showgrid=False)
    said = f"all {len(total)}" if len(shown) == len(total) else f"the best {SHOWN // 2} and the worst {SHOWN // 2} of {len(total)}"
    meaning = f"Contribution by {dimension}, {said}; they add up to {percent(float(total['contribution'].sum()))}."
    made = drawing(
        f"by-{dimension}",
        figure,
        height=110 + 24 * len(values),
        meaning=meaning,
        hovermode="closest",
        showlegend=False,
        bargap=0.3,
        margin_r=60,
    )
    return made, meaning
