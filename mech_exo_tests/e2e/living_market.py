"""A simulated market that goes on: a `files:` folder to which sessions are added, and the choices of a small strategy in it.

Three planted factors and no others, so that an episode takes seconds; the sessions end on the last one before today, since automation looks
at this and the last calendar year.
"""

from __future__ import annotations

import datetime as dt
import json
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import yaml

from mech_exo_assets.quant.calendar import sessions as exchange_sessions
from mech_exo_assets.quant.factor_names import declared
from mech_exo_assets.quant.simulator import Planted, simulate_planted
from mech_exo_tests.e2e.market_folder import write_folder

NAMES = 60
_LAUNCH = "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename } }"
_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass(frozen=True, eq=False)
class LivingMarket:
    """A market of which a part is known.

    Attributes
    ----------
    folder : Path
        What the source reads.
    tables : dict of str to DataFrame
        The whole market.
    dates : list of date
        Its sessions.
    """

    folder: Path
    tables: dict[str, pl.DataFrame]
    dates: list[dt.date]

    @property
    def source(self) -> str:
        """Its URI."""
        return f"files:{self.folder}"

    def know(self, sessions: int) -> dt.date:
        """Let the folder hold so many sessions; the last of them."""
        last = self.dates[sessions - 1]
        known = {name: table.filter(pl.col("date") <= last) if "date" in table.columns else table for name, table in self.tables.items()}
        write_folder(self.folder, known)
        return last

    def crash(self, session: int, weights: dict[str, float], *, by: float) -> None:
        """From a session on, let the price of each name be another: less of one that is held, more of one that is sold short."""
        day = self.dates[session]
        factors = pl.DataFrame({"symbol": list(weights), "factor": [1 - by * (1 if weight > 0 else -1) for weight in weights.values()]})
        prices = self.tables["prices"].join(factors, on="symbol", how="left", maintain_order="left")
        factor = pl.when(pl.col("date") >= day).then(pl.col("factor").fill_null(1.0)).otherwise(1.0)
        columns = ["open", "high", "low", "close", "adjusted_close"]
        self.tables["prices"] = prices.with_columns(pl.col(name) * factor for name in columns).drop("factor")


def ask(address: str, query: str, **variables: object) -> dict:
    """What Dagster's GraphQL answers."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["data"]


def refresh(address: str) -> None:
    """Launch the job that reads the market, for this and the last calendar year, as its schedule does."""
    year = dt.datetime.now(dt.UTC).year
    tags = [{"key": key, "value": value} for key, value in zip(_RANGE, (str(year - 1), str(year)), strict=True)]
    selector = {"repositoryLocationName": "mech_exo_assets.definitions", "repositoryName": "__repository__", "jobName": "market_refresh"}
    params = {"selector": selector, "runConfigData": "{}", "mode": "default", "executionMetadata": {"tags": tags}}
    assert ask(address, _LAUNCH, p=params)["launchRun"]["__typename"] == "LaunchRunSuccess"


def living_market(folder: Path, planted: Sequence[Planted], *, sessions: int, seed: int, names: int = NAMES) -> LivingMarket:
    """A market of these factors whose last session is the last one before today."""
    today = dt.datetime.now(dt.UTC).date()
    axis = exchange_sessions(today - dt.timedelta(days=int(sessions * 1.6) + 30), today - dt.timedelta(days=1))
    first = axis[-sessions].item()
    market = simulate_planted(planted, names=names, sessions=sessions, seed=seed, first=first)
    tables = {"prices": market.prices, "universe": market.universe}
    for (name,), feature in market.features.partition_by("feature", as_dict=True).items():
        tables[f"features/{name}"] = feature.drop("feature")
    return LivingMarket(folder, tables, market.prices["date"].unique().sort().to_list())


def write_prepared_choices(path: Path) -> Path:
    """The choices of `prepared_home`: one factor of two, so that a challenger finds the better weights."""
    return write_choices(path, composite={"weights": {"planted_02": 1.0}}, live={"backdate": 40})


def write_choices(path: Path, **more: object) -> Path:
    """The choices of a small strategy; sections in `more` are put over them."""
    choices: dict[str, object] = {
        "factors": {"exclude": sorted(declared())},
        "horizons": [1, 5],
        "decay": {"min_sessions": 126, "residual": ["market"], "resamples": 99, "probation_sessions": 63},
        "walk_forward": {"train_months": 12, "test_months": 6},
        "search": {"trials": 40, "startup": 20, "holdout_months": 9, "shrinkage": [0.0, 0.5]},
        "gates": {"resamples": 199},
        "learning": {"train_months": 200},
        "live": {"backdate": 63},
        "costs": {"half_spread_bps": 1.0, "commission_bps": 0.5, "impact": 0.0},
    }
    path.write_text(yaml.safe_dump(choices | more), encoding="utf-8")
    return path
