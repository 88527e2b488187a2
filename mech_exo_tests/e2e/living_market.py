"""A simulated market that goes on: a `files:` folder to which sessions are added, and the choices of a small strategy in it.

Three planted factors and no others, so that an episode takes seconds; the sessions end on the last one before today, since automation looks
at this and the last calendar year.
"""

from __future__ import annotations

import datetime as dt
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
