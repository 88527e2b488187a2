"""`files:PATH`: the user's own folder of CSV and Parquet files.

What belongs here: which files a folder may hold, and how they become one `MarketData`. What does not: reading a file (`tables`),
and the rules for its values (`validation`). `docs/data.md` describes the folder to its owner.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from mech_exo_assets import schemas
from mech_exo_assets.errors import InputError
from mech_exo_assets.sources import trading
from mech_exo_assets.sources.protocol import MarketData
from mech_exo_assets.sources.tables import ENDINGS, Layout, Table, ending, read_table, refuse, stem
from mech_exo_assets.sources.validation import (
    NUMBER_COLUMNS,
    check_feature,
    check_fundamentals,
    check_prices,
    check_universe,
    price_notes,
    universe_of,
)

TABLES = ("prices", "universe", "fundamentals", "fills", "cash")

_ENDINGS_TEXT = ", ".join(ENDINGS)
_FEATURE_NAME = re.compile(r"^[a-z][a-z0-9_]*$")
_DATED = {"date": pl.Date, "symbol": pl.String}
_LAYOUTS = {
    "prices": Layout({**_DATED, "close": pl.Float64}, {name: pl.Float64 for name in NUMBER_COLUMNS if name != "close"}),
    "universe": Layout(
        {"symbol": pl.String},
        {"name": pl.String, "sector": pl.String, "asset_class": pl.String, "listed_from": pl.Date, "listed_to": pl.Date},
    ),
    "fundamentals": Layout(_DATED, {}, rest=pl.Float64),
    "fills": trading.FILLS,
    "cash": trading.CASH,
    "feature": Layout({**_DATED, "value": pl.Float64}, {"known_at": pl.Date}),
}


class FilesSource:
    """A folder of the user's; see `mech_exo_assets.sources.protocol.Source`.

    Parameters
    ----------
    folder : Path
        Holds `prices`, and optionally `universe`, `fundamentals`, `features/`, `fills` and `cash`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().resolve()

    @property
    def uri(self) -> str:
        """`files:` and the absolute path."""
        return f"files:{self.folder}"

    def stamp(self) -> Mapping[str, str]:
        """Size and time of change of every file that `load` reads, by its path in the folder.

        Raises
        ------
        InputError
            If the folder is missing.
        """
        tables, unread = self._inventory()
        stamps = dict.fromkeys(unread, "not read")
        for parts in tables.values():
            for part in parts:
                status = part.stat()
                stamps[part.relative_to(self.folder).as_posix()] = f"{status.st_size}:{status.st_mtime_ns}"
        return stamps

    def feature_names(self) -> tuple[str, ...]:
        """Names of the tables under `features/`; none where the folder cannot be read or a name cannot be a factor's."""
        try:
            tables, _ = self._inventory()
        except InputError:
            return ()
        return tuple(name.removeprefix("features/") for name in sorted(tables) if name.startswith("features/"))

    def load(self) -> MarketData:
        """Read and validate the whole folder.

        Raises
        ------
        InputError
            If anything is missing or wrong.
        """
        tables, unread = self._inventory()
        if "prices" not in tables:
            self._refuse_without_prices(unread)
        price_table = self._read(tables["prices"], "prices")
        prices = check_prices(price_table)
        notes = [*_extra_note("prices", price_table), *price_notes(price_table)]
        if "universe" in tables:
            universe_table = self._read(tables["universe"], "universe")
            universe, universe_notes = check_universe(universe_table, prices)
            notes += [*_extra_note("universe", universe_table), *universe_notes]
        else:
            universe = universe_of(prices)
            notes.append("universe is missing: sectors are unknown, and every symbol is taken as equity.")
        fundamentals = schemas.FUNDAMENTALS.empty()
        if "fundamentals" in tables:
            fundamentals, more = check_fundamentals(self._read(tables["fundamentals"], "fundamentals"), prices)
            notes += more
        features = [schemas.FEATURES.empty()]
        for name in sorted(key for key in tables if key.startswith("features/")):
            feature_table = self._read(tables[name], "feature")
            feature, more = check_feature(feature_table, prices, name.removeprefix("features/"))
            features.append(feature)
            notes += [*_extra_note(name, feature_table), *more]
        if unread:
            notes.append(f"Not read: {', '.join(unread)}.")
        fills = cash = None
        if "fills" in tables:
            fills_table = self._read(tables["fills"], "fills")
            fills = trading.check_fills(fills_table, prices)
            notes += _extra_note("fills", fills_table)
        if "cash" in tables:
            cash_table = self._read(tables["cash"], "cash")
            cash = trading.check_cash(cash_table)
            notes += _extra_note("cash", cash_table)
        if fills is not None and cash is None:
            mend = "Add 'cash' with date and amount of the first deposit"
            refuse("fills", "were given without cash, so that the capital they were traded with is not known", mend=mend)
        traded = {name: table for name, table in (("fills", fills), ("cash", cash)) if table is not None}
        return MarketData(prices, universe, fundamentals, pl.concat(features), tuple(notes), **traded)

    def _read(self, parts: list[Path], layout: str) -> Table:
        return read_table(parts, self.folder, _LAYOUTS[layout])

    def _inventory(self) -> tuple[dict[str, list[Path]], list[str]]:
        """The parts of each table (features as "features/NAME"), and what in the folder is not read."""
        if not self.folder.exists():
            raise InputError(f"{self.folder}: the folder does not exist. Give an existing folder after 'files:'; nothing was loaded.")
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: is a file. Give the folder that holds it after 'files:'; nothing was loaded.")
        tables: dict[str, list[Path]] = {}
        unread: list[str] = []
        for path in self._entries(self.folder):
            name = stem(path)
            if name in TABLES and _may_be_table(path):
                self._add(tables, name, path, unread)
            elif path.name == "features" and path.is_dir():
                for feature in self._entries(path):
                    if _may_be_table(feature):
                        self._add(tables, f"features/{_feature_name(feature)}", feature, unread)
                    else:
                        unread.append(f"features/{feature.name}")
            else:
                unread.append(path.name + "/" * path.is_dir())
        return tables, unread

    @staticmethod
    def _entries(folder: Path) -> list[Path]:
        try:
            return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))
        except OSError as error:
            raise InputError(f"{folder}: cannot be read ({error.strerror}). Make the folder readable; nothing was loaded.") from error

    def _add(self, tables: dict[str, list[Path]], name: str, path: Path, unread: list[str]) -> None:
        shown = path.relative_to(self.folder).as_posix()
        if name in tables:
            other = tables[name][0]
            other = other if other.parent == path.parent else other.parent
            both = " and ".join(sorted(f"{entry.relative_to(self.folder).as_posix()}{'/' * entry.is_dir()}" for entry in (other, path)))
            refuse(name, f"stands twice, as {both}", mend="Keep one of them")
        parts = [path]
        if path.is_dir():
            inside = self._entries(path)
            parts = [part for part in inside if part.is_file() and ending(part)]
            unread += [part.relative_to(self.folder).as_posix() + "/" * part.is_dir() for part in inside if part not in parts]
            if not parts:
                refuse(f"{shown}/", f"holds no part that can be read ({_ENDINGS_TEXT})", mend="Add a part or delete the folder")
        tables[name] = parts

    def _refuse_without_prices(self, unread: list[str]) -> None:
        like = next((name for name in unread if name.lower().startswith("prices")), None)
        close = difflib.get_close_matches("prices.csv", unread, n=1)
        found = like or (close[0] if close else None)
        hint = f" (it has '{found}')" if found else ""
        refuse(str(self.folder), f"holds no prices{hint}", mend=f"Add 'prices' as one file or a folder of parts ({_ENDINGS_TEXT})")


def _may_be_table(path: Path) -> bool:
    return path.is_dir() or ending(path) is not None


def _feature_name(path: Path) -> str:
    name = stem(path)
    if not _FEATURE_NAME.match(name) or name in ("date", "symbol", "year"):
        refuse(
            f"features/{path.name}",
            f"'{name}' cannot be the name of a factor, which takes lower-case letters, digits and underscores, a letter first",
            mend="Rename the file",
        )
    if f"decay/{name}" in schemas.TABLES:
        refuse(
            f"features/{path.name}",
            f"'{name}' is the name of a table of the decay monitor, beside which its page stands",
            mend="Rename the file",
        )
    return name


def _extra_note(name: str, table: Table) -> list[str]:
    return [f"{name} has columns that are not read: {', '.join(name or '(no name)' for name in table.extra)}."] if table.extra else []
