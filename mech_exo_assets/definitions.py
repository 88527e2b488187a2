"""The one `Definitions` object: everything that Dagster knows of Mech-Exo, and what holds for the whole platform."""

from __future__ import annotations

from functools import partial

import dagster as dg

from mech_exo_assets.defs import (
    backtest,
    decay,
    drift,
    factors,
    ic,
    learning,
    lifecycle,
    lifecycle_watch,
    live,
    maintenance,
    market,
    reporting,
    strategy,
    training,
    walk_forward,
    weights,
)
from mech_exo_assets.defs.announcements import announcement_sensor, run_failure_alert, status_sensor
from mech_exo_assets.defs.automation import AUTOMATION_SENSOR
from mech_exo_assets.defs.dashboard_links import with_dashboard_link
from mech_exo_assets.defs.factor_pages import factor_pages
from mech_exo_assets.defs.jobs import DEPLOY, LEARNING, MAINTENANCE, MARKET_REFRESH, NIGHTLY_BACKTEST, REFRESH, RETRAIN, WEIGHT_SEARCH
from mech_exo_assets.defs.lifecycle_sensors import (
    comparison_sensor,
    decay_sensor,
    deploy_sensor,
    drift_sensor,
    probation_sensor,
    retrain_sensor,
)
from mech_exo_assets.defs.resources import build_resources
from mech_exo_assets.defs.schedules import daily_refresh, nightly_backtest, weekly_learning, weekly_maintenance, weekly_weight_search
from mech_exo_assets.quant.factor_names import ML_ALPHA, declared
from mech_exo_assets.settings import Settings, load_strategy
from mech_exo_assets.sources.uri import open_source

ROOMS = [
    market,
    factors,
    learning,
    training,
    ic,
    decay,
    strategy,
    backtest,
    walk_forward,
    weights,
    lifecycle,
    lifecycle_watch,
    live,
    drift,
    maintenance,
    reporting,
]
"""Modules of assets, in the order in which data flows."""
EXECUTORS = {"in_process": dg.in_process_executor, "multiprocess": dg.multiprocess_executor}


def build_definitions(settings: Settings) -> dg.Definitions:
    """The asset graph on the given home and source."""
    names = _factors(settings)
    link = partial(with_dashboard_link, url=settings.dashboard_url, pages=frozenset(names))
    loaded = [each for each in dg.load_assets_from_modules(ROOMS) if isinstance(each, dg.AssetsDefinition)]
    assets = dg.map_asset_specs(link, [*loaded, factor_pages(names)])
    return dg.Definitions(
        assets=assets,
        resources=build_resources(settings),
        jobs=[REFRESH, MARKET_REFRESH, NIGHTLY_BACKTEST, LEARNING, WEIGHT_SEARCH, RETRAIN, DEPLOY, MAINTENANCE],
        schedules=[daily_refresh, nightly_backtest, weekly_learning, weekly_weight_search, weekly_maintenance],
        sensors=[
            AUTOMATION_SENSOR,
            decay_sensor,
            drift_sensor,
            retrain_sensor,
            comparison_sensor,
            probation_sensor,
            deploy_sensor,
            announcement_sensor,
            status_sensor,
            run_failure_alert,
        ],
        executor=_executor(settings),
    )


def _executor(settings: Settings) -> dg.ExecutorDefinition:
    if not settings.dask:
        return EXECUTORS[settings.executor]
    from mech_exo_assets.defs.dask_executor import dask_executor

    return dask_executor.configured({"address": settings.dask}, name="dask")


def _factors(settings: Settings) -> dict[str, str]:
    """What each factor is, by name: those of the platform that are not excluded, and the features of the source."""
    excluded = load_strategy(settings.config).factors.exclude
    features = {name: f"The user's feature '{name}'." for name in open_source(settings.source).feature_names()}
    learned = {ML_ALPHA: "What models have learned of all factors together: the ensemble's prediction, out of sample."}
    return {name: meaning for name, meaning in (declared() | features | learned).items() if name not in excluded}


defs = build_definitions(Settings())
