"""Replacing the deployed strategy: challenger, validation, A/B test, champion (Dagster *assets*).

What belongs here: the tables of a retraining; each act is one event of the ledger. What does not: the acts (`decisions`), the statistics
(`quant.lifecycle`), what starts a retraining (`lifecycle_sensors`), and what is seen as sessions come (`lifecycle_watch`).
"""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from mech_exo_assets.defs import decisions
from mech_exo_assets.defs.refresh import code_hash
from mech_exo_assets.defs.resources import MarketSource
from mech_exo_assets.defs.runs import ACTOR_TAG
from mech_exo_assets.defs.tables import check, key_of, markdown_table, materialised, table_asset, table_assets, table_input, unmeasured
from mech_exo_assets.schemas import (
    AB_RETURNS,
    AB_TEST,
    BLEND,
    CHALLENGER,
    CHAMPION,
    EVENTS,
    EXPLANATIONS,
    FRONTIER,
    OPTIMISED,
    OVERFITTING,
    PRICES,
    REGISTERED,
    ROTATION,
    SCORES,
    VALIDATION,
)
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Event, Ledger
from mech_exo_assets.storage.models import ModelRegistry

HISTORY = [key_of(SCORES), key_of(PRICES)]
"""What is traded; read from the lake by version, so that a replay reads the same."""


@table_asset(
    CHALLENGER,
    code_version="1",
    deps=[*HISTORY, key_of(BLEND), key_of(REGISTERED)],
    ins={
        "optimised": table_input(OPTIMISED),
        "frontier": table_input(FRONTIER),
        "rotation": table_input(ROTATION),
    },
    checks={"on_record": "The ledger has the challenger, with a hash of its content."},
)
def challenger(
    context: dg.AssetExecutionContext,
    optimised: pl.DataFrame,
    frontier: pl.DataFrame,
    rotation: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    lake: dg.ResourceParam[Lake],
    ledger: dg.ResourceParam[Ledger],
) -> dg.MaterializeResult[pl.DataFrame]:
    """A strategy version from the newest search: rotation applied, weights and construction as chosen, the models as trained."""
    from mech_exo_assets.quant.lifecycle.challenger import challenger_table, challenger_version, rotated

    request = decisions.request_of_run(ledger, lake, context.run.tags, context.run.run_id)
    version = challenger_version(
        strategy,
        optimised,
        frontier,
        rotation,
        pl.Series(decisions.sessions_of(lake)),
        models=decisions.models_now(lake),
        data={**decisions.versions_of(lake), **{key: lake.version(key) for key in (OPTIMISED.key, FRONTIER.key, ROTATION.key)}},
        code=code_hash(),
    )
    champion = decisions.champion_version(ledger)
    table = challenger_table(version, champion, rotation)
    less = rotated(table)
    event = ledger.append(
        Entry(
            "challenger_built",
            _actor(context),
            {
                "summary": f"{version.id} was built as a challenger of {champion.id}.",
                "request": request.id,
                "as_of": str(decisions.last_session(lake)),
                "content": version.as_json(),
                "content_hash": version.content_hash,
                "champion": champion.id,
                "rotated": less,
                "run_id": context.run.run_id,
            },
            version=version.id,
            key=f"challenger/{request.id}/{version.id}",
        )
    )
    return materialised(
        CHALLENGER,
        table,
        metadata={
            "version": version.id,
            "content_hash": version.content_hash,
            "champion": champion.id,
            "request": request.payload["reason"],
            "rotated": dg.MetadataValue.json(less),
            "weights": markdown_table(table.sort(pl.col("weight").abs(), descending=True).drop("version"), digits=3),
            "models": dg.MetadataValue.json(dict(version.models)),
            **_event(event),
        },
        checks=[check("on_record", passed=event.payload["content_hash"] == version.content_hash, event=event.id)],
    )


@table_asset(
    VALIDATION,
    code_version="1",
    deps=HISTORY,
    ins={
        "challenger": table_input(CHALLENGER),
        "overfitting": table_input(OVERFITTING),
        "explanations": table_input(EXPLANATIONS, optional=True),
    },
    checks={
        **{
            gate: f"The gate {gate} of lifecycle.validation; one that is not judged is a warning."
            for gate in (
                *("search", "sharpe", "max_drawdown", "turnover", "capacity", "beta", "name_weight", "sector_weight"),
                *("explanation_stability", "no_look_ahead"),
            )
        }
    },
)
def validation(
    context: dg.AssetExecutionContext,
    challenger: pl.DataFrame,
    overfitting: pl.DataFrame,
    explanations: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    lake: dg.ResourceParam[Lake],
    ledger: dg.ResourceParam[Ledger],
) -> dg.MaterializeResult[pl.DataFrame]:
    """What the challenger has to pass on the hold-out before it is compared with the champion. Every figure is in the ledger."""
    from mech_exo_assets.quant.lifecycle.holdout import validated

    request = decisions.request_of_run(ledger, lake, context.run.tags, context.run.run_id)
    version = challenger["version"][0]
    trial = decisions.trial_of(ledger, lake, strategy, version)
    table = validated(trial, overfitting, explanations)
    failed = table.filter(pl.col("passed").not_())
    passed = failed.is_empty()
    told = "all gates" if passed else "; ".join(failed["meaning"])
    event = ledger.append(
        Entry(
            "validation_passed" if passed else "validation_failed",
            _actor(context),
            {
                "summary": f"{version} {'passed' if passed else 'did not pass'} validation: {told}",
                "reason": told,
                "request": request.id,
                "as_of": str(decisions.last_session(lake)),
                "figures": {row["gate"]: row["value"] for row in table.iter_rows(named=True)},
                "gates": table.drop("version").to_dicts(),
                "data": trial.data,
                "tables": {key: lake.version(key) for key in (OVERFITTING.key, EXPLANATIONS.key) if lake.exists(key)},
                "run_id": context.run.run_id,
            },
            version=version,
            key=f"validation/{request.id}/{version}",
        )
    )
    return materialised(
        VALIDATION,
        table,
        metadata={"version": version, "passed": passed, "gates": markdown_table(table.drop("version"), digits=3), **_event(event)},
        checks=[_gate(row) for row in table.iter_rows(named=True) if row["gate"] not in ("deflated_sharpe", "pbo")],
    )


@table_assets(
    {
        AB_TEST: {"decided": "The comparison has come to a verdict. A warning."},
        AB_RETURNS: {"same_sessions": "Challenger and champion have the same sessions."},
    },
    name="lifecycle__ab_test",
    code_version="1",
    ins={"challenger": table_input(CHALLENGER), "validation": table_input(VALIDATION)},
)
def ab_test(
    context: dg.AssetExecutionContext,
    challenger: pl.DataFrame,
    validation: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    lake: dg.ResourceParam[Lake],
    ledger: dg.ResourceParam[Ledger],
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Challenger and champion on the sessions that neither was fitted on. A challenger that failed its gates is not compared."""
    from mech_exo_assets.quant.lifecycle.holdout import compared
    from mech_exo_assets.reports.lifecycle_figures import growth_of_both

    request = decisions.request_of_run(ledger, lake, context.run.tags, context.run.run_id)
    version = challenger["version"][0]
    table, returns, event = AB_TEST.empty(), AB_RETURNS.empty(), None
    if validation.filter(pl.col("passed").not_()).is_empty():
        trial = decisions.trial_of(ledger, lake, strategy, version)
        started = decisions.start_comparison(ledger, request, trial, actor=_actor(context), run_id=context.run.run_id)
        table, returns = compared(trial, impaired=started.payload["impaired"])
        event = decisions.conclude_comparison(
            ledger, lake, request, trial, table, returns, actor=_actor(context), run_id=context.run.run_id
        )
        if event.payload["continues"]:
            event = decisions.begin_live(ledger, lake, strategy, event, actor=_actor(context), run_id=context.run.run_id)
    verdict = table["verdict"].to_list()
    counts = returns.group_by("role").len()["len"].to_list()
    yield materialised(
        AB_TEST,
        table,
        metadata={
            "version": version,
            "verdict": ", ".join(verdict) or "not compared: validation failed",
            "comparison": markdown_table(table.drop("version", "champion", "stage"), digits=3),
            **({} if event is None else _event(event)),
        },
        checks=[
            check("decided", passed="undecided" not in verdict, severity=dg.AssetCheckSeverity.WARN, verdict=", ".join(verdict))
            if verdict
            else unmeasured("decided", "Validation failed.")
        ],
    )
    yield materialised(
        AB_RETURNS,
        returns,
        metadata={"growth": dg.MetadataValue.md(growth_of_both(returns))} if returns.height else {},
        checks=[check("same_sessions", passed=len(set(counts)) <= 1, sessions=max(counts, default=0))],
    )


@table_assets(
    {
        CHAMPION: {
            "one_champion": "At every session one version is champion, and no reign overlaps another.",
            "in_mlflow": "The models of the champion have the alias champion in MLflow. A warning.",
        },
        EVENTS: {"verifies": "Every event has the hash of its content and of the event before it, and none is missing."},
    },
    name="lifecycle__decision",
    code_version="1",
    deps=[*HISTORY, key_of(AB_TEST), key_of(VALIDATION), key_of(BLEND)],
)
def decision(
    context: dg.AssetExecutionContext,
    market_source: dg.ResourceParam[MarketSource],
    strategy: dg.ResourceParam[Strategy],
    lake: dg.ResourceParam[Lake],
    ledger: dg.ResourceParam[Ledger],
    models: dg.ResourceParam[ModelRegistry],
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """Who is champion when, by the ledger. The open request is decided here, by one event: its challenger is promoted or refused."""
    from mech_exo_assets.quant.lifecycle.episodes import open_request
    from mech_exo_assets.quant.lifecycle.reigns import champion_table

    decisions.register_first(ledger, lake, strategy, market_source, actor=_actor(context), code=code_hash(), run_id=context.run.run_id)
    asked = open_request(ledger.events())
    if asked is not None:
        decisions.decide(ledger, lake, strategy, ledger.get(asked.id), actor=_actor(context), run_id=context.run.run_id)
    events = ledger.events()
    reigns = champion_table(events)
    later = reigns.with_columns(next=pl.col("since").shift(-1))
    overlapping = later.filter(pl.col("until").is_null() != pl.col("next").is_null()).height
    overlapping += later.filter(pl.col("until") >= pl.col("next")).height
    left = decisions.follow_in_mlflow(models, ledger)
    yield materialised(
        CHAMPION,
        reigns,
        metadata={
            "champion": reigns["version"][-1] if reigns.height else "none",
            "since": str(reigns["since"][-1]) if reigns.height else "",
            "reigns": markdown_table(reigns.tail(20)),
        },
        checks=[
            check("one_champion", passed=reigns.height > 0 and overlapping == 0, reigns=reigns.height, overlapping=overlapping),
            check("in_mlflow", passed=not left, severity=dg.AssetCheckSeverity.WARN, why=" ".join(left)),
        ],
    )
    found = ledger.verify()
    table = decisions.event_table(events)
    yield materialised(
        EVENTS,
        table,
        metadata={
            "events": table.height,
            "ledger_head": found.head_hash or "",
            "latest": markdown_table(table.tail(20).select("event", "time", "kind", "version", "actor", "summary")),
        },
        checks=[check("verifies", passed=found.ok, events=found.events, fault=found.fault or "none")],
    )


def _actor(context: dg.AssetExecutionContext) -> str:
    return context.run.tags.get(ACTOR_TAG, "dagster")


def _event(event: Event) -> dict[str, object]:
    return {"ledger_event": event.id, "ledger_hash": event.hash}


def _gate(row: dict[str, object]) -> dg.AssetCheckResult:
    name, why = str(row["gate"]), str(row["meaning"])
    if row["passed"] is None:
        return unmeasured(name, f"Not judged. {why}")
    figures = {"value": row["value"], "threshold": row["threshold"], "meaning": why}
    return check(name, passed=bool(row["passed"]), severity=dg.AssetCheckSeverity.WARN, **figures)
