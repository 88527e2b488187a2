"""What is missing, wrong or late in a market's records, and what a live book did in it.

What belongs here: delistings, late listings, gaps, late features and fundamentals, fills. What does not: the returns (`market`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from mech_exo_assets.quant.panel import Dates, Matrix, Panel
from mech_exo_assets.quant.simulator.market import SimulatedMarket

ITEMS = ("earnings_yield", "book_to_price")
_QUARTER, _REPORT_DELAY = 63, 40
_NAMES_A_SIDE, _CAPITAL, _FEE = 0.1, 1_000_000.0, 0.005


@dataclass(frozen=True, slots=True)
class Defects:
    """What is not as it should be.

    Attributes
    ----------
    delistings_per_year : float
        Share of names whose prices end, a year.
    late_listings : float
        Share of names whose prices begin only later, within the first half.
    gaps_per_year : float
        Missing sessions of a name, a year.
    feature_delay : int
        Sessions after its date on which a feature becomes known.
    fundamentals : bool
        Whether there are fundamentals: quarterly figures, which become known 40 sessions after their quarter.
    fills : bool
        Whether there is a live book that trades the first planted factor over the last half.
    half_spread_bps, broken_half_spread_bps : float
        Costs of its fills, before and after the break at three quarters of the sessions; after it, it also trades names by chance.
    """

    delistings_per_year: float = 0.0
    late_listings: float = 0.0
    gaps_per_year: float = 0.0
    feature_delay: int = 0
    fundamentals: bool = False
    fills: bool = False
    half_spread_bps: float = 5.0
    broken_half_spread_bps: float = 25.0


def recorded(market: SimulatedMarket, defects: Defects, streams: Mapping[str, np.random.Generator], dates: Dates) -> SimulatedMarket:
    """The market as its records have it."""
    from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR

    symbols = list(market.truth.symbols)
    n, sessions = len(symbols), len(dates)
    starts, ends = np.zeros(n, np.int64), np.full(n, sessions, np.int64)
    late = streams["delistings"].random(n) < defects.late_listings
    starts[late] = streams["delistings"].integers(1, max(sessions // 2, 2), int(late.sum()))
    life = streams["delistings"].exponential(1.0, n) * SESSIONS_PER_YEAR / max(defects.delistings_per_year, 1e-12)
    ends = np.where(starts + life < sessions, starts + np.maximum(life, 2.0), ends).astype(np.int64)
    if not (defects.delistings_per_year or defects.late_listings or defects.gaps_per_year):
        there = None
    else:
        t = np.arange(sessions)[:, None]
        there = (t >= starts) & (t < ends)
        there &= streams["gaps"].random((sessions, n)) >= defects.gaps_per_year / SESSIONS_PER_YEAR
    prices = market.prices if there is None else market.prices.filter(pl.Series(there.ravel()))
    listed = pl.DataFrame(
        {
            "listed_from": pl.Series([dates[start].astype(object) if start else None for start in starts], dtype=pl.Date),
            "listed_to": pl.Series([dates[end - 1].astype(object) if end < sessions else None for end in ends], dtype=pl.Date),
        }
    )
    details = dict(market.truth.details) | {
        "delistings": {symbols[i]: str(dates[ends[i] - 1]) for i in np.flatnonzero(ends < sessions)},
        "late_listings": {symbols[i]: str(dates[starts[i]]) for i in np.flatnonzero(starts)},
        "missing_rows": market.prices.height - prices.height,
    }
    return replace(
        market,
        prices=prices,
        universe=market.universe.with_columns(listed["listed_from"], listed["listed_to"]),
        features=_delayed(market.features, dates, defects.feature_delay),
        fundamentals=_fundamentals(symbols, dates, streams["fundamentals"]) if defects.fundamentals else None,
        truth=replace(market.truth, details=details),
    )


def live_book(market: SimulatedMarket, signal: Matrix, defects: Defects, stream: np.random.Generator, dates: Dates) -> SimulatedMarket:
    """The market with the fills of a book that is long the best tenth of names by a signal, and short the worst, and trades each week.

    It begins at half of the sessions with a deposit, trades one session after the signal at the close, worse by the half spread, and pays
    a fee for each share. At three quarters of them it breaks: from then on names are chosen by chance, at a wider spread.
    """
    symbols = np.array(market.truth.symbols, dtype=np.str_)
    closes = Panel.from_frame(market.prices, ["close"], sessions=dates, symbols=symbols)["close"]
    sessions, names = closes.shape
    begins, breaks = sessions // 2, 3 * sessions // 4
    side = max(1, int(_NAMES_A_SIDE * names))
    held = np.zeros(names)
    rows = []
    for t in range(begins, sessions - 1, 5):
        scores = signal[t] if t < breaks else stream.standard_normal(names)
        # What has no price is not traded, and stays as it is.
        priced = np.flatnonzero(~np.isnan(closes[t + 1]))
        order = priced[np.argsort(scores[priced])]
        wanted = np.where(np.isnan(closes[t + 1]), held, 0.0)
        for chosen, sign in ((order[-side:], 1.0), (order[:side], -1.0)):
            wanted[chosen] = sign * np.floor(_CAPITAL / 2 / side / closes[t + 1, chosen])
        bps = defects.half_spread_bps if t < breaks else defects.broken_half_spread_bps
        for i in np.flatnonzero(wanted != held):
            quantity = wanted[i] - held[i]
            price = closes[t + 1, i] * (1 + np.sign(quantity) * bps / 10_000)
            rows.append((dates[t + 1].astype(object), market.truth.symbols[i], quantity, price, abs(quantity) * _FEE, f"{t + 1}-{i}"))
        held = wanted
    names_of = ["date", "symbol", "quantity", "price", "fee", "order_id"]
    # 16:00 in New York, to the hour, without saving time.
    fills = pl.DataFrame(rows, schema=names_of, orient="row").select(
        (pl.col("date").cast(pl.Datetime("us")) + pl.duration(hours=21)).alias("timestamp"), *names_of[1:]
    )
    details = dict(market.truth.details) | {
        "live": {
            "begins": str(dates[begins]),
            "breaks": str(dates[breaks]),
            "breaks_at": breaks,
            "half_spread_bps": defects.half_spread_bps,
            "half_spread_bps_after_break": defects.broken_half_spread_bps,
            "fee_per_share": _FEE,
            "signal": next(iter(market.truth.planted)),
        }
    }
    cash = pl.DataFrame({"date": [dates[begins].astype(object)], "amount": [_CAPITAL]})
    return replace(market, fills=fills, cash=cash, truth=replace(market.truth, details=details))


def _delayed(features: pl.DataFrame, dates: Dates, delay: int) -> pl.DataFrame:
    if not delay:
        return features
    later = dates[np.minimum(np.arange(len(dates)) + delay, len(dates) - 1)]
    known = pl.DataFrame({"date": pl.Series(dates.astype("datetime64[D]")).cast(pl.Date), "later": pl.Series(later).cast(pl.Date)})
    # What would become known after the last session is not known.
    known = known.head(max(len(dates) - delay, 0))
    return features.drop("known_at").join(known, on="date", how="inner", maintain_order="left").rename({"later": "known_at"})


def _fundamentals(symbols: list[str], dates: Dates, stream: np.random.Generator) -> pl.DataFrame:
    """Figures without a premium, on the day on which they became known."""
    quarters = np.arange(_QUARTER, len(dates) - _REPORT_DELAY, _QUARTER)
    parts = []
    for item in ITEMS:
        levels = 0.05 + 0.02 * np.cumsum(stream.standard_normal((len(quarters), len(symbols))) * 0.2, axis=0)
        known = pl.Series(np.repeat(dates[quarters + _REPORT_DELAY], len(symbols)).astype("datetime64[D]")).cast(pl.Date)
        parts.append(
            pl.DataFrame({"date": known, "symbol": symbols * len(quarters), "item": [item] * levels.size, "value": levels.ravel()})
        )
    return pl.concat(parts).sort("date", "symbol", "item")
