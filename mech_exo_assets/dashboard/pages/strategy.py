"""The strategy: what it earned, by the backtest and live, what it holds, and what it wants to hold.

What belongs here: the page of the strategy. What does not: one name (`name`), and how its weights were found (`weights`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mech_exo_assets.dashboard import figures
from mech_exo_assets.dashboard.parts import as_number, facts, grid, grid_of, nothing, origin, page, picture, section, table
from mech_exo_assets.dashboard.view import View
from mech_exo_assets.reports.formats import in_unit, number, percent
from mech_exo_assets.schemas import (
    BACKTEST,
    LIVE_BACKTEST,
    LIVE_TARGETS,
    NAV,
    PERFORMANCE,
    POSITIONS,
    TARGETS,
    UNIVERSE,
)

if TYPE_CHECKING:
    from dash.development.base_component import Component

TITLE = "Strategy"
_NO_RUN = nothing("There is no backtest yet.", "A complete run makes one:", command="mech-exo run")
_METRICS = ("sharpe", "cagr", "volatility", "max_drawdown", "sortino", "calmar", "turnover", "hit_rate")


def build(view: View) -> Component:
    """The page of the strategy."""
    if not view.has(BACKTEST.key):
        return page(TITLE, section("Backtest", _NO_RUN, name="backtest", wide=True))
    book = view.query(
        "SELECT date, net_return, gross_return, benchmark_return, exposure, net_exposure, names FROM strategy.backtest ORDER BY date"
    )
    return page(
        TITLE,
        _growth(view, book),
        _live(view),
        grid_of(_figures(view), _exposures(view, book)),
        grid_of(_holdings(view), _targets(view)),
        lead="The backtest is of the strategy file; what is deployed is compared with its own backtest under “Live”.",
    )


def _growth(view: View, book: pl.DataFrame) -> Component:
    labels = {"net_return": "after costs", "gross_return": "before costs", "benchmark_return": "benchmark"}
    long = pl.concat([book.select("date", pl.lit(name).alias("series"), pl.col(name).alias("value")) for name in labels])
    total = float((book["net_return"] + 1).product()) - 1
    return section(
        "Backtest",
        picture(
            "equity",
            figures.growth(long, "series", "value", labels),
            f"Growth of 1 from {book['date'][0]} to {book['date'][-1]}: {percent(total, 1)} after costs.",
        ),
        picture("drawdown", figures.drawdown(book), "Loss from the highest point until then, after costs."),
        name="backtest",
        caption=origin(view, BACKTEST.key, as_of=book["date"][-1]),
        wide=True,
    )


def _live(view: View) -> Component:
    if not view.has(NAV.key, LIVE_BACKTEST.key):
        return section(
            "Live",
            nothing(
                "No live session is known yet.", "Fills of the source, or the paper broker, begin the account:", command="mech-exo run"
            ),
            name="live",
            wide=True,
        )
    rows = view.query(
        "SELECT n.date, n.nav, n.live_return, b.net_return, b.version FROM live.nav n JOIN live.backtest b ON n.date = b.date "
        "ORDER BY n.date"
    )
    if rows.is_empty():
        return section(
            "Live",
            nothing("The account and the backtest of what is deployed share no session yet.", "They will after the next session."),
            name="live",
            wide=True,
        )
    labels = {"live_return": "live", "net_return": "backtest of the deployed strategy"}
    long = pl.concat([rows.select("date", pl.lit(name).alias("series"), pl.col(name).alias("value")) for name in labels])
    changed = rows.filter(pl.col("version") != pl.col("version").shift(1))["date"].to_list()
    return section(
        "Live",
        facts({"net asset value": number(rows["nav"][-1], 0), "sessions": str(rows.height), "deployed": str(rows["version"][-1])}),
        picture(
            "live-growth",
            figures.growth(long, "series", "value", labels, marks=changed),
            "Growth of 1, live and by the backtest of what was deployed; dashed lines where another version took over.",
        ),
        name="live",
        caption=origin(view, NAV.key, LIVE_BACKTEST.key, as_of=rows["date"][-1]),
        wide=True,
    )


def _figures(view: View) -> Component:
    if not view.has(PERFORMANCE.key):
        return section("Figures", _NO_RUN, name="figures")
    rows = view.query("SELECT metric, unit, net, gross, benchmark, meaning FROM strategy.performance WHERE net IS NOT NULL")
    order = {name: at for at, name in enumerate(_METRICS)}
    shown = rows.with_columns(order=pl.col("metric").replace_strict(order, default=99)).sort("order", maintain_order=True).head(14)
    cells = [
        (row["metric"].replace("_", " "), *(in_unit(row[name], row["unit"]) for name in ("net", "gross", "benchmark")))
        for row in shown.iter_rows(named=True)
    ]
    return section(
        "Figures",
        table(
            ("figure", "after costs", "before costs", "benchmark"),
            cells,
            label="Figures of the backtest",
            numbers=(1, 2, 3),
            name="performance",
        ),
        name="figures",
        caption=origin(view, PERFORMANCE.key),
    )


def _exposures(view: View, book: pl.DataFrame) -> Component:
    last = book.row(-1, named=True)
    shown = facts({"gross": percent(last["exposure"], 0), "net": percent(last["net_exposure"], 1), "names": str(last["names"])})
    parts = [
        shown,
        picture(
            "exposure",
            figures.lines(book, {"exposure": "gross", "net_exposure": "net"}, y="of capital", percent=True),
            "Gross and net exposure at the close of each session.",
        ),
    ]
    if view.has(POSITIONS.key, UNIVERSE.key):
        sectors = view.query(
            "SELECT coalesce(u.sector, 'no sector') AS sector, sum(p.weight) AS net, sum(abs(p.weight)) AS gross FROM strategy.positions p "
            "LEFT JOIN market.universe u ON p.symbol = u.symbol WHERE p.date = (SELECT max(date) FROM strategy.positions) "
            "GROUP BY 1 ORDER BY 2 DESC"
        )
        if sectors.height:
            figure = figures.bars(
                sectors["sector"].to_list(),
                {"net": sectors["net"].to_list(), "gross": sectors["gross"].to_list()},
                x="of capital",
                percent=True,
            )
            parts.append(picture("sectors", figure, "Net and gross weight of each sector at the last close."))
    return section("Exposures", *parts, name="exposures", caption=origin(view, BACKTEST.key, POSITIONS.key, as_of=last["date"]))


def _holdings(view: View) -> Component:
    if not view.has(POSITIONS.key):
        return section("Holdings of the backtest", _NO_RUN, name="holdings")
    rows = view.query(
        "SELECT symbol, quantity, price, value, weight, profit FROM strategy.positions "
        "WHERE date = (SELECT max(date) FROM strategy.positions) AND quantity <> 0 ORDER BY abs(weight) DESC"
    )
    day = view.query("SELECT max(date) FROM strategy.positions").item()
    return section(
        "Holdings of the backtest",
        grid(
            "holdings-grid",
            rows,
            _money_columns(("quantity", ",.2f"), ("price", ",.2f"), ("value", ",.0f"), ("weight", ".2%"), ("profit", ",.0f")),
            label="Holdings",
            page=15,
        ),
        name="holdings",
        caption=origin(view, POSITIONS.key, as_of=day),
    )


def _targets(view: View) -> Component:
    live = view.has(LIVE_TARGETS.key)
    if not live and not view.has(TARGETS.key):
        return section("Targets", _NO_RUN, name="targets")
    newest = "SELECT date, symbol, weight FROM {} QUALIFY date = max(date) OVER () ORDER BY weight DESC"
    rows = view.query(newest.format("live.targets" if live else "strategy.targets"))
    day = rows["date"][0]
    linked = rows.select(pl.format("[{}](/strategy/{})", "symbol", "symbol").alias("symbol"), "weight")
    return section(
        "Targets of the deployed strategy" if live else "Targets of the strategy file",
        grid("targets-grid", linked, _money_columns(("weight", ".2%"), link=True), label="Targets", page=15),
        name="targets",
        caption=origin(view, LIVE_TARGETS.key if live else TARGETS.key, as_of=day)
        + "; known at that close, traded execution_lag sessions later",
    )


def _money_columns(*columns: tuple[str, str], link: bool = False) -> list[dict[str, object]]:
    first: dict[str, object] = {"field": "symbol", "pinned": "left"} | ({"cellRenderer": "markdown"} if link else {})
    return [first, *({"field": name} | as_number(form) for name, form in columns)]
