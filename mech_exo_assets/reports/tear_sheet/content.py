"""What a tear sheet is made of, and where it comes from.

What belongs here: the frames and texts of one backtest, read from one version of each table. What does not: what is drawn of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import polars as pl
import yaml
from pydantic import ValidationError

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.quant.backtest.benchmark import UNIVERSE
from mech_exo_assets.reports.formats import TITLE
from mech_exo_assets.schemas import (
    BACKTEST,
    CONTRIBUTIONS,
    PERFORMANCE,
    POSITIONS,
    TRADES,
    WALK_FORWARD,
    WALK_FORWARD_WEIGHTS,
    WALK_FORWARD_WINDOWS,
    TableSchema,
)
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.lake import CHOICES, Lake


@dataclass(frozen=True, slots=True)
class TearSheet:
    """The content of one tear sheet.

    Attributes
    ----------
    title, source : str
        The page's heading; URI of the market data.
    benchmark : str
        What `backtest.benchmark_return` is the return of.
    configuration : str
        The strategy, as YAML.
    written : datetime
        When the page is made, UTC.
    backtest, performance, contributions : DataFrame
        `schemas.BACKTEST` with at least one row, `PERFORMANCE`, `CONTRIBUTIONS`.
    walk_forward, walk_forward_windows, walk_forward_weights : DataFrame
        `schemas.WALK_FORWARD`, `WALK_FORWARD_WINDOWS`, `WALK_FORWARD_WEIGHTS`; without rows where there was no walk-forward.
    holdings : DataFrame
        `schemas.POSITIONS` of the last session.
    trades : DataFrame
        Columns reason, trades (how many), notional, commission, spread, impact: sums over `schemas.TRADES`.
    versions, inputs : mapping of str to int
        Version in the lake of each table that the page shows, and of those that these were computed from.
    absent : mapping of str to str
        Why a table has no rows, by its key, as a sentence.
    """

    title: str
    source: str
    benchmark: str
    configuration: str
    written: datetime
    backtest: pl.DataFrame
    performance: pl.DataFrame
    contributions: pl.DataFrame
    walk_forward: pl.DataFrame
    walk_forward_windows: pl.DataFrame
    walk_forward_weights: pl.DataFrame
    holdings: pl.DataFrame
    trades: pl.DataFrame
    versions: Mapping[str, int]
    inputs: Mapping[str, int] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)


def gather(lake: Lake, *, source: str, written: datetime, title: str = TITLE) -> TearSheet:
    """Read a tear sheet's content from a lake, each table in one version, which the page names.

    Raises
    ------
    MechExoError
        If a table of the backtest is not in the lake, or not of the same backtest as the others.
    InputError
        If the backtest has no sessions.
    """
    versions = {schema.key: lake.version(schema.key) for schema in (BACKTEST, PERFORMANCE, CONTRIBUTIONS, POSITIONS, TRADES)}
    walked = (WALK_FORWARD, WALK_FORWARD_WINDOWS, WALK_FORWARD_WEIGHTS)
    versions |= {schema.key: lake.version(schema.key) for schema in walked if lake.exists(schema.key)}

    def rows(schema: TableSchema) -> pl.DataFrame:
        if schema.key not in versions:
            return schema.empty()
        return lake.read(schema.key, version=versions[schema.key]).sort(*schema.unique)

    _require_one_run(lake, versions)
    strategy = strategy_behind(lake, BACKTEST, versions[BACKTEST.key])
    backtest = rows(BACKTEST)
    if backtest.is_empty():
        raise InputError(f"{BACKTEST.key} in {lake.place} has no sessions, so that there is nothing to report. No score was ever traded.")
    positions = lake.scan(POSITIONS.key, version=versions[POSITIONS.key])
    windows = rows(WALK_FORWARD_WINDOWS)
    return TearSheet(
        title=title,
        source=source,
        benchmark=strategy.backtest.benchmark or UNIVERSE,
        configuration=yaml.safe_dump(strategy.model_dump(mode="json"), sort_keys=False),
        written=written,
        backtest=backtest,
        performance=lake.read(PERFORMANCE.key, version=versions[PERFORMANCE.key]),
        contributions=rows(CONTRIBUTIONS),
        walk_forward=rows(WALK_FORWARD),
        walk_forward_windows=windows,
        walk_forward_weights=rows(WALK_FORWARD_WEIGHTS),
        holdings=positions.filter(pl.col("date") == backtest["date"][-1], pl.col("quantity") != 0).collect(),
        trades=_trades(lake, versions[TRADES.key]),
        versions=versions,
        inputs=_inputs(lake, versions),
        absent={} if len(windows) else {WALK_FORWARD.key: _why_no_window(strategy, backtest, there=WALK_FORWARD_WINDOWS.key in versions)},
    )


def _require_one_run(lake: Lake, versions: Mapping[str, int]) -> None:
    """Refuse tables that were computed from another version of the backtest than the one that is there: a run has ended between them."""
    for schema in (PERFORMANCE, CONTRIBUTIONS):
        read = lake.reads(schema.key, versions[schema.key]).get(BACKTEST.key)
        if read is not None and read != versions[BACKTEST.key]:
            raise MechExoError(
                f"{schema.key} in {lake.place} was computed from version {read} of {BACKTEST.key}, now at {versions[BACKTEST.key]}: "
                "the last run was not completed. Run `mech-exo run`, which mends it; no tear sheet was made."
            )


def strategy_behind(lake: Lake, schema: TableSchema, version: int) -> Strategy:
    """The choices that a version of a table was computed with, as its commit notes them.

    Raises
    ------
    MechExoError
        If the commit notes none, or those of a version of Mech-Exo that had other keys.
    """
    noted = lake.note(schema.key, version).get(CHOICES)
    try:
        return Strategy.model_validate_json(noted or "")
    except ValidationError as error:
        raise MechExoError(
            f"{schema.key} in {lake.place}, version {version}, was computed by another version of Mech-Exo, whose choices cannot be read. "
            "Run `mech-exo run` first."
        ) from error


def _trades(lake: Lake, version: int) -> pl.DataFrame:
    sums = [pl.col(name).sum() for name in ("notional", "commission", "spread", "impact")]
    grouped = lake.scan(TRADES.key, version=version).group_by("reason").agg(pl.len().alias("trades"), *sums)
    return grouped.sort("notional", descending=True).collect()


def _inputs(lake: Lake, versions: Mapping[str, int]) -> dict[str, int]:
    """Versions that the shown tables were computed from, as their commits note them."""
    read: dict[str, int] = {}
    for key, version in versions.items():
        read |= {name: value for name, value in lake.reads(key, version).items() if name not in versions}
    return dict(sorted(read.items()))


def _why_no_window(strategy: Strategy, backtest: pl.DataFrame, *, there: bool) -> str:
    if not there:
        return f"{WALK_FORWARD_WINDOWS.key} is not in the lake; it was not computed yet. Run mech-exo run."
    chosen = strategy.walk_forward
    return (
        f"No window fits: one takes {chosen.train_months} months of training and {chosen.test_months} months of test "
        f"(walk_forward.train_months and test_months), and the backtest runs from {backtest['date'][0]} to {backtest['date'][-1]}."
    )
