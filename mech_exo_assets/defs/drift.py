"""Whether live trading has drifted from its backtest, and whether its inputs have (Dagster *assets*).

What belongs here: the tables of the group `live` that judge. What does not: the account (`live`), the statistics (`quant.drift`), and what
follows from a breach (`lifecycle_sensors`).
"""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_UPDATE
from mech_exo_assets.defs.tables import check, markdown_table, materialised, table_asset, table_assets, table_input, unmeasured
from mech_exo_assets.schemas import DRIFT, DRIFT_ALARM, INPUT_DRIFT, LEARNED_SCORES, LIVE_BACKTEST, NAV, SCORES, factor_columns
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.ledger import Ledger

DRIFT_STATE = "drift_state"
"""Metadata of `live/drift`, as the sensor reads it: the session, the champion, what triggers, and whether a breach still stands."""


@table_assets(
    {
        DRIFT: {"no_breach": "In the longest window live trading keeps to its backtest. A warning: see the status."},
        DRIFT_ALARM: {"no_alarm": "The sequential alarm does not sound in the last session. A warning."},
    },
    name="live__drift",
    code_version="1",
    automation=ON_UPDATE,
    ins={"nav": table_input(NAV, columns=["date", "live_return"]), "backtest": table_input(LIVE_BACKTEST)},
)
def drift(
    nav: pl.DataFrame, backtest: pl.DataFrame, strategy: dg.ResourceParam[Strategy], ledger: dg.ResourceParam[Ledger]
) -> Iterator[dg.MaterializeResult[pl.DataFrame]]:
    """The live account against the backtest of the deployed strategy; each strategy is judged on its own sessions."""
    from mech_exo_assets.quant.drift.deployed import drift_of_account
    from mech_exo_assets.quant.lifecycle.reigns import champion, deployed_on, promises
    from mech_exo_assets.reports.live_figures import live_against_backtest

    events = ledger.events()
    now = champion(events)
    found = drift_of_account(nav, backtest, promises(events), strategy.drift, after=deployed_on(events))
    last = found.drift.filter(pl.col("date") == pl.col("date").max())
    trigger = found.trigger
    longest = last.sort("window").tail(1)
    status = longest["status"].item() if longest.height else "NO DATA"
    yield materialised(
        DRIFT,
        found.drift,
        metadata={
            "status": status,
            "windows": markdown_table(last, digits=3),
            "trigger": "none" if trigger is None else trigger.summary,
            DRIFT_STATE: dg.MetadataValue.json(
                {
                    "as_of": None if last.is_empty() else str(last["date"][0]),
                    "champion": None if now is None else now.version,
                    "standing": found.standing,
                    "raised": list(found.raised),
                    "trigger": None if trigger is None else trigger.as_json(),
                }
            ),
            "picture": dg.MetadataValue.md(live_against_backtest(nav, backtest)),
        },
        checks=[
            check("no_breach", passed=status in ("OK", "WARN"), severity=dg.AssetCheckSeverity.WARN, status=status)
            if status != "NO DATA"
            else unmeasured("no_breach", f"Fewer than {strategy.drift.windows[-1]} sessions of this strategy.")
        ],
    )
    sounding = found.alarms.filter((pl.col("date") == pl.col("date").max()) & pl.col("alarm"))
    yield materialised(
        DRIFT_ALARM,
        found.alarms,
        metadata={
            "alarms": markdown_table(found.alarms.filter("alarm").tail(10)),
            "now": markdown_table(found.alarms.filter(pl.col("date") == pl.col("date").max()), digits=3),
        },
        checks=[
            check("no_alarm", passed=sounding.is_empty(), severity=dg.AssetCheckSeverity.WARN, streams=", ".join(sounding["stream"])),
        ],
    )


@table_asset(
    INPUT_DRIFT,
    code_version="1",
    automation=ON_UPDATE,
    ins={"scores": table_input(SCORES, lazy=True), "learned": table_input(LEARNED_SCORES, lazy=True, optional=True)},
    checks={"stable": "No score and no prediction is distributed otherwise than before. A warning."},
)
def inputs(scores: pl.LazyFrame, learned: pl.LazyFrame, strategy: dg.ResourceParam[Strategy]) -> dg.MaterializeResult[pl.DataFrame]:
    """Whether what the strategy reads is distributed as it was: the last sessions against those before (population stability index)."""
    from mech_exo_assets.quant.drift.inputs import input_drift_table
    from mech_exo_assets.quant.panel import Panel

    choices = strategy.drift.inputs
    sessions = scores.select(pl.col("date").unique().sort()).collect()["date"].tail(choices.sessions + choices.reference)
    panels = {}
    for kind, frame in (("score", scores), ("prediction", learned)):
        recent = frame.filter(pl.col("date") >= (sessions[0] if len(sessions) else dt.date.max)).collect()
        panels[kind] = Panel.from_frame(recent, factor_columns(recent.columns))
    table = input_drift_table(panels, choices, seed=strategy.seed)
    changed = table.filter(pl.col("status") == "CHANGED")
    return materialised(
        INPUT_DRIFT,
        table,
        metadata={"changed": changed.height, "largest": markdown_table(table.sort("psi", descending=True).head(15))},
        checks=[
            check("stable", passed=changed.is_empty(), severity=dg.AssetCheckSeverity.WARN, changed=", ".join(changed["name"]))
            if table.height
            else unmeasured("stable", f"Fewer than {choices.sessions + choices.reference} sessions of scores.")
        ],
    )
