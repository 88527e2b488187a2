"""A small home that a weight search can run on: the tables it reads, made of random numbers, and choices that make it short.

What belongs here: what the tests of assets and of the command share. What does not: histories for the tests of `quant.weights`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from mech_exo_assets.quant.calendar import sessions
from mech_exo_assets.schemas import IC, MONITOR, PRICES, RESIDUAL_IC, SCORES, UNIVERSE
from mech_exo_assets.settings import load_strategy
from mech_exo_assets.storage.lake import CHOICES, Lake

FACTORS = ("alpha", "beta", "gamma", "noise")
STRENGTHS = (0.15, 0.08, 0.04, 0.0)
"""Correlation of each factor's score with the return of the next session but one, when it is traded."""
CHOICES_OF_TEST = {
    "horizons": [1, 5],
    "walk_forward": {"train_months": 4, "test_months": 2, "horizon": 5, "embargo": 2},
    "search": {"trials": 12, "batch": 4, "startup": 4, "holdout_months": 4},
    # All that is judged can be passed and failed: see `gate`.
    "gates": {"resamples": 99, "blocks": 4, "deflated_sharpe": 0.5, "pbo": None, "spa": None},
}


def choices(path: Path, **sections: dict[str, object]) -> Path:
    """A strategy file with `CHOICES_OF_TEST`, and sections of it changed."""
    wanted: dict[str, object] = {**CHOICES_OF_TEST}
    for name, section in sections.items():
        known = wanted.get(name, {})
        assert isinstance(known, dict)
        wanted[name] = known | section
    path.write_text(yaml.safe_dump(wanted), encoding="utf-8")
    return path


def without_drawing(patch: pytest.MonkeyPatch) -> None:
    """Leave out the drawing of pictures, which takes longer than so small a search: their figures are made, and not their pixels."""
    patch.setattr("mech_exo_assets.reports.search_figures.as_markdown", lambda _, text: f"![{text}]()")


def searchable_lake(root: Path, *, length: int = 340, names: int = 12, seed: int = 0, after: np.datetime64 | None = None) -> Lake:
    """A lake with what a search reads.

    With `after`, every price and score after that session is another one, and so are all correlations that are known only later.
    """
    rng = np.random.default_rng(seed)
    days = sessions(np.datetime64("2018-01-02"), np.datetime64("2018-01-02") + 2 * length, calendar="XNYS")[:length]
    symbols = [f"S{number:02}" for number in range(names)]
    shape = (length, names)
    scores = {name: rng.standard_normal(shape) for name in FACTORS}
    moves = rng.standard_normal(shape)
    for strength, matrix in zip(STRENGTHS, scores.values(), strict=True):
        moves[2:] += strength * matrix[:-2]
    ic = {name: strength + rng.normal(0, 0.3, length) for name, strength in zip(FACTORS, STRENGTHS, strict=True)}
    if after is not None:
        late = days > after
        other = np.random.default_rng(seed + 1)
        moves[late] = other.standard_normal((int(late.sum()), names)) * 2
        for matrix in scores.values():
            matrix[late] = other.standard_normal((int(late.sum()), names))
        # A correlation is known when its return has ended: the execution lag and the horizon later.
        unknown = days > days[np.flatnonzero(late)[0] - 1 - 6]
        for values in ic.values():
            values[unknown] = other.normal(0.5, 0.3, int(unknown.sum()))
    index = np.exp(np.cumsum(0.01 * moves, axis=0))
    close = 50 * index
    axes = {"date": np.repeat(days, names), "symbol": symbols * length}
    prices = pl.DataFrame(
        {
            **axes,
            "open": (close * 0.999).ravel(),
            "high": (close * 1.01).ravel(),
            "low": (close * 0.99).ravel(),
            "close": close.ravel(),
            "adjusted_close": close.ravel(),
            "volume": 1e6,
            "dividend_amount": 0.0,
            "split_coefficient": 1.0,
            "total_return_index": index.ravel(),
        }
    )
    correlations = pl.concat(
        [
            pl.DataFrame({"date": days, "factor": name, "horizon": horizon, "ic": values, "n": names})
            for name, values in ic.items()
            for horizon in (1, 5)
        ]
    )
    quiet = {"ic": 0.0, "z": 0.0, "delta": 0.5, "statistic": 0.0, "threshold": 5.0, "watch_threshold": 3.0, "t": 0.0, "alive": 1.0}
    monitored = pl.concat([pl.DataFrame({"date": days, "score_date": days, "factor": name, **quiet}) for name in FACTORS])
    universe = pl.DataFrame({"symbol": symbols, "name": symbols, "sector": "Energy", "asset_class": "equity"}).with_columns(
        listed_from=None, listed_to=None
    )
    lake = Lake(root)
    frames = {
        PRICES: prices,
        SCORES: pl.DataFrame({**axes, **{name: matrix.ravel() for name, matrix in scores.items()}}),
        UNIVERSE: universe,
        IC: correlations,
        RESIDUAL_IC: correlations,
        MONITOR: monitored.with_columns(status=pl.lit("healthy")),
    }
    for schema, frame in frames.items():
        dtypes = {name: dtype for name, dtype in schema.dtypes().items() if name in frame.columns}
        years = sorted(set(days.astype("datetime64[Y]").astype(int) + 1970)) if schema.time_column else None
        lake.write(schema, frame.cast(dtypes), years=years, note={CHOICES: load_strategy().model_dump_json()})
    return lake
