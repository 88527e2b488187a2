"""What is seen of challenger and champion as sessions come: comparison, probation, benefit (Dagster *assets*).

What belongs here: tables of the group `lifecycle` that follow the live account. What does not: a retraining (`lifecycle`), and what follows
from what is seen (`lifecycle_sensors`).
"""

import dagster as dg
import numpy as np
import polars as pl

from mech_exo_assets.defs import decisions
from mech_exo_assets.defs.automation import ON_UPDATE
from mech_exo_assets.defs.lifecycle import HISTORY
from mech_exo_assets.defs.tables import check, key_of, markdown_table, materialised, table_asset, table_input, unmeasured
from mech_exo_assets.schemas import BENEFIT, FILLS, IC, LIVE_BACKTEST, LIVE_COMPARISON, LIVE_POSITIONS, NAV, PROBATION
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger

PROBATION_STATE = "probation_state"
"""Metadata of `lifecycle/probation`, as the sensor reads it: the promotion, its status and figures."""

COMPARISON_STATE = "comparison_state"
"""Metadata of `lifecycle/live_comparison`, as the sensor reads it: its beginning, verdict and figures."""


@table_asset(
    LIVE_COMPARISON,
    code_version="1",
    automation=ON_UPDATE,
    deps=[*HISTORY, *map(key_of, (NAV, LIVE_POSITIONS, FILLS))],
    checks={"same_champion": "The champion is the one that the challenger is compared with. A warning: if it is not, the comparison ends."},
)
def live_comparison(
    strategy: dg.ResourceParam[Strategy], lake: dg.ResourceParam[Lake], ledger: dg.ResourceParam[Ledger]
) -> dg.MaterializeResult[pl.DataFrame]:
    """Challenger and champion on the sessions since it was built, in shadow or as a canary, where `ab_test.mode` asks for it."""
    from mech_exo_assets.quant.lifecycle.episodes import comparison_under_way
    from mech_exo_assets.reports.lifecycle_figures import confidence_over_sessions

    events = ledger.events()
    started = comparison_under_way(events)
    if started is None:
        said = "No challenger is compared in shadow or as a canary."
        return materialised(
            LIVE_COMPARISON,
            LIVE_COMPARISON.empty(),
            metadata={"verdict": said, COMPARISON_STATE: dg.MetadataValue.json({"started": None})},
            checks=[unmeasured("same_champion", said)],
        )
    tables = decisions.tables_of(lake, started.payload["stage"])
    table = decisions.live_comparison(events, lake, strategy, started, tables=tables)
    state = {"started": started.id, "data": tables, **(decisions.state_of(table, strategy) if table.height else {})}
    replaced = decisions.replaced_meanwhile(events, started)
    return materialised(
        LIVE_COMPARISON,
        table,
        metadata={
            "comparison": started.payload["summary"],
            "verdict": state.get("reason", "no session yet"),
            "latest": markdown_table(table.tail(10).drop("version", "champion"), digits=4),
            **({"confidence": dg.MetadataValue.md(confidence_over_sessions(table))} if table["low"].count() else {}),
            COMPARISON_STATE: dg.MetadataValue.json(state),
        },
        checks=[check("same_champion", passed=replaced is None, severity=dg.AssetCheckSeverity.WARN, champion=started.payload["champion"])],
    )


@table_asset(
    PROBATION,
    code_version="1",
    automation=ON_UPDATE,
    ins={
        "nav": table_input(NAV, columns=["date", "live_return"]),
        "backtest": table_input(LIVE_BACKTEST, columns=["date", "version"]),
    },
    checks={
        "within_expectation": "Since its promotion the champion has earned what its hold-out lets expect. A warning without a promotion."
    },
)
def probation(
    nav: pl.DataFrame,
    backtest: pl.DataFrame,
    strategy: dg.ResourceParam[Strategy],
    ledger: dg.ResourceParam[Ledger],
) -> dg.MaterializeResult[pl.DataFrame]:
    """What the promoted strategy has earned since, against the distribution that its own hold-out lets expect."""
    from mech_exo_assets.quant.lifecycle.episodes import promotion_under_probation

    promotion = promotion_under_probation(ledger.events())
    table = PROBATION.empty()
    state: dict[str, object] = {"promotion": None}
    if promotion is not None:
        held_out = np.asarray(decisions.verdict_among(ledger.events(), promotion).payload["returns"])
        table = decisions.probation_of(promotion, nav, backtest, held_out, strategy)
        state = {"promotion": promotion.id, "version": promotion.version}
        if table.height:
            now = table.sort("date").row(-1, named=True)
            state |= {"as_of": str(now["date"]), **{name: now[name] for name in ("status", "sessions", "live_return", "limit", "p_value")}}
    status = table["status"][-1] if table.height else None
    return materialised(
        PROBATION,
        table,
        metadata={
            "status": status or "no promoted strategy is on probation, or it has no session yet",
            "sessions": markdown_table(table.drop("version", "event")),
            PROBATION_STATE: dg.MetadataValue.json(state),
        },
        checks=[
            unmeasured("within_expectation", "No promoted strategy is on probation, or it has no session yet.")
            if status is None
            else check("within_expectation", passed=status != "breach", severity=dg.AssetCheckSeverity.WARN, status=status)
        ],
    )


@table_asset(
    BENEFIT,
    code_version="1",
    automation=ON_UPDATE,
    deps=[*HISTORY, key_of(IC)],
    ins={"backtest": table_input(LIVE_BACKTEST, columns=["date", "net_return", "version"])},
    checks={"same_sessions": "All paths have the same sessions."},
)
def benefit(
    backtest: pl.DataFrame, strategy: dg.ResourceParam[Strategy], lake: dg.ResourceParam[Lake], ledger: dg.ResourceParam[Ledger]
) -> dg.MaterializeResult[pl.DataFrame]:
    """What the path taken has earned, beside a strategy that was never replaced, and one that is refitted by the calendar."""
    from mech_exo_assets.quant.lifecycle.benefit import benefit_figures
    from mech_exo_assets.reports.lifecycle_figures import growth_of_paths

    table = decisions.paths(ledger, lake, strategy, backtest)
    counts = table.group_by("path").len()["len"].to_list()
    return materialised(
        BENEFIT,
        table,
        metadata={
            "figures": markdown_table(benefit_figures(table, seed=strategy.seed), digits=3),
            **({"growth": dg.MetadataValue.md(growth_of_paths(table))} if table.height else {}),
        },
        checks=[check("same_sessions", passed=len(set(counts)) <= 1, sessions=max(counts, default=0))],
    )
