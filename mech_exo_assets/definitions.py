"""The one `Definitions` object: everything that Dagster knows of Mech-Exo, and what holds for the whole platform."""

from __future__ import annotations

import dagster as dg

from mech_exo_assets.defs import backtest, decay, factors, market, reporting, strategy, walk_forward
from mech_exo_assets.defs.automation import AUTOMATION_SENSOR
from mech_exo_assets.defs.jobs import MARKET_REFRESH, NIGHTLY_BACKTEST, REFRESH
from mech_exo_assets.defs.resources import build_resources
from mech_exo_assets.defs.schedules import daily_refresh, nightly_backtest
from mech_exo_assets.settings import Settings

EXECUTORS = {"in_process": dg.in_process_executor, "multiprocess": dg.multiprocess_executor}


def build_definitions(settings: Settings) -> dg.Definitions:
    """The asset graph on the given home and source."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules([market, factors, decay, strategy, backtest, walk_forward, reporting]),
        resources=build_resources(settings),
        jobs=[REFRESH, MARKET_REFRESH, NIGHTLY_BACKTEST],
        schedules=[daily_refresh, nightly_backtest],
        sensors=[AUTOMATION_SENSOR],
        executor=EXECUTORS[settings.executor],
    )


defs = build_definitions(Settings())
