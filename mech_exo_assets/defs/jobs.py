"""What can be launched as a whole (Dagster *jobs*).

What belongs here: selections of assets with a name, and the tags that say which years. What does not: when they run.

Which jobs go on at the same time follows from the pools of their steps (`runs.pool_of`): a search beside any other, but beside a
retraining, which searches too. All others take turns.
"""

from __future__ import annotations

import dagster as dg

from mech_exo_assets.defs.reporting import QUANTSTATS_REPORT, TEAR_SHEET
from mech_exo_assets.defs.runs import NOT_TRIED_AGAIN, RETRAIN_JOB, SEARCH_JOB, SEARCHED_GROUP, Rank, priority
from mech_exo_assets.defs.tables import key_of
from mech_exo_assets.schemas import (
    AB_RETURNS,
    AB_TEST,
    BLEND,
    CHALLENGER,
    CHAMPION,
    COMPOSITE,
    DEPENDENCE,
    EVENTS,
    EXPLANATIONS,
    FEATURES,
    FUNDAMENTALS,
    INTERACTIONS,
    LEARNED_SCORES,
    LIGHTGBM,
    MODEL_COMPARISON,
    MODELS,
    PREDICTIONS,
    PRICES,
    REGISTERED,
    RIDGE,
    SIZES,
    STACKING,
    TARGETS,
    UNIVERSE,
    VALIDATION,
    XGBOOST,
)

_TRAINED = dg.AssetSelection.assets(
    *map(key_of, (LIGHTGBM, XGBOOST, RIDGE, MODELS, STACKING, EXPLANATIONS, DEPENDENCE, INTERACTIONS, REGISTERED))
)
"""What is made when models are trained. Their predictions, and what those are worth, are brought up to date by every refresh."""
_ON_REQUEST = dg.AssetSelection.assets(*map(key_of, (CHALLENGER, VALIDATION, AB_TEST, AB_RETURNS)))
"""What is made when a challenger was asked for."""
_MAINTAINED = dg.AssetSelection.assets(key_of(SIZES))
_AT_TIMES_OF_THEIR_OWN = dg.AssetSelection.assets(QUANTSTATS_REPORT) | dg.AssetSelection.groups(SEARCHED_GROUP) | _ON_REQUEST | _MAINTAINED

REFRESH = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all() - _AT_TIMES_OF_THEIR_OWN - _TRAINED,
    description="The whole chain, from the source to the mart and the tear sheet. `mech-exo run` launches it. The PDF, which takes several "
    "seconds, is made every night, and by `mech-exo report quantstats`; models are trained every week, and by `mech-exo learn`; weights "
    "are searched every week, and by `mech-exo search`.",
)

LEARNING = dg.define_asset_job(
    "learning",
    selection=_TRAINED,
    tags=priority(Rank.LEARNING),
    description="Train the models whose time has come, explain them, and set their aliases in MLflow. What follows from their predictions "
    "is brought up to date by automation, for this and the last year; `mech-exo learn` does both, for all years.",
)

AFTER_LEARNING = _TRAINED.downstream() - _AT_TIMES_OF_THEIR_OWN
"""The trained tables, and all that follows from predictions: what `mech-exo learn` materialises."""

MARKET_REFRESH = dg.define_asset_job(
    "market_refresh",
    selection=dg.AssetSelection.assets(*(key_of(schema) for schema in (PRICES, UNIVERSE, FUNDAMENTALS, FEATURES))),
    tags=priority(Rank.MARKET),
    description="Read the source anew. What is downstream follows by automation.",
)

NIGHTLY_BACKTEST = dg.define_asset_job(
    "nightly_backtest",
    selection=(dg.AssetSelection.groups("strategy") - dg.AssetSelection.assets(key_of(COMPOSITE), key_of(TARGETS)))
    | dg.AssetSelection.assets(TEAR_SHEET, QUANTSTATS_REPORT),
    description="Trade the strategy's targets of today over its whole history, hold the result against its limits, and write the reports.",
)

WEIGHT_SEARCH = dg.define_asset_job(
    SEARCH_JOB,
    selection=dg.AssetSelection.groups(SEARCHED_GROUP),
    tags=priority(Rank.SEARCH),
    description="Search factor weights on the history before the hold-out, choose, measure how much is chance, and compare on the "
    "hold-out. `mech-exo search` launches it. No weight of the strategy is changed by it.",
)

_REPREDICTED = dg.AssetSelection.assets(*map(key_of, (PREDICTIONS, LEARNED_SCORES, MODEL_COMPARISON, BLEND)))
_CHALLENGED = dg.AssetSelection.assets(*map(key_of, (CHALLENGER, VALIDATION, AB_TEST, AB_RETURNS, CHAMPION, EVENTS)))

RETRAIN = dg.define_asset_job(
    RETRAIN_JOB,
    selection=_TRAINED | _REPREDICTED | dg.AssetSelection.groups(SEARCHED_GROUP) | _CHALLENGED,
    tags=priority(Rank.RETRAIN) | NOT_TRIED_AGAIN,
    description="Train the models on all data up to now, search weights with decayed factors rotated out, build a challenger, validate it "
    "on the hold-out, compare it with the champion there, and promote or refuse it. The sensor `retrain` and `mech-exo retrain` launch it.",
)

DEPLOY = dg.define_asset_job(
    "deploy",
    tags=priority(Rank.DEPLOY),
    selection=dg.AssetSelection.assets(*map(key_of, (CHAMPION, EVENTS))),
    description="Publish who is champion by the ledger, and let MLflow's aliases follow. Targets follow by automation.",
)

MAINTENANCE = dg.define_asset_job(
    "maintenance",
    selection=_MAINTAINED,
    tags=priority(Rank.MAINTENANCE),
    description="Let old versions of tables and old runs go that nothing needs, and measure the rest. `mech-exo maintain` launches it.",
)
