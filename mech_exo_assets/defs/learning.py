"""Machine-learned factors: dataset, predictions, scores, and what they are worth (Dagster *assets*).

What belongs here: the tables of the group `learning` that every refresh brings up to date. What does not: training and explanation, which
have a clock of their own (`training`), and the numerics (`quant.features`, `quant.models`, `quant.learning`).
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_UPDATE, ON_YEAR_UPDATE
from mech_exo_assets.defs.cluster import Cluster
from mech_exo_assets.defs.partitions import years_around, years_before, years_of
from mech_exo_assets.defs.tables import check, markdown_table, materialised, table_asset, table_assets, table_input, unmeasured
from mech_exo_assets.quant.origin import Origin, joined
from mech_exo_assets.quant.years import by_year, of_years
from mech_exo_assets.schemas import (
    BLEND,
    DATASET,
    FORWARD_RETURNS,
    LEARNED_SCORES,
    MODEL_COMPARISON,
    MODELS,
    PREDICTIONS,
    PRICES,
    SCORES,
    STACKING,
    UNIVERSE,
)
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.data_files import TableWriter, Written
from mech_exo_assets.storage.lake import Lake

SCORE_YEARS, PRICE_YEARS, LABEL_YEARS = 1, 3, 1
"""Years of scores and prices before its own, and of prices after it, that a year of the dataset needs; see `quant.features.tables`."""

NO_MODEL = "No model has been trained yet. `mech-exo learn` trains them."


@table_asset(
    DATASET,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={
        "scores": table_input(SCORES, partition_mapping=years_before(SCORE_YEARS), lazy=True),
        "prices": table_input(
            PRICES,
            columns=["date", "symbol", "total_return_index", "close", "volume"],
            partition_mapping=years_around(before=PRICE_YEARS, after=LABEL_YEARS),
            lazy=True,
        ),
        "universe": table_input(UNIVERSE, columns=["symbol", "sector"]),
    },
    checks={
        "finite": "No feature and no label is infinite.",
        "label_centred": "The labels of each session have the mean 0. Sessions with ties, whose ranks are not symmetric, are left out.",
    },
)
def dataset(
    context: dg.AssetExecutionContext,
    scores: pl.LazyFrame,
    prices: pl.LazyFrame,
    universe: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[Written]:
    """What models learn from: scores, their changes and ranks, the state of the market, and the return that followed."""
    writer, spans = lake.writer(DATASET), cluster.spans(years_of(context), scores)
    parts = [(writer, scores, prices, universe, strategy, span) for span in spans]
    written, judged, origins = zip(*cluster.each(_dataset_of, parts), strict=True)
    table, origin = Written.joined(DATASET.key, written), joined(origins)
    infinite, mean = sum(part.infinite for part in judged), max(part.largest_label_mean for part in judged)
    return materialised(
        DATASET,
        table,
        metadata={
            "features": len(_features(table)),
            "rows_with_label": sum(part.labelled for part in judged),
            "label": f"return over {strategy.learning_horizon} sessions from {strategy.execution_lag} after the score on, less "
            f"{' and '.join(strategy.learning.residual) or 'nothing'}, as {strategy.learning.label}",
            "absent": markdown_table(pl.DataFrame({"kind": list(origin.absent), "reason": list(origin.absent.values())}))
            if origin.absent
            else "none",
        },
        lineage=origin.lineage,
        checks=[
            check("finite", passed=infinite == 0, infinite=infinite),
            check("label_centred", passed=mean < 1e-5, largest_mean=mean),
        ],
    )


@dataclass(frozen=True)
class _DatasetPart:
    """What the checks of a dataset judge: infinite figures, rows with a label, and how far a session's mean label is from 0."""

    infinite: int
    labelled: int
    largest_label_mean: float


def _dataset_of(
    writer: TableWriter, scores: pl.LazyFrame, prices: pl.LazyFrame, universe: pl.DataFrame, strategy: Strategy, years: tuple[int, int]
) -> tuple[Written, _DatasetPart, Origin]:
    from mech_exo_assets.quant.features import dataset_table, largest_label_mean

    first, last = years
    own, market = of_years(scores, first - SCORE_YEARS, last), of_years(prices, first - PRICE_YEARS, last + LABEL_YEARS)
    found = dataset_table(own, market, universe, strategy, years=years)
    rows = found.table
    infinite = sum(int(rows[name].is_infinite().sum()) for name in ("label", *_features(rows)))
    part = _DatasetPart(infinite, rows.height - rows["label"].null_count(), largest_label_mean(rows))
    return writer.write(rows), part, Origin(absent=found.absent, lineage=found.lineage)


def _features(rows: pl.DataFrame | Written) -> list[str]:
    return [name for name in rows.columns if name not in DATASET.names]


@table_asset(
    PREDICTIONS,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={
        "dataset": table_input(DATASET, lazy=True),
        "models": table_input(MODELS, optional=True),
        "stacking": table_input(STACKING, optional=True),
    },
    checks={
        "models_fit": "There are models, and their features are those of the dataset. A warning: see `why`.",
        "out_of_sample": "No prediction is of a session before the first one after its model's training.",
    },
)
def predictions(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    models: pl.DataFrame,
    stacking: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[Written]:
    """What each model predicted, and the ensemble of them, by the training that was the latest then."""
    from mech_exo_assets.quant.models.prediction import OtherFeaturesError, prediction_table

    why, writer, parts, early, counts = "" if models.height else NO_MODEL, lake.writer(PREDICTIONS), list[Written](), 0, Counter[str]()
    first, last = years_of(context)
    try:
        for rows in by_year(dataset, range(first, last + 1) if models.height else ()):
            part = prediction_table(rows, models, stacking, threads=strategy.learning.threads)
            parts.append(writer.write(part))
            early += part.filter(pl.col("date") < models["test_from"].min()).height
            counts.update(dict(part.group_by("model").len().iter_rows()))
    except OtherFeaturesError as error:
        # New features are a refresh's work, new models are not: what cannot be predicted is not there, and the page says why.
        why, parts, early, counts = str(error), [], 0, Counter()
    return materialised(
        PREDICTIONS,
        Written.joined(PREDICTIONS.key, parts),
        metadata={
            "models": markdown_table(pl.DataFrame(sorted(counts.items()), schema=["model", "predictions"], orient="row")),
            "why": why or "complete",
        },
        checks=[
            check("models_fit", passed=not why, severity=dg.AssetCheckSeverity.WARN, why=why or "complete"),
            check("out_of_sample", passed=early == 0, early=early),
        ],
    )


@table_asset(
    LEARNED_SCORES,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={"predictions": table_input(PREDICTIONS, lazy=True), "universe": table_input(UNIVERSE)},
    checks={"standardised": "On every session the scores have mean 0 and standard deviation 1."},
)
def scores(
    context: dg.AssetExecutionContext,
    predictions: pl.LazyFrame,
    universe: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    cluster: dg.ResourceParam[Cluster],
    lake: dg.ResourceParam[Lake],
) -> dg.MaterializeResult[Written]:
    """The ensemble's predictions as one more factor, `ml_alpha`: a sibling of `factors/scores`, watched and weighted as factors are."""
    from mech_exo_assets.quant.learning.scores import ML_ALPHA

    writer, spans = lake.writer(LEARNED_SCORES), cluster.spans(years_of(context), predictions)
    written, deviations = zip(
        *cluster.each(_learned_scores_of, [(writer, predictions, span, universe, strategy) for span in spans]), strict=True
    )
    table, deviation = Written.joined(LEARNED_SCORES.key, written), max(deviations)
    return materialised(
        LEARNED_SCORES,
        table,
        metadata={"why": "complete" if ML_ALPHA in table.columns else "There are no predictions in these years."},
        lineage={ML_ALPHA: ["learning/predictions.value", "market/universe.sector"]} if ML_ALPHA in table.columns else {},
        checks=[check("standardised", passed=deviation < 1e-9, largest_deviation=deviation)],
    )


def _learned_scores_of(
    writer: TableWriter, predictions: pl.LazyFrame, years: tuple[int, int], universe: pl.DataFrame, strategy: Strategy
) -> tuple[Written, float]:
    from mech_exo_assets.quant.factors.tables import largest_deviation
    from mech_exo_assets.quant.learning.scores import learned_score_table

    table = learned_score_table(of_years(predictions, *years), universe, strategy)
    return writer.write(table), largest_deviation(table)


@table_assets(
    {
        MODEL_COMPARISON: {
            "judged": "Some model has been judged out of sample. A warning: see `why`.",
            "beats_composite": "The ensemble has a larger mean information coefficient than the composite without it.",
        },
        BLEND: {
            "within_limits": "The weight moves by learning.blend.step at most, and stays from 0 to learning.blend.maximum.",
            "gate": "ml_alpha improves the composite out of sample by learning.gate. If not, its weight goes to 0.",
        },
    },
    name="learning__worth",
    code_version="1",
    automation=ON_UPDATE,
    ins={
        "predictions": table_input(PREDICTIONS),
        "learned": table_input(LEARNED_SCORES),
        "labels": table_input(DATASET, columns=["date", "symbol", "label"]),
        "forward_returns": table_input(FORWARD_RETURNS, lazy=True),
        "scores": table_input(SCORES, lazy=True),
        "models": table_input(MODELS, columns=["fold", "test_from", "test_to"], optional=True),
    },
)
def worth(
    predictions: pl.DataFrame,
    learned: pl.DataFrame,
    labels: pl.DataFrame,
    forward_returns: pl.LazyFrame,
    scores: pl.LazyFrame,
    models: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """What the models are worth out of sample: beside each other, beside the composite, and as a part of it; and their weight there."""
    from mech_exo_assets.quant.learning.blend import blend_table
    from mech_exo_assets.quant.learning.comparison import comparison_table
    from mech_exo_assets.quant.learning.judged import judge
    from mech_exo_assets.reports import learning_worth

    judged = judge(predictions, learned, labels, forward_returns, scores, strategy)
    table, blend = comparison_table(judged, models, strategy), blend_table(judged, strategy)
    total = table.filter(pl.col("fold") == 0)
    of = {row["model"]: row for row in total.iter_rows(named=True)}
    why = "complete" if of else "Nothing was predicted whose return is known." if models.height else NO_MODEL
    ahead = of["ensemble"]["ic_difference"] if of else None
    yield materialised(
        MODEL_COMPARISON,
        table,
        metadata={
            "why": why,
            **({f"ic_{model}": row["ic"] for model, row in of.items()}),
            "total": markdown_table(total.drop("fold"), digits=4),
            "by_training": markdown_table(table.filter(pl.col("fold") > 0).select("fold", "model", "n_sessions", "ic", "r2", "net_spread")),
            "picture": dg.MetadataValue.md(learning_worth.cumulative_ic(judged.ic_table(), strategy.learning_horizon)),
        },
        checks=[
            check("judged", passed=bool(of), severity=dg.AssetCheckSeverity.WARN, why=why),
            unmeasured("beats_composite", why)
            if ahead is None
            else check("beats_composite", passed=ahead > 0, severity=dg.AssetCheckSeverity.WARN, difference=ahead),
        ],
    )
    choices = strategy.learning.blend
    moves = (blend["weight"] - blend["previous"]).abs()
    off = int(((moves > choices.step + 1e-9) | ~blend["weight"].is_between(0, choices.maximum)).sum())
    last = blend.sort("date").tail(1).to_dicts()
    now = last[0] if last else {"weight": 0.0, "gate_passed": False, "reason": why}
    yield materialised(
        BLEND,
        blend,
        metadata={
            "weight": now["weight"],
            "reason": now["reason"],
            "decisions": markdown_table(blend.sort("date", descending=True).head(12)),
            "picture": dg.MetadataValue.md(
                learning_worth.blend_over_time(blend, margin=strategy.learning.gate.ic, maximum=choices.maximum)
            ),
        },
        checks=[
            check("within_limits", passed=off == 0, decisions_off=off),
            check("gate", passed=bool(now["gate_passed"]), severity=dg.AssetCheckSeverity.WARN, why=now["reason"]),
        ],
    )
