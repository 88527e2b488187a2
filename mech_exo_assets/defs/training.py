"""Training and explaining the models of the machine-learned factor (Dagster *assets*).

What belongs here: the tables of the group `learning` that are made when models are trained: by the job `learning`, every Saturday, and by
`mech-exo learn`. What does not: what every refresh brings up to date (`learning`), and the numerics (`quant.models`, `quant.explain`).
"""

import datetime as dt
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from mech_exo_assets.defs import decisions
from mech_exo_assets.defs.cluster import Cluster
from mech_exo_assets.defs.progress import in_log
from mech_exo_assets.defs.runs import RETRAIN_JOB
from mech_exo_assets.defs.tables import check, markdown_table, materialised, table_assets, table_input, unmeasured
from mech_exo_assets.schemas import (
    BLEND,
    DATASET,
    DEPENDENCE,
    EXPLANATIONS,
    INTERACTIONS,
    LIGHTGBM,
    MODEL_COMPARISON,
    MODELS,
    REGISTERED,
    RIDGE,
    STACKING,
    TRAININGS,
    XGBOOST,
    TableSchema,
)
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger
from mech_exo_assets.storage.models import ModelRegistry
from mech_exo_assets.storage.models import Training as Recorded

if TYPE_CHECKING:
    from mech_exo_assets.quant.models.training import Training

_FITTED_BEFORE = "No training tests a session that it was fitted on, nor one whose label it knows in part."


@table_assets(
    {
        LIGHTGBM: {"purged": _FITTED_BEFORE},
        XGBOOST: {"purged": _FITTED_BEFORE},
        RIDGE: {"purged": _FITTED_BEFORE},
        MODELS: {"trained": "There is a model for every training of the walk-forward. A warning: see `why`."},
        STACKING: {"normalised": "The members' weights of each training are at least 0 and add up to 1."},
    },
    name="learning__training",
    code_version="1",
    ins={"dataset": table_input(DATASET, lazy=True)},
)
def trained(
    context: dg.AssetExecutionContext,
    dataset: pl.LazyFrame,
    strategy: dg.ResourceParam[Strategy],
    models: dg.ResourceParam[ModelRegistry],
    lake: dg.ResourceParam[Lake],
    ledger: dg.ResourceParam[Ledger],
    cluster: dg.ResourceParam[Cluster],
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """The walk-forward's models, each fitted on what was known before its test. One that is known already is not fitted again.

    Beside the trainings of the calendar there is one for each retraining that the ledger was asked for, on the data of that day.
    """
    from mech_exo_assets.quant.lifecycle.episodes import asked_after
    from mech_exo_assets.quant.models.fitted import Features
    from mech_exo_assets.quant.models.tables import fold_table, known_from, model_table, stacking_table
    from mech_exo_assets.quant.models.training import Training, train
    from mech_exo_assets.quant.walk_forward import NoWindowError

    # A training takes minutes. Whatever would stop its record stops it now.
    models.require()
    if context.run.job_name == RETRAIN_JOB:
        # Asked for before the days of all requests are read: this run's own is among them.
        decisions.request_of_run(ledger, lake, context.run.tags, context.run.run_id)
    before = {kind: _before(lake, schema) for kind, schema in TRAININGS.items()}
    known = known_from(before, _before(lake, MODELS), _before(lake, STACKING))
    why = "complete"
    try:
        asked = asked_after(ledger.events())
        elsewhere = cluster.each if cluster.address else None
        found = train(dataset, strategy, asked=asked, known=known, progress=in_log(context.log, "models"), each=elsewhere)
        if not found.fits:
            why = "; ".join(found.skipped.values())
    except NoWindowError as error:
        # A short history has no training, which is an answer, and not a failure of all that comes after it.
        found, why = Training(Features(())), str(error)
    now = dt.datetime.now(dt.UTC)
    version, sessions = lake.version(DATASET.key), dataset.select(pl.col("date").unique()).collect()["date"]
    for kind, schema in TRAININGS.items():
        table = fold_table(found, kind, before[kind], now=now, run=None)
        run = _record(models, kind, table, found, _tags(context, strategy, version))
        table = fold_table(found, kind, before[kind], now=now, run=run)
        yield _trainings(schema, table, found, why, sessions=sessions, gap=strategy.learning_gap)
    text, stacking = model_table(found), stacking_table(found)
    yield materialised(
        MODELS,
        text,
        metadata={
            "why": why,
            "models": text.height,
            "fitted_now": sum(fit.fresh for fit in found.fits),
            "skipped": dg.MetadataValue.json({str(number): reason for number, reason in found.skipped.items()}),
            "megabytes": round(sum(map(len, text["text"])) / 1e6, 3),
        },
        checks=[check("trained", passed=bool(found.fits) and not found.skipped, severity=dg.AssetCheckSeverity.WARN, why=why)],
    )
    sums = stacking.group_by("fold").agg(pl.col("weight").sum(), pl.col("weight").min().alias("least"))
    off = sums.filter(((pl.col("weight") - 1).abs() > 1e-9) | (pl.col("least") < 0)).height
    yield materialised(
        STACKING,
        stacking,
        metadata={
            "ensemble": strategy.learning.ensemble,
            "latest": markdown_table(stacking.filter(pl.col("fold") == pl.col("fold").max())),
        },
        checks=[check("normalised", passed=off == 0, trainings_off=off) if stacking.height else unmeasured("normalised", why)],
    )


@table_assets(
    {
        EXPLANATIONS: {"adds_up": "The contributions to every explained prediction add up to it, to 1e-5."},
        DEPENDENCE: {"explained": "There are rows out of sample to explain. A warning."},
        INTERACTIONS: {"once_each": "No pair of features stands there twice, in whatever order."},
    },
    name="learning__explained",
    code_version="1",
    ins={"dataset": table_input(DATASET, lazy=True), "models": table_input(MODELS)},
)
def explained(
    dataset: pl.LazyFrame, models: pl.DataFrame, strategy: dg.ResourceParam[Strategy]
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Why the models predict what they predict: contributions by TreeSHAP, added up over a sample of the rows of each test."""
    from mech_exo_assets.quant.explain import TOLERANCE, explain, overall
    from mech_exo_assets.reports import learning_explained

    def read(first: dt.date, last: dt.date | None) -> pl.LazyFrame:
        since = dataset.filter(pl.col("date") >= first)
        return since if last is None else since.filter(pl.col("date") <= last)

    # The check below judges the gap, and shows it.
    found = explain(models, read, threads=strategy.learning.threads, tolerance=math.inf)
    gap, why = max(found.largest_gap.values(), default=0.0), "There is no row out of sample to explain."
    names = found.importances["model"].unique(maintain_order=True).to_list()
    pictures = {f"picture_{name}": dg.MetadataValue.md(learning_explained.importances_by_fold(found.importances, name)) for name in names}
    yield materialised(
        EXPLANATIONS,
        found.importances,
        metadata={
            "rows": found.rows,
            "stability": markdown_table(pl.DataFrame([{"model": name, **asdict(each)} for name, each in found.stability.items()])),
            "most_important": markdown_table(overall(found.importances).head(15)),
            **pictures,
        },
        checks=[check("adds_up", passed=gap <= TOLERANCE, largest_gap=gap) if found.rows else unmeasured("adds_up", why)],
    )
    yield materialised(
        DEPENDENCE,
        found.dependence,
        metadata={f"picture_{name}": dg.MetadataValue.md(learning_explained.dependence(found.dependence, name)) for name in names},
        checks=[check("explained", passed=found.rows > 0, severity=dg.AssetCheckSeverity.WARN, rows=found.rows)],
    )
    pairs = found.interactions.select("model", low=pl.min_horizontal("first", "second"), high=pl.max_horizontal("first", "second"))
    twice = int(pairs.is_duplicated().sum())
    strongest = found.interactions.sort("strength", descending=True).head(15)
    yield materialised(
        INTERACTIONS,
        found.interactions,
        metadata={
            "strongest": markdown_table(strongest),
            **{
                f"picture_{name}": dg.MetadataValue.md(learning_explained.interactions(found.interactions, name))
                for name in found.interactions["model"].unique(maintain_order=True)
            },
        },
        checks=[check("once_each", passed=twice == 0, pairs_twice=twice)],
    )


@table_assets(
    {REGISTERED: {"newest_is_challenger": "The newest model of each kind is the challenger in MLflow."}},
    name="learning__registered",
    code_version="1",
    ins={
        "lightgbm": table_input(LIGHTGBM),
        "xgboost": table_input(XGBOOST),
        "ridge": table_input(RIDGE),
        "comparison": table_input(MODEL_COMPARISON),
        "blend": table_input(BLEND),
    },
)
def registered(models: dg.ResourceParam[ModelRegistry], **tables: pl.DataFrame) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Which run's model has which alias in MLflow: the newest is challenger; champion are those that the deployed strategy uses."""
    decisions = tables["blend"].sort("date").tail(1).to_dicts()
    passed, reason = (decisions[0]["gate_passed"], decisions[0]["reason"]) if decisions else (False, "nothing was judged yet")
    rows, newest = [], {}
    for kind in TRAININGS:
        folds = tables[kind]
        # What a model was worth out of sample is known only after it was recorded.
        for fold, run, ic in folds.join(tables["comparison"].filter(model=kind), on="fold").select("fold", "mlflow_run", "ic").iter_rows():
            if ic is not None:
                models.log_metrics(run, {"out_of_sample_ic": ic}, step=fold)
        for run in folds.sort("fold").tail(1)["mlflow_run"]:
            newest[kind] = run
            rows += [(kind, alias, named, reason) for alias, named in sorted(models.aliases(kind).items())]
    table = pl.DataFrame(rows, schema=REGISTERED.dtypes(), orient="row")
    challengers = dict(table.filter(alias="challenger").select("model", "mlflow_run").iter_rows())
    others = [kind for kind, run in newest.items() if challengers.get(kind) != run]
    yield materialised(
        REGISTERED,
        table,
        metadata={"gate_passed": passed, "aliases": markdown_table(table)},
        checks=[_newest(others) if newest else unmeasured("newest_is_challenger", reason)],
    )


def _trainings(
    schema: TableSchema, table: pl.DataFrame, found: "Training", why: str, *, sessions: pl.Series, gap: int
) -> dg.MaterializeResult[pl.DataFrame]:
    from mech_exo_assets.reports.learning_trained import trainings

    kind = schema.key.partition("/")[2]
    between = [int(sessions.is_between(*row, closed="none").sum()) for row in table.select("train_to", "test_from").iter_rows()]
    means = {f"mean_{name}": float(str(table[name].mean())) for name in ("train_ic", "test_ic") if table[name].count()}
    return materialised(
        schema,
        table,
        metadata={
            "why": why,
            **means,
            "fitted_now": sum(fit.fresh for fit in found.fits if fit.kind == kind),
            "hyperparameters": markdown_table(
                pl.DataFrame(
                    [(fold, said) for (name, fold), said in found.tuning.items() if name == kind],
                    schema={"fold": pl.Int32, "search": pl.String},
                    orient="row",
                )
            ),
            "trainings": markdown_table(table.drop("trained_at", "digest", "mlflow_run")),
            "picture": dg.MetadataValue.md(trainings(table, kind)),
        },
        checks=[_purged(min(between), gap) if between else unmeasured("purged", why)],
    )


def _purged(smallest: int, wanted: int) -> dg.AssetCheckResult:
    return check("purged", passed=smallest >= wanted, smallest_gap=smallest, wanted=wanted)


def _newest(others: list[str]) -> dg.AssetCheckResult:
    return check("newest_is_challenger", passed=not others, others=", ".join(others))


def _record(models: ModelRegistry, kind: str, table: pl.DataFrame, found: "Training", tags: Mapping[str, str]) -> str | None:
    """Put what was fitted now on record in MLflow; None where nothing was."""
    from mech_exo_assets.quant.models.fitted import load
    from mech_exo_assets.quant.models.tables import fresh_fits
    from mech_exo_assets.reports.learning_trained import trainings_png

    fresh = fresh_fits(found, kind)
    if not fresh:
        return None
    figures = ("train_ic", "validation_ic", "test_ic", "rounds", "train_rows")
    measured = {
        row["fold"]: {name: float(row[name]) for name in figures if row[name] is not None}
        for row in table.iter_rows(named=True)
        if row["fold"] in {fit.window.number for fit in fresh}
    }
    last = fresh[-1]
    return models.record(
        Recorded(
            kind=kind,
            model=load(kind, found.features, last.text),
            parameters=json.loads(last.figures["parameters"]),
            metrics_by_fold=measured,
            tags=tags,
            figures={"trainings.png": trainings_png(table, kind)},
        )
    )


def _tags(context: dg.AssetExecutionContext, strategy: Strategy, version: int) -> dict[str, str]:
    """What a reviewer needs to do it again: data, choices, code, seed, and the run of Dagster."""
    chosen = strategy.model_dump_json()
    return {
        "dagster_run_id": context.run.run_id,
        f"table_version.{DATASET.key}": str(version),
        "seed": str(strategy.seed),
        "horizon": str(strategy.learning_horizon),
        "gap": str(strategy.learning_gap),
        "choices": hashlib.sha256(chosen.encode()).hexdigest()[:16],
        "code_version": context.assets_def.get_asset_spec(context.assets_def.keys_by_output_name["learning__models"]).code_version or "",
    }


def _before(lake: Lake, schema: TableSchema) -> pl.DataFrame:
    """The table as it was; read from the lake and not as an input, since an asset cannot be its own input."""
    return lake.read(schema.key) if lake.exists(schema.key) else schema.empty()
