"""A small market as a `files:` folder, and the command run on it as a user runs it."""

import subprocess
import sys
from pathlib import Path

import polars as pl

from mech_exo_assets.quant.simulator import simulate
from mech_exo_assets.storage.lake import Lake

NAMES = 22
SESSIONS = 1100


def small_market() -> dict[str, pl.DataFrame]:
    """Prices, universe and the planted features of twenty-two names over more than four years.

    They are called one of two sectors each, so that both have the ten names that an information coefficient wants.
    """
    market = simulate(names=NAMES, sessions=SESSIONS, seed=3)
    sectors = pl.Series([("Energy", "Financials")[i % 2] for i in range(NAMES)])
    tables = {"prices": market.prices, "universe": market.universe.with_columns(sectors.alias("sector"))}
    for (name,), feature in market.features.partition_by("feature", as_dict=True).items():
        tables[f"features/{name}"] = feature.drop("feature")
    return tables


def write_folder(folder: Path, tables: dict[str, pl.DataFrame]) -> str:
    """Write the tables as a `files:` folder, and return its URI."""
    for name, table in tables.items():
        target = folder / f"{name}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        table.write_parquet(target)
    return f"files:{folder}"


def mech_exo(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    words = [str(argument) for argument in arguments]
    return subprocess.run([sys.executable, "-m", "mech_exo_assets.cli", *words], capture_output=True, text=True, timeout=900, check=False)


def lake_tables(home: Path, *, decided: bool = False) -> dict[str, pl.DataFrame]:
    """Every table of a home, in the order of its unique columns.

    Those of the groups live and lifecycle only with `decided`: what was decided depends on when, and not on the market alone.
    """
    from mech_exo_assets.schemas import TABLES

    lake = Lake(home / "lake")
    wanted = [key for key in lake.tables() if decided or not key.startswith(("live/", "lifecycle/"))]
    return {key: lake.read(key).sort(*TABLES[key].unique) for key in wanted}


def assert_same_tables(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> None:
    """Equal to the last bit, with the same columns in any order."""
    assert one.keys() == other.keys()
    for key, table in one.items():
        assert sorted(table.columns) == sorted(other[key].columns), key
        assert table.equals(other[key].select(table.columns), null_equal=True), f"{key} differs"
