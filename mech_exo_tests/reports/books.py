"""A backtest's tables in small, made of random walks and consistent with each other, for tests and pictures of the reports."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from mech_exo_assets.quant.performance import performance_table
from mech_exo_assets.schemas import TABLES
from mech_exo_assets.settings import load_strategy
from mech_exo_assets.storage.lake import CHOICES, Lake

FACTORS = ("momentum_12_1", "short_term_reversal", "low_volatility", "amihud", "earnings_yield")
SECTORS = ("Energy", "Technology", "Health Care", "Utilities")


def book(sessions: int = 900, *, seed: int = 1, first: str = "2015-01-02", symbols: int = 12) -> dict[str, pl.DataFrame]:
    """All tables of the group `strategy` that a report reads, by key."""
    rng = np.random.default_rng(seed)
    dates = np.busday_offset(first, np.arange(sessions), roll="forward")
    backtest = _backtest(rng, dates)
    tables = {"strategy/backtest": backtest}
    net, gross, benchmark = (backtest[name].to_numpy() for name in ("net_return", "gross_return", "benchmark_return"))
    tables["strategy/performance"] = performance_table(net, gross, benchmark, dates)
    tables["strategy/contributions"] = _contributions(rng, backtest, symbols)
    tables["strategy/positions"] = _positions(rng, backtest, symbols)
    tables["strategy/trades"] = _trades(tables["strategy/positions"])
    tables |= _walk_forward(rng, dates)
    return {key: _typed(key, frame) for key, frame in tables.items()}


def lake_with(root: Path, tables: Mapping[str, pl.DataFrame], *, config: Path | None = None) -> Lake:
    """A lake that holds these tables, computed with the default choices or those of a file."""
    lake = Lake(root)
    for key, frame in tables.items():
        schema = TABLES[key]
        years = None if schema.time_column is None else sorted(set(frame[schema.time_column].dt.year()))
        lake.write(schema, frame, years=years, note={CHOICES: load_strategy(config).model_dump_json()})
    return lake


def _typed(key: str, frame: pl.DataFrame) -> pl.DataFrame:
    schema = TABLES[key]
    return frame.select(schema.names).cast(schema.dtypes())


def _backtest(rng: np.random.Generator, dates: np.ndarray) -> pl.DataFrame:
    n = len(dates)
    benchmark = rng.standard_t(5, n) * 0.008 + 0.0004
    turnover = 0.05 + 0.05 * rng.random(n)
    commission, spread = turnover * 1e-4, turnover * 4e-4
    impact, borrow = turnover * 2e-4 * rng.random(n), np.full(n, 0.5 * 30e-4 / 252)
    cost = commission + spread + impact + borrow
    gross = 0.25 * benchmark + rng.standard_t(5, n) * 0.003 + 0.0003
    nav = 1e6 * np.cumprod(1 + gross - cost)
    return pl.DataFrame(
        {
            "date": dates,
            "gross_return": gross,
            "net_return": gross - cost,
            "cost": cost,
            "turnover": turnover,
            "exposure": 1 + 0.02 * rng.standard_normal(n),
            "nav": nav,
            "net_exposure": 0.01 * rng.standard_normal(n),
            "commission": commission,
            "spread": spread,
            "impact": impact,
            "borrow": borrow,
            "interest": np.zeros(n),
            "cash": nav,
            "flow": np.zeros(n),
            "names": np.full(n, 12),
            "benchmark_return": benchmark,
        }
    )


def _contributions(rng: np.random.Generator, backtest: pl.DataFrame, symbols: int) -> pl.DataFrame:
    """Members of each dimension get random shares of the month's gross return, which add up to it."""
    months = backtest.group_by(pl.col("date").dt.truncate("1mo")).agg(pl.col("date").max().alias("last"), pl.col("gross_return").sum())
    members = {
        "factor": (*FACTORS, "other"),
        "sector": SECTORS,
        "side": ("long", "short", "cash"),
        "name": tuple(f"S{i:02d}" for i in range(symbols)),
    }
    rows = []
    for last, total in months.sort("last").select("last", "gross_return").iter_rows():
        for dimension, names in members.items():
            noise = rng.normal(0.0005, 0.004, len(names))
            noise += (total - noise.sum()) / len(names)
            rows += [(last, dimension, name, value) for name, value in zip(names, noise, strict=True)]
    return pl.DataFrame(rows, schema=["date", "dimension", "member", "contribution"], orient="row")


def _positions(rng: np.random.Generator, backtest: pl.DataFrame, symbols: int) -> pl.DataFrame:
    """Of the last 30 sessions."""
    frames = []
    for date, nav in backtest.tail(30).select("date", "nav").iter_rows():
        weight = rng.normal(0, 1, symbols)
        weight -= weight.mean()
        weight /= np.abs(weight).sum()
        price = np.linspace(20, 300, symbols)
        names = [f"S{i:02d}" for i in range(symbols)]
        frames.append(
            pl.DataFrame(
                {"symbol": names, "quantity": weight * nav / price, "price": price, "value": weight * nav, "weight": weight, "profit": 0.0}
            ).with_columns(date=pl.lit(date))
        )
    return pl.concat(frames)


def _trades(positions: pl.DataFrame) -> pl.DataFrame:
    notional = pl.col("notional")
    return (
        positions.sort("symbol", "date")
        .with_columns(quantity=pl.col("quantity").diff().over("symbol"))
        .drop_nulls("quantity")
        .with_columns(
            notional=(pl.col("quantity") * pl.col("price")).abs(),
            side=pl.when(pl.col("quantity") > 0).then(pl.lit("buy")).otherwise(pl.lit("sell")),
        )
        .with_columns(commission=notional * 1e-4, spread=notional * 4e-4, impact=notional * 1e-4, reason=pl.lit("target"))
    )


def _walk_forward(rng: np.random.Generator, dates: np.ndarray) -> dict[str, pl.DataFrame]:
    """Windows of 252 sessions of training and 126 of test; as many as fit."""
    days, windows, weights = [], [], []
    for number, start in enumerate(range(252, len(dates) - 125, 126), 1):
        test = dates[start : start + 126]
        for fit in ("configured", "mean_ic"):
            gross = rng.normal(0.0003, 0.006, len(test))
            days.append(
                pl.DataFrame({"date": test, "gross_return": gross, "net_return": gross - 0.0001}).with_columns(
                    fit=pl.lit(fit), window=number, cost=0.0001, turnover=0.2, exposure=1.0
                )
            )
            net = gross - 0.0001
            wealth = np.cumprod(1 + net)
            windows.append(
                {
                    "window": number,
                    "fit": fit,
                    "train_from": dates[start - 252].item(),
                    "train_to": dates[start - 6].item(),
                    "test_from": test[0].item(),
                    "test_to": test[-1].item(),
                    "train_sessions": 247,
                    "test_sessions": len(test),
                    "train_sharpe": float(rng.normal(1, 0.5)),
                    "sharpe": float(net.mean() / net.std(ddof=1) * 252**0.5),
                    "sharpe_error": float((252 / len(test)) ** 0.5),
                    "total_return": float(wealth[-1] - 1),
                    "volatility": float(net.std(ddof=1) * 252**0.5),
                    "max_drawdown": float((wealth / np.maximum.accumulate(np.maximum(wealth, 1)) - 1).min()),
                    "turnover": 0.2,
                }
            )
            share = np.full(len(FACTORS), 1.0) if fit == "configured" else rng.normal(0, 1, len(FACTORS))
            share /= np.abs(share).sum()
            weights += [{"window": number, "fit": fit, "factor": name, "weight": value} for name, value in zip(FACTORS, share, strict=True)]
    empty = {key: TABLES[f"strategy/{key}"].empty() for key in ("walk_forward", "walk_forward_windows", "walk_forward_weights")}
    if not days:
        return {f"strategy/{key}": frame for key, frame in empty.items()}
    made = {"walk_forward": pl.concat(days), "walk_forward_windows": pl.DataFrame(windows), "walk_forward_weights": pl.DataFrame(weights)}
    return {f"strategy/{key}": frame for key, frame in made.items()}


TITLE = "Backtest of the strategy"
WRITTEN = dt.datetime(2026, 11, 22, 21, 30, tzinfo=dt.UTC)
