"""What a refresh has to recompute, and the record of the last one that was completed.

What belongs here: the comparison of the source and the choices of now with those of the last completed refresh. What does not: running
it (`cli`, Dagster's schedules).

The record is written when a refresh of the whole graph has succeeded, and at no other time. A refresh that was killed leaves the record
of the one before, so that the next one computes the same years again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

import mech_exo_assets
from mech_exo_assets.errors import InputError
from mech_exo_assets.settings import Strategy
from mech_exo_assets.sources.protocol import MarketData

RECORD = "refresh.json"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What the tables of a home were computed from, as hashes.

    Attributes
    ----------
    source : str
        URI of the source.
    choices : str
        Of the strategy and of the code that computes.
    reference : str
        Of universe, fundamentals and features, whose effect is not confined to a year.
    prices : dict of str to str
        Of the prices of each calendar year.
    """

    source: str
    choices: str
    reference: str
    prices: dict[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """The years that a refresh computes.

    Attributes
    ----------
    first_year, last_year : int
        First and last year that is computed, in every table with a time axis.
    rebuild : bool
        Whether these are all years there are, so that any other year in the lake goes.
    reason : str
        Why, as a sentence.
    """

    first_year: int
    last_year: int
    rebuild: bool
    reason: str


def fingerprint(source: str, data: MarketData, strategy: Strategy) -> Fingerprint:
    """Hashes of everything that the tables depend on."""
    dates = pl.col("date").dt.year().alias("year")
    hashed = data.prices.filter(pl.col("date").dt.year() >= strategy.first_year).select(dates, pl.struct(pl.all()).hash(seed=0).alias("hash"))
    # A sum does not depend on the order of the rows, and wraps around silently in 64 bits.
    by_year = hashed.group_by("year").agg(pl.col("hash").sum(), pl.len()).sort("year")
    prices = {str(year): f"{value:016x}-{rows}" for year, value, rows in by_year.iter_rows()}
    reference = [frame.select(pl.struct(pl.all()).hash(seed=0).sum()).item() if len(frame) else 0 for frame in (data.universe, data.fundamentals, data.features)]
    choices = hashlib.sha256(strategy.model_dump_json().encode() + _code_hash()).hexdigest()
    return Fingerprint(source, choices, "-".join(map(str, reference)), prices)


def plan(now: Fingerprint, last: Fingerprint | None, *, force: bool = False) -> Plan | None:
    """The years that have to be computed so that the tables are what a computation from nothing would give; None if they are.

    A change of one year's prices moves that year and all later ones, and the forward returns at the end of the year before it.

    Raises
    ------
    InputError
        If the home holds another source's tables, or the source has no prices in the years that the strategy takes.
    """
    if not now.prices:
        raise InputError(f"{now.source}: no prices from first_year on. Lower first_year in the configuration.")
    years = sorted(int(year) for year in now.prices)
    whole = Plan(years[0], years[-1], rebuild=True, reason="")
    if last is None:
        return _because(whole, "nothing was computed here before")
    if force:
        return _because(whole, "--force was given")
    if now.choices != last.choices:
        return _because(whole, "the strategy or the code has changed")
    if now.reference != last.reference:
        return _because(whole, "universe, fundamentals or features have changed")
    gone = sorted(int(year) for year in set(last.prices) - set(now.prices))
    if gone:
        return _because(whole, f"the source has no prices of {gone[0]} any more")
    changed = [year for year in years if now.prices[str(year)] != last.prices.get(str(year))]
    if not changed:
        return None
    first = max(years[0], changed[0] - 1)
    if first == years[0]:
        return _because(whole, f"prices of {changed[0]} have changed")
    return Plan(first, years[-1], rebuild=False, reason=f"prices of {changed[0]} have changed")


def read_record(home: Path) -> Fingerprint | None:
    """What the last completed refresh of this home was computed from; None before the first.

    Raises
    ------
    InputError
        If the record cannot be read.
    """
    record = _read(home)
    return None if record is None else record[1]


def completed_at(home: Path) -> datetime | None:
    """When the last refresh of the whole graph was completed, UTC; None before the first.

    Raises
    ------
    InputError
        If the record cannot be read.
    """
    record = _read(home)
    return None if record is None else record[0]


def write_record(home: Path, done: Fingerprint, *, run_id: str) -> None:
    """Record a completed refresh, by rename, so that a reader sees this record or the one before."""
    content: Mapping[str, object] = {"completed_at": datetime.now(UTC).isoformat(), "run_id": run_id, "fingerprint": asdict(done)}
    staged = home / f".{RECORD}.building"
    staged.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    staged.replace(home / RECORD)


def _read(home: Path) -> tuple[datetime, Fingerprint] | None:
    path = home / RECORD
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return datetime.fromisoformat(record["completed_at"]), Fingerprint(**record["fingerprint"])
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not a record of a refresh ({error}). Delete it; the next run computes everything anew.") from error


def _because(whole: Plan, reason: str) -> Plan:
    return Plan(whole.first_year, whole.last_year, rebuild=True, reason=reason)


def _code_hash() -> bytes:
    """Of every module whose change can change a table."""
    root = Path(mech_exo_assets.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*root.glob("quant/**/*.py"), *root.glob("defs/*.py"), root / "schemas.py"]):
        digest.update(path.read_bytes())
    return digest.digest()


