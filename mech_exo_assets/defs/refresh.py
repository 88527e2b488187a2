"""What a refresh has to recompute, and the record of the last one that was completed.

What belongs here: the comparison of the source and the choices of now with those of the last completed refresh. What does not: running
it (`cli`, Dagster's schedules).

A year counts as done in the record only between the end of a complete refresh and the beginning of the next run that writes it. So a run
that was killed, that failed, or that computed some tables only, leaves years that the next refresh computes again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

import mech_exo_assets
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.settings import Strategy
from mech_exo_assets.sources.protocol import MarketData

RECORD = "refresh.json"
_NOT_OF_A_REFRESH: dict[str, Any] = {
    "search": True,
    "gates": True,
    "lifecycle": True,
    "learning": {
        *("train_months", "refit_months", "window", "embargo", "sample", "validation"),
        *("objective", "rounds", "patience", "threads", "ensemble", "tuning"),
    },
}
"""Choices that only a search of weights, or a training of models, depends on."""
NOT_DONE = "not done"
"""In place of a year's hash: a run has begun to write this year, and no complete refresh has ended since."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What the tables of a home were computed from, as hashes.

    Attributes
    ----------
    source : str
        URI of the source.
    choices : str
        Of the strategy.
    universe : str
        Of the universe, which has no time.
    years : dict of str to str
        Of what became known in each calendar year: prices, fundamentals, features.
    code : str
        Of the code that computes.
    lake : str
        Root of the tables, as it is; empty where it is the home's own.
    """

    source: str
    choices: str
    universe: str
    years: dict[str, str]
    code: str = ""
    lake: str = ""


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


def fingerprint(source: str, data: MarketData, strategy: Strategy, *, lake: str = "") -> Fingerprint:
    """Hashes of everything that the tables depend on, and where they are.

    Raises
    ------
    InputError
        If the source has no prices in the years that the strategy takes.
    """
    if data.prices.filter(pl.col("date").dt.year() >= strategy.first_year).is_empty():
        raise InputError(f"{source}: no prices from {strategy.first_year} on. Lower first_year in the configuration; nothing was changed.")
    by_year: dict[str, list[str]] = {}
    dated = [(data.prices, "date"), (data.fundamentals, "date"), (data.features, "known_at")]
    dated += [(frame, known) for frame, known in ((data.fills, "timestamp"), (data.cash, "date")) if frame.height]
    for frame, known in dated:
        year = pl.col(known).dt.year().clip(lower_bound=strategy.first_year)
        # A sum does not depend on the order of the rows; it wraps around in 64 bits.
        sums = frame.select(year.alias("year"), _row_hash()).group_by("year").agg(pl.col("hash").sum(), pl.len())
        for each, value, rows in sums.iter_rows():
            by_year.setdefault(str(each), []).append(f"{known}:{value:016x}:{rows}")
    universe = data.universe.select(_row_hash()).sum().item()
    years = {year: " ".join(parts) for year, parts in sorted(by_year.items())}
    return Fingerprint(source, choices_hash(strategy), f"{universe:016x}", years, code_hash(), lake)


def choices_hash(strategy: Strategy) -> str:
    """What a strategy is known by in a record: the choices that a refresh depends on, and not those of search and training."""
    return hashlib.sha256(strategy.model_dump_json(exclude=_NOT_OF_A_REFRESH).encode()).hexdigest()


def plan(now: Fingerprint, last: Fingerprint | None, *, because: str | None = None) -> Plan | None:
    """The years that have to be computed so that the tables are what a computation from nothing would give; None if they are.

    What became known in a year moves that year and all later ones, and the forward returns at the end of the year before it.

    Parameters
    ----------
    now, last : Fingerprint
        Of the source and choices of now, and of the last completed refresh.
    because : str, optional
        Why all years are to be computed even when nothing has changed.
    """
    years = sorted(int(year) for year in now.years)
    reason = _reason_to_rebuild(now, last) or because
    if last is None or reason is not None:
        return Plan(years[0], years[-1], rebuild=True, reason=reason or "")
    changed = [year for year in years if now.years[str(year)] != last.years.get(str(year))]
    if not changed:
        return None
    first = max(years[0], changed[0] - 1)
    interrupted = last.years.get(str(changed[0])) == NOT_DONE
    reason = "the run before was not completed" if interrupted else f"the source's data of {changed[0]} have changed"
    return Plan(first, years[-1], rebuild=first == years[0], reason=reason)


def _reason_to_rebuild(now: Fingerprint, last: Fingerprint | None) -> str | None:
    """Why all years have to be computed; None where they have not."""
    if last is None:
        return "nothing was computed here before"
    gone = sorted(set(last.years) - set(now.years))
    reasons = {
        f"the source was {last.source} before": now.source != last.source,
        f"the tables were in {last.lake or 'the home'} before": now.lake != last.lake,
        "the strategy has changed": now.choices != last.choices,
        "the code has changed": now.code != last.code,
        "the universe has changed": now.universe != last.universe,
        f"the source has nothing of {min(gone, default='')} any more": bool(gone),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


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
    """When the last refresh of the whole graph was completed, UTC; None before the first, and when a run has begun since and not completed.

    Raises
    ------
    InputError
        If the record cannot be read.
    """
    record = _read(home)
    return None if record is None else record[0]


def begin(home: Path, last: Fingerprint | None, todo: Plan) -> None:
    """Record that the years of a plan are about to be written, and are not done until `write_record`."""
    if last is not None:
        years = {year: NOT_DONE if int(year) >= todo.first_year else value for year, value in last.years.items()}
        _write(home, {"completed_at": None, "run_id": None, "fingerprint": asdict(replace(last, years=years))})


def write_record(home: Path, done: Fingerprint, *, run_id: str) -> None:
    """Record a completed refresh."""
    _write(home, {"completed_at": datetime.now(UTC).isoformat(), "run_id": run_id, "fingerprint": asdict(done)})


def unsettled(record: bytes) -> bytes:
    """A record's content, made one in which no year is done: of a copy of a home that was written to while it was copied."""
    content = json.loads(record)
    content["fingerprint"]["years"] = dict.fromkeys(content["fingerprint"]["years"], NOT_DONE)
    return json.dumps({**content, "completed_at": None, "run_id": None}, indent=1).encode() + b"\n"


def _write(home: Path, content: Mapping[str, object]) -> None:
    """By rename, so that a reader sees this record or the one before."""
    staged = home / f".{RECORD}.building"
    try:
        staged.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        staged.replace(home / RECORD)
    except OSError as error:
        raise MechExoError(
            f"{home / RECORD}: the record of what is computed cannot be written ({error.strerror}). Make room on the disk, or make it "
            "writable; then run again."
        ) from error


def _row_hash() -> pl.Expr:
    return pl.struct(pl.all()).hash(seed=0).alias("hash")


def _read(home: Path) -> tuple[datetime | None, Fingerprint] | None:
    path = home / RECORD
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        completed = record["completed_at"]
        return None if completed is None else datetime.fromisoformat(completed), Fingerprint(**record["fingerprint"])
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not a record of a refresh ({error}). Delete it; the next run computes everything anew.") from error


def code_hash() -> str:
    """Of every module whose change can change a table."""
    root = Path(mech_exo_assets.__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*root.glob("quant/**/*.py"), *root.glob("defs/*.py"), *root.glob("schemas/*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
