"""Whether published targets are what the construction promises.

What belongs here: the check over the table as people will read it. What does not: bringing targets within their limits (`constraints`).
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from mech_exo_assets.settings.portfolio import Construction

_ROUNDING = 1e-9


def sessions_off(targets: pl.DataFrame, construction: Construction, *, sectors: Mapping[str, str | None]) -> int:
    """Sessions whose weights break a limit, or do not add up to the gross although nothing may keep them from it.

    Parameters
    ----------
    targets : DataFrame
        `schemas.TARGETS`.
    construction : Construction
        Kelly sizing, a volatility target and limits may make the gross smaller than `construction.gross`; a volatility target may make it
        larger, up to `limits.gross`.
    sectors : mapping of str to str or None
        Sector of each symbol.
    """
    limits, size = construction.limits, pl.col("weight").abs()
    labels = pl.DataFrame(
        {"symbol": list(sectors), "sector": [each or "none" for each in sectors.values()]}, schema_overrides={"symbol": pl.String}
    )
    weights = targets.join(labels, on="symbol", how="left").with_columns(pl.col("sector").fill_null("none"))
    by_sector = weights.group_by("date", "sector").agg(size.sum().alias("size")).group_by("date").agg(pl.col("size").max().alias("sector"))
    sums = weights.group_by("date").agg(gross=size.sum(), net=pl.col("weight").sum().abs(), name=size.max()).join(by_sector, on="date")
    free = construction.sizing == "kelly" or construction.volatility_target is not None
    bounds = {
        "name": limits.name,
        "sector": limits.sector,
        "net": limits.net,
        "gross": limits.gross if construction.volatility_target is not None else construction.gross,
    }
    broken = pl.lit(value=False)
    for column, bound in bounds.items():
        if bound is not None:
            broken |= pl.col(column) > bound + _ROUNDING
    if not (free or construction.neutral or any(bound is not None for bound in limits.model_dump().values())):
        broken |= pl.col("gross") < construction.gross - _ROUNDING
    return sums.filter(broken).height
