"""A market as a `files:` folder, written so that it is there whole or not at all.

What belongs here: the layout of the folder. What does not: reading it (`files`), and how a market is drawn (`quant.simulator`).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import polars as pl

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.simulator import SimulatedMarket

TRUTH = "truth.json"


def write_market(
    market: SimulatedMarket, truth: Mapping[str, Any], folder: Path, *, form: Literal["parquet", "csv"], replace: bool = False
) -> dict[str, int]:
    """Write the tables of a market and `truth.json` into a folder.

    Parameters
    ----------
    folder : Path
        Must not exist, or be empty, unless `replace`; then the market in it goes, and nothing else is ever deleted.
    form : {"parquet", "csv"}

    Returns
    -------
    dict of str to int
        Rows of each table.

    Raises
    ------
    InputError
        If the folder is `refuse_taken`, or it cannot be written; then it is as it was.
    """
    refuse_taken(folder, replace=replace)
    # A link stays one: what it leads to is replaced.
    folder = folder.resolve()
    tables = _tables(market)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}). Give another folder with --out.") from error
    try:
        for name, table in tables.items():
            path = made / f"{name}.{form}"
            path.parent.mkdir(exist_ok=True)
            table.write_parquet(path) if form == "parquet" else table.write_csv(path)
        (made / TRUTH).write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
        made.chmod(0o755)
        _swap(made, folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}). Give another folder with --out.") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return {name: table.height for name, table in tables.items()}


def refuse_taken(folder: Path, *, replace: bool) -> None:
    """Refuse a folder that cannot be written to.

    Raises
    ------
    InputError
        If it is a file; if it holds something and `replace` is not given; if what it holds is no market of ours.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file. Give another folder with --out; nothing was written.")
    if not any(folder.iterdir()):
        return
    if not replace:
        raise InputError(f"{folder}: is not empty. Give another folder with --out, or --force to replace it; nothing was written.")
    if not (folder / TRUTH).is_file():
        raise InputError(f"{folder}: holds no {TRUTH}, so it is no simulated market. Give another folder with --out; nothing was written.")


def _swap(made: Path, folder: Path) -> None:
    """Put the new folder in the old one's place; the old one goes only after the new one is there."""
    if not folder.exists():
        made.rename(folder)
        return
    old = made.with_name(f"{made.name}.old")
    folder.rename(old)
    try:
        made.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _tables(market: SimulatedMarket) -> dict[str, pl.DataFrame]:
    tables = {"prices": market.prices, "universe": market.universe}
    for (name,), feature in market.features.partition_by("feature", as_dict=True, maintain_order=True).items():
        tables[f"features/{name}"] = feature.drop("feature")
    if market.fundamentals is not None:
        tables["fundamentals"] = market.fundamentals.pivot("item", index=["date", "symbol"], values="value")
    if market.fills is not None:
        tables["fills"] = market.fills
    if market.cash is not None:
        tables["cash"] = market.cash
    return tables
