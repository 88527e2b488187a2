"""One name: why it is ranked where it is, by the factors of the champion and by the models.

What belongs here: the page of a name. What does not: the strategy as a whole (`strategy`).
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from dash import html

from mech_exo_assets.dashboard import figures
from mech_exo_assets.dashboard.parts import as_table, facts, link, nothing, origin, page, picture, section, table
from mech_exo_assets.dashboard.view import View
from mech_exo_assets.errors import MechExoError
from mech_exo_assets.quant.lifecycle.reigns import versions
from mech_exo_assets.reports.explained_name import explained_name
from mech_exo_assets.reports.formats import number, percent
from mech_exo_assets.reports.learning_explained import shown_value
from mech_exo_assets.schemas import COMPOSITE, PREDICTIONS, SCORES, factor_columns
from mech_exo_assets.storage.lake import Lake

if TYPE_CHECKING:
    from dash.development.base_component import Component

_NO_RUN = nothing("There are no scores yet.", "A complete run makes them:", command="mech-exo run")


def build(view: View, symbol: str) -> Component:
    """Why a name is ranked where it is: what each factor adds to its score on the last session."""
    back = link("Strategy", "/strategy")
    if not view.has(SCORES.key, COMPOSITE.key):
        return page(symbol, back, _NO_RUN)
    rows = view.query("SELECT * FROM factors.scores WHERE symbol = ? ORDER BY date DESC LIMIT 1", symbol)
    if rows.is_empty():
        return page(
            "No such name", back, nothing(f"There are no scores of '{symbol}' in this home.", "The targets name those that there are.")
        )
    day = rows["date"][0]
    ranked = view.query(
        "SELECT score, rank, (SELECT count(*) FROM strategy.composite WHERE date = c.date) AS names FROM strategy.composite c "
        "WHERE symbol = ? AND date = ?",
        symbol,
        day,
    )
    now = view.champion
    deployed = None if now is None else versions(view.events)[now.version]
    weights = {} if deployed is None else deployed.weights
    there = [name for name in factor_columns(rows.columns) if weights.get(name) and rows[name][0] is not None]
    # As the composite does: a mean over the factors that the name has.
    scale = sum(abs(weights[name]) for name in there) or 1.0
    parts = [(name, rows[name][0], weights[name] / scale, rows[name][0] * weights[name] / scale) for name in there]
    blend = "" if deployed is None or not deployed.blend else f" Beside them ml_alpha has a weight of {percent(deployed.blend, 0)}."
    parts.sort(key=lambda each: -abs(each[3]))
    shown: list[Component] = [back]
    if ranked.height:
        row = ranked.row(0, named=True)
        shown.append(
            section(
                "Rank by the strategy file",
                facts({"session": str(day), "composite score": number(row["score"], 3), "rank": f"{row['rank']:g} of {row['names']}"}),
                name="rank",
                caption=origin(view, COMPOSITE.key, as_of=day),
            )
        )
    if parts:
        top = parts[:15]
        cells = [(name, number(score, 2), percent(weight, 1), number(part, 3)) for name, score, weight, part in parts]
        shown.append(
            section(
                "What each factor adds to the champion's score",
                picture(
                    "contributions",
                    figures.bars(
                        [each[0] for each in top],
                        {"weight × score": [each[3] for each in top]},
                        x="weight × score, before it is standardised",
                    ),
                    f"Weight of the champion times the score of {symbol}; the largest {len(top)} of {len(parts)}.{blend}",
                ),
                table(
                    ("factor", "score", "weight", "adds"),
                    cells,
                    label="Contributions by factor",
                    numbers=(1, 2, 3),
                    name="contribution-table",
                ),
                name="adds",
                caption=origin(view, SCORES.key, as_of=day),
                wide=True,
            )
        )
    else:
        shown.append(nothing("No factor of the champion has a score of this name.", "It may have been listed too recently."))
    shown.append(_learned(view, symbol))
    shown.append(_past(view, symbol))
    return page(symbol, *shown, lead=f"Why {symbol} is ranked where it is.")


def _learned(view: View, symbol: str) -> Component:
    """What the models say of the name; computed when somebody asks, since it takes seconds."""
    title = "What the models say"
    if not view.has(PREDICTIONS.key):
        return section(
            title,
            nothing("No model has predicted it yet.", "Models are trained every Saturday, or at once:", command="mech-exo learn"),
            name="explained",
            wide=True,
        )
    day = view.query("SELECT max(date) FROM learning.predictions").item()
    return section(
        title,
        html.Button("Explain by SHAP", id={"type": "explain", "symbol": symbol, "day": str(day)}, type="button"),
        html.Div(id={"type": "explanation", "symbol": symbol}, **{"aria-live": "polite"}),
        name="explained",
        caption=origin(view, PREDICTIONS.key, as_of=day),
        wide=True,
    )


def explanation(lake: Lake, symbol: str, day: str) -> Component:
    """The contributions of each feature to what each model predicts of a name."""
    try:
        found = explained_name(lake, symbol, dt.date.fromisoformat(day), top=12)
    except (MechExoError, ValueError) as error:
        return nothing("It cannot be explained.", str(error))
    parts: list[Component] = [
        facts(
            {
                "rank in the ensemble": f"{found['rank']} of {found['names']}",
                "score": number(found["score"], 3),
                "session": str(found["date"]),
            }
        )
    ]
    for each in found["models"]:
        rows = [
            (row["feature"], shown_value(row["value"], row["category"]), number(row["contribution"], 4), number(row["relative"], 4))
            for row in each["contributions"]
        ]
        rest = each["rest"]
        rows.append((f"{rest['features']} more", "", number(rest["contribution"], 4), number(rest["relative"], 4)))
        figure = figures.bars(
            [row["feature"] for row in each["contributions"]],
            {"contribution": [row["contribution"] for row in each["contributions"]]},
            x="contribution to the prediction",
        )
        heads = ("feature", "value", "contribution", "less the session's mean")
        parts += [
            html.H3(f"{each['model']}: rank {each['rank']} of {found['names']}, weight {percent(each['weight'], 0)}"),
            picture(
                f"shap-{each['model']}",
                figure,
                f"Prediction {number(each['prediction'], 4)}: the training's mean, {number(each['base'], 4)}, and what features add.",
            ),
            as_table(table(heads, rows, label=f"Contributions of {each['model']}", numbers=(2, 3), name=f"shap-{each['model']}-table")),
        ]
    return html.Div(parts)


def _past(view: View, symbol: str) -> Component:
    rows = view.query("SELECT date, score, rank FROM strategy.composite WHERE symbol = ? ORDER BY date DESC LIMIT 504", symbol).sort("date")
    if rows.is_empty():
        return nothing("It has no composite score yet.", "A score takes enough factors of the name.")
    figure = figures.lines(rows, {"score": "composite score"}, y="score", zero=True)
    return section(
        "Its score over time",
        picture("score-over-time", figure, "Composite score of the last 504 sessions."),
        name="past",
        caption=origin(view, COMPOSITE.key, as_of=rows["date"][-1]),
        wide=True,
    )
