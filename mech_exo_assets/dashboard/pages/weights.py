"""The weights: those of the champion beside those of the last search, how they were found, and how they did where nobody had looked.

What belongs here: the page of the weights. What does not: the search (`quant.weights`), and the pictures that its report shares.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from mech_exo_assets.dashboard import figures
from mech_exo_assets.dashboard.parts import as_table, badge, grid_of, nothing, origin, page, picture, section, table
from mech_exo_assets.dashboard.view import View
from mech_exo_assets.quant.lifecycle.reigns import reigns, versions
from mech_exo_assets.reports.formats import number, percent
from mech_exo_assets.reports.search_page import figures as search_figures
from mech_exo_assets.reports.search_page.content import SearchContent, search_content
from mech_exo_assets.schemas import COMPARISON, FRONTIER, HISTORY, HOLDOUT_RETURNS, OPTIMISED, OVERFITTING, TRIALS

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from mech_exo_assets.reports.web_page.drawing import Drawing

TITLE = "Weights"
_SEARCHED = (TRIALS.key, FRONTIER.key, OPTIMISED.key, OVERFITTING.key, COMPARISON.key, HOLDOUT_RETURNS.key, HISTORY.key)


def build(view: View) -> Component:
    """The page."""
    parts = [_champions(view)]
    if view.mart is None or not view.has(*_SEARCHED):
        parts.append(
            section(
                "Search",
                nothing("No search has been made yet.", "Every Saturday, or at once:", command="mech-exo search"),
                name="search",
                wide=True,
            )
        )
        return page(TITLE, *parts)
    content = search_content(
        view.table, {key: held.version for key, held in view.mart.tables.items()}, source=view.settings.source, written=view.now
    )
    record = content.record
    parts += [
        grid_of(
            _drawn("Pareto front", "front", view, search_figures.pareto(content), TRIALS.key, FRONTIER.key),
            _drawn("Search history", "search-history", view, search_figures.history(content), TRIALS.key),
            _drawn("Chosen weights", "chosen", view, search_figures.weights(content), OPTIMISED.key),
        ),
        _overfitting(view, content),
        _holdout(view, content),
        _searches(view, content),
    ]
    return page(
        TITLE,
        *parts,
        lead=f"Last search: {record['searched_at']:%Y-%m-%d}, {content.trials.height} trials on "
        f"{record['searched_from']} to {record['searched_to']}.",
    )


def _champions(view: View) -> Component:
    held = reigns(view.events)
    if not held:
        return section(
            "Champion",
            nothing("No strategy is deployed yet.", "The first complete run registers it:", command="mech-exo run"),
            name="champion",
            wide=True,
        )
    known, now = versions(view.events), held[-1]
    before = next((each for each in reversed(held) if each.version != now.version), None)
    sides = {now.version: known[now.version].weights} | ({} if before is None else {before.version: known[before.version].weights})
    scaled = {
        name: {factor: weight / (sum(map(abs, weights.values())) or 1.0) for factor, weight in weights.items()}
        for name, weights in sides.items()
    }
    factors = sorted(
        {factor for weights in scaled.values() for factor, weight in weights.items() if weight},
        key=lambda each: (-abs(scaled[now.version].get(each, 0.0)), each),
    )
    roles = {now.version: f"champion {now.version}"} | ({} if before is None else {before.version: f"before: {before.version}"})
    shown = factors[:30]
    figure = figures.bars(
        shown,
        {roles[name]: [weights.get(factor, 0.0) for factor in shown] for name, weights in scaled.items()},
        x="share of all weights",
        percent=True,
    )
    cells = [(factor, *(percent(weights.get(factor, 0.0), 1) for weights in scaled.values())) for factor in factors]
    return section(
        "Champion and the one before",
        picture("champion-weights", figure, f"Weights as shares of their absolute sum; the largest {len(shown)} of {len(factors)}."),
        as_table(
            table(
                ("factor", *(roles[name] for name in scaled)),
                cells,
                label="Weights of the champion",
                numbers=range(1, len(scaled) + 1),
                name="champion-weight-table",
            )
        ),
        name="champion",
        caption=f"ledger event {now.event}; since {now.since}",
        wide=True,
    )


def _drawn(title: str, name: str, view: View, drawing: Drawing, *keys: str) -> Component:
    figure = figures.finished(go.Figure(json.loads(drawing.json)), height=max(drawing.height, 360))
    return section(title, picture(f"{name}-picture", figure, drawing.meaning), name=name, caption=origin(view, *keys))


def _overfitting(view: View, content: SearchContent) -> Component:
    rows = [
        (row["measure"].replace("_", " "), number(row["value"], 3), number(row["threshold"], 3), _verdict(row["passed"]), row["meaning"])
        for row in content.overfitting.iter_rows(named=True)
    ]
    return section(
        "How much is chance",
        table(
            ("measure", "value", "threshold", "passed", "meaning"),
            rows,
            label="Measures of overfitting",
            numbers=(1, 2),
            name="overfitting",
        ),
        name="chance",
        caption=origin(view, OVERFITTING.key),
        wide=True,
    )


def _verdict(passed: bool | None) -> Component:
    return badge("not judged" if passed is None else "passed" if passed else "failed")


def _holdout(view: View, content: SearchContent) -> Component:
    rows = [
        (
            row["weights"],
            number(row["sharpe_in_search"]),
            number(row["sharpe"]),
            percent(row["total_return"], 1),
            percent(row["max_drawdown"], 1),
            ""
            if row["difference"] is None
            else f"{number(row['difference'])} ({number(row['difference_low'])} to {number(row['difference_high'])})",
        )
        for row in content.comparison.iter_rows(named=True)
    ]
    heads = ("weights", "Sharpe in the search", "Sharpe on the hold-out", "return", "largest drawdown", "optimised ahead by (95 %)")
    first, last = content.comparison["first_date"][0], content.comparison["last_date"][0]
    labels = {name: name for name in content.comparison["weights"]}
    return section(
        "In and out of sample",
        table(heads, rows, label="Hold-out", numbers=(1, 2, 3, 4, 5), name="holdout-table"),
        picture(
            "holdout-growth",
            figures.growth(content.returns, "weights", "net_return", labels),
            f"Growth of 1 on the hold-out, {first} to {last}, net of costs.",
        ),
        name="holdout",
        caption=origin(view, COMPARISON.key, HOLDOUT_RETURNS.key, as_of=last) + f"; looked at {content.comparison['looks'][0]} times",
        wide=True,
    )


def _searches(view: View, content: SearchContent) -> Component:
    rows = [
        (
            f"{row['searched_at']:%Y-%m-%d}",
            f"{row['searched_from']} to {row['searched_to']}",
            f"{row['trials']:,} of {row['trials_ever']:,} ever",
            number(row["sharpe"]),
            number(row["holdout_sharpe"]),
            number(row["realised_sharpe"]),
            _verdict(row["passed"]),
        )
        for row in content.history.sort("searched_at", descending=True).head(20).iter_rows(named=True)
    ]
    heads = ("searched", "on", "trials", "Sharpe in the search", "on the hold-out", "since", "gate")
    return section(
        "All searches",
        table(heads, rows, label="All searches", numbers=(3, 4, 5)),
        name="searches",
        caption=origin(view, HISTORY.key),
        wide=True,
    )
