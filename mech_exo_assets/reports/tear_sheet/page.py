"""The tear sheet as one HTML page.

What belongs here: what stands on the page, and the files it is put together from. What does not: any one picture or table.

The page needs no network and asks for none: Plotly, style and data are inside it, and its own content security policy forbids the rest.
"""

from __future__ import annotations

from mech_exo_assets.errors import InputError
from mech_exo_assets.reports.formats import NOT_DEFINED, number, percent
from mech_exo_assets.reports.rendering import render
from mech_exo_assets.reports.tear_sheet import contributions, equity, headline, trading, windows
from mech_exo_assets.reports.tear_sheet.content import TearSheet
from mech_exo_assets.reports.web_page import shared
from mech_exo_assets.reports.web_page.drawing import Table
from mech_exo_assets.schemas import WALK_FORWARD

_PACKAGE = "mech_exo_assets.reports.tear_sheet"
_DIMENSIONS = ("factor", "name", "sector", "side")


def tear_sheet(content: TearSheet) -> str:
    """One HTML page, complete in itself, about a backtest.

    Parameters
    ----------
    content : TearSheet
        From `gather`, or put together by hand.

    Returns
    -------
    str
        About 5 MB, of which Plotly is 4.8.

    Raises
    ------
    InputError
        If the backtest has no sessions.
    """
    if content.backtest.is_empty():
        raise InputError("the backtest has no sessions, so that there is nothing to show; no tear sheet was made.")
    book = content.backtest
    drawn = {dimension: contributions.bars(content, dimension) for dimension in _DIMENSIONS}
    unknown = book["benchmark_return"].null_count()
    return render(
        _PACKAGE,
        "page.html",
        content=content,
        **shared(),
        not_defined=NOT_DEFINED,
        first=book["date"][0],
        last=book["date"][-1],
        cards=headline.cards(content),
        figures=headline.all_figures(content),
        benchmark_unknown=unknown,
        growth=equity.growth(content),
        months=equity.months(content),
        rolling=equity.rolling(content),
        rolling_window=equity.WINDOW,
        costs=trading.turnover_and_costs(content),
        costs_annual=percent(sum(trading.annual_costs(content)[name] for name in trading.COSTS)),
        waterfall=trading.waterfall(content),
        trades=trading.trades(content),
        holdings=trading.holdings(content),
        mean_turnover=percent(book["turnover"].mean()),  # ty: ignore[invalid-argument-type]
        mean_names=number(book["names"].mean(), 1),  # ty: ignore[invalid-argument-type]
        contributions=drawn,
        walk_forward=_walk_forward(content),
        worst_days=equity.worst_days(content),
        worst_drawdowns=equity.worst_drawdowns(content),
        versions=Table.of(
            ["table", "role", "version"],
            [[key, "shown here", str(version)] for key, version in content.versions.items()]
            + [[key, "what those were computed from", str(version)] for key, version in content.inputs.items()],
            text_columns=2,
        ),
    )


def _walk_forward(content: TearSheet) -> dict[str, object]:
    """What the walk-forward's section shows; where there is no window, only the sentence that says why."""
    if content.walk_forward_windows.is_empty() or content.walk_forward.is_empty():
        return {"absent": content.absent.get(WALK_FORWARD.key, f"The table {WALK_FORWARD.key} has no rows.")}
    return {
        "absent": None,
        "sharpe": windows.sharpe_bars(content),
        "stitched": windows.stitched(content),
        "table": windows.table(content),
        "stability": windows.stability(content),
        "weights": windows.weights(content),
    }
