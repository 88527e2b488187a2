"""Whether factors still work: information coefficients and their statistics (Dagster *assets*).

What belongs here: the group `decay`. What does not: the formulas (`quant.ic`, `quant.hac`, `quant.decay`).
"""

import dagster as dg
import polars as pl

from mech_exo_assets.defs.automation import ON_UPDATE, ON_YEAR_UPDATE
from mech_exo_assets.defs.tables import check, markdown_table, materialised, table_asset, table_input
from mech_exo_assets.schemas import FORWARD_RETURNS, IC, SCORES, STATISTICS, factor_columns
from mech_exo_assets.settings import Strategy


@table_asset(
    IC,
    code_version="1",
    automation=ON_YEAR_UPDATE,
    ins={"scores": table_input(SCORES), "forward_returns": table_input(FORWARD_RETURNS)},
    checks={
        "within_bounds": "Every information coefficient lies between -1 and 1.",
        "measured": "Some factor has an information coefficient.",
    },
)
def ic(scores: pl.DataFrame, forward_returns: pl.DataFrame, strategy: dg.ResourceParam[Strategy]) -> dg.MaterializeResult[pl.DataFrame]:
    """How well each factor's score ranked the returns that followed, per session and horizon."""
    from mech_exo_assets.quant.forward_returns import forward_return_matrices
    from mech_exo_assets.quant.ic import ic_table
    from mech_exo_assets.quant.panel import Panel

    panel = Panel.from_frame(scores, factor_columns(scores.columns))
    returns = forward_return_matrices(forward_returns, sessions=panel.sessions, symbols=panel.symbols)
    table = ic_table(panel.fields, returns, panel.sessions, min_names=strategy.ic.min_names)
    sources = [f"factors/scores.{name}" for name in factor_columns(scores.columns)]
    return materialised(
        IC,
        table,
        metadata={
            "factors": table["factor"].n_unique(),
            "horizons": ", ".join(map(str, sorted(table["horizon"].unique()))),
            "median_names": table["n"].median() or 0.0,
        },
        lineage={"ic": [*sources, "market/forward_returns.value"], "n": [*sources, "market/forward_returns.value"]},
        checks=[
            check("within_bounds", passed=table.filter(pl.col("ic").abs() > 1 + 1e-12).is_empty()),
            check("measured", passed=not table.is_empty(), severity=dg.AssetCheckSeverity.WARN),
        ],
    )


@table_asset(
    STATISTICS,
    code_version="1",
    automation=ON_UPDATE,
    ins={"ic": table_input(IC)},
    checks={"some_factor_works": "At least one factor has a q-value of 5 % or less at some horizon."},
)
def statistics(ic: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """Mean information coefficient of each factor and horizon, with a t that allows for autocorrelation, p and q."""
    from mech_exo_assets.quant.decay import statistics as ic_statistics
    from mech_exo_assets.reports.figures import ic_overview

    table = ic_statistics(ic)
    significant = table.filter(pl.col("q_value") <= 0.05)
    strongest = table.sort(pl.col("t_hac").abs(), descending=True, nulls_last=True).head(15)
    return materialised(
        STATISTICS,
        table,
        metadata={
            "significant": significant.height,
            "strongest": markdown_table(
                strongest.select("factor", "horizon", "mean_ic", "icir", "t_hac", "p_value", "q_value", "n_sessions")
            ),
            "overview": dg.MetadataValue.md(ic_overview(table)),
        },
        checks=[
            check(
                "some_factor_works", passed=not significant.is_empty(), severity=dg.AssetCheckSeverity.WARN, significant=significant.height
            )
        ],
    )
