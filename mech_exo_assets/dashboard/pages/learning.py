"""The machine-learned factor: which model is worth what out of sample, what it looks at, and whether its predictions mean what they say.

What belongs here: the page of the models. What does not: one name on one day (`mech-exo explain`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from mech_exo_assets.dashboard import figures
from mech_exo_assets.dashboard.parts import badge, facts, grid_of, nothing, origin, page, picture, section, table
from mech_exo_assets.dashboard.view import View
from mech_exo_assets.reports.formats import number, percent
from mech_exo_assets.schemas import (
    BLEND,
    DEPENDENCE,
    EXPLANATIONS,
    FORWARD_RETURNS,
    INTERACTIONS,
    MODEL_COMPARISON,
    PREDICTIONS,
    REGISTERED,
)

if TYPE_CHECKING:
    from dash.development.base_component import Component

TITLE = "Learning"
DEPENDENCE_SHOWN = 4
"""Most important features whose dependence is drawn."""


def build(view: View) -> Component:
    """The page."""
    if not view.has(MODEL_COMPARISON.key):
        return page(
            TITLE,
            section(
                "Models",
                nothing("No model has been judged yet.", "Every Saturday, or at once:", command="mech-exo learn"),
                name="models",
                wide=True,
            ),
        )
    return page(
        TITLE,
        _models(view),
        grid_of(_gate(view), _calibration(view)),
        grid_of(_importances(view), _interactions(view)),
        _dependence(view),
        lead="Everything here is out of sample: each session was predicted by a model that was fitted on what was known before.",
    )


def _models(view: View) -> Component:
    rows = view.query(
        "SELECT * FROM learning.comparison WHERE fold = (SELECT min(fold) FROM learning.comparison) ORDER BY ic DESC NULLS LAST"
    )
    cells = [
        (
            row["model"],
            number(row["ic"], 4),
            f"{number(row['ic_low'], 4)} to {number(row['ic_high'], 4)}",
            number(row["t_hac"]),
            percent(row["r2"], 2),
            percent(row["net_spread"], 2),
            percent(row["turnover"], 0),
            number(row["dm_p"], 3),
        )
        for row in rows.iter_rows(named=True)
    ]
    spans = [(row["model"], row["ic"], row["ic_low"], row["ic_high"]) for row in rows.iter_rows(named=True) if row["ic"] is not None]
    heads = ("model", "IC", "95 %", "t", "R² out of sample", "net spread", "turnover", "p, beside the composite")
    parts = [table(heads, cells, label="Models compared", numbers=range(1, 8), name="model-table")]
    if spans:
        parts.append(
            picture(
                "model-ic",
                figures.intervals(spans, x="mean information coefficient, out of sample"),
                "Mean IC of each model on the same rows, with 95 % intervals by the block bootstrap.",
            )
        )
    return section(
        "Models compared",
        *parts,
        name="models",
        caption=origin(view, MODEL_COMPARISON.key, as_of=f"{rows['first_date'].min()} to {rows['last_date'].max()}"),
        wide=True,
    )


def _gate(view: View) -> Component:
    if not view.has(BLEND.key):
        return section("Gate and weight", nothing("Nothing was decided yet.", "A decision takes sessions out of sample."), name="gate")
    rows = view.query("SELECT * FROM learning.blend ORDER BY date")
    last = rows.row(-1, named=True)
    parts = [
        facts(
            {
                "gate": badge("passed" if last["gate_passed"] else "failed"),
                "weight of ml_alpha": percent(last["weight"], 0),
                "why": last["reason"],
            }
        ),
    ]
    if rows.height > 1:
        parts.append(
            picture(
                "blend",
                figures.lines(rows, {"weight": "weight of ml_alpha"}, y="weight in the composite", height=240, percent=True),
                "Weight of ml_alpha in the composite, as it was decided.",
            )
        )
    return section("Gate and weight", *parts, name="gate", caption=origin(view, BLEND.key, REGISTERED.key, as_of=last["date"]))


def _calibration(view: View) -> Component:
    title = "Calibration"
    if not view.has(PREDICTIONS.key, FORWARD_RETURNS.key):
        return section(
            title, nothing("There are no predictions yet.", "They come with the models:", command="mech-exo learn"), name="calibration"
        )
    horizon = view.query("SELECT max(horizon) FROM market.forward_returns WHERE horizon <= 21").item()
    rows = view.query(
        "WITH joined AS (SELECT p.date, p.symbol, p.value, r.value - avg(r.value) OVER (PARTITION BY p.date) AS excess "
        "FROM learning.predictions p "
        "JOIN market.forward_returns r ON p.date = r.date AND p.symbol = r.symbol AND r.horizon = ? "
        "WHERE p.model = 'ensemble' AND r.value IS NOT NULL), "
        "binned AS (SELECT date, excess, ntile(10) OVER (PARTITION BY date ORDER BY value, symbol) AS decile FROM joined) "
        "SELECT decile, avg(mean) AS mean, stddev_samp(mean) / sqrt(count(*) / ?::DOUBLE) AS error, max(date) AS last "
        "FROM (SELECT date, decile, avg(excess) AS mean FROM binned GROUP BY ALL) GROUP BY decile ORDER BY decile",
        horizon,
        horizon,
    )
    if rows.height < 2:
        return section(
            title, nothing("No prediction has a known return yet.", "It takes as many sessions as the horizon."), name="calibration"
        )
    figure = figures.with_interval(
        [str(each) for each in rows["decile"]],
        rows["mean"].to_list(),
        (1.96 * rows["error"]).to_list(),
        x="decile of the prediction (10: highest)",
        y=f"return over {horizon} sessions less the mean",
    )
    figure.update_yaxes(tickformat=".2%")
    figure.update_xaxes(type="category")
    return section(
        title,
        picture(
            "calibration-picture",
            figure,
            "Mean return that followed, by decile of the ensemble's prediction within each session, ± 1.96 standard errors (of as many "
            "sessions as do not overlap). A model that ranks well rises from left to right.",
        ),
        name="calibration",
        caption=origin(view, PREDICTIONS.key, FORWARD_RETURNS.key, as_of=rows["last"].max()),
    )


def _importances(view: View) -> Component:
    title = "What the models look at"
    if not view.has(EXPLANATIONS.key):
        return section(
            title, nothing("There is no explanation yet.", "It comes with the models:", command="mech-exo learn"), name="importances"
        )
    rows = view.query(
        "SELECT model, feature, avg(share) AS share FROM learning.explanations WHERE fold = (SELECT max(fold) FROM learning.explanations) "
        "GROUP BY model, feature"
    )
    wide = rows.pivot(on="model", index="feature", values="share").fill_null(0.0)
    models = [name for name in wide.columns if name != "feature"]
    top = wide.with_columns(total=pl.sum_horizontal(models)).sort("total", descending=True).head(15)
    figure = figures.bars(
        top["feature"].to_list(), {name: top[name].to_list() for name in models}, x="share of all contributions", percent=True
    )
    return section(
        title,
        picture(
            "importance-picture",
            figure,
            "Mean absolute SHAP contribution in the last training's test, as a share of all features'; the largest 15.",
        ),
        name="importances",
        caption=origin(view, EXPLANATIONS.key),
    )


def _interactions(view: View) -> Component:
    title = "Which features act together"
    if not view.has(INTERACTIONS.key):
        return section(
            title, nothing("No interaction was measured yet.", "It comes with the models:", command="mech-exo learn"), name="interactions"
        )
    rows = view.query("SELECT model, first, second, share FROM learning.interactions ORDER BY share DESC LIMIT 12")
    cells = [(row["model"], row["first"], row["second"], percent(row["share"], 2)) for row in rows.iter_rows(named=True)]
    return section(
        title,
        table(("model", "feature", "with", "share"), cells, label="Interactions", numbers=(3,)),
        name="interactions",
        caption=origin(view, INTERACTIONS.key),
    )


def _dependence(view: View) -> Component:
    title = "How a prediction depends on a feature"
    if not view.has(DEPENDENCE.key, EXPLANATIONS.key):
        return section(
            title,
            nothing("There is no explanation yet.", "It comes with the models:", command="mech-exo learn"),
            name="dependence",
            wide=True,
        )
    top = view.query(
        "SELECT feature FROM learning.explanations WHERE feature IN (SELECT feature FROM learning.dependence WHERE low IS NOT NULL) "
        "GROUP BY feature ORDER BY avg(share) DESC LIMIT ?",
        DEPENDENCE_SHOWN,
    )["feature"].to_list()
    pictures = []
    for number_, feature in enumerate(top):
        rows = view.query(
            "SELECT model, (low + high) / 2 AS middle, contribution FROM learning.dependence "
            "WHERE feature = ? AND low IS NOT NULL ORDER BY model, bin",
            feature,
        )
        pictures.append(
            picture(
                f"dependence-{number_}",
                figures.curves(rows, "model", "middle", "contribution", x=feature, y="SHAP contribution"),
                f"Mean contribution to the prediction by {feature}.",
            )
        )
    return section(title, grid_of(*pictures), name="dependence", caption=origin(view, DEPENDENCE.key), wide=True)
