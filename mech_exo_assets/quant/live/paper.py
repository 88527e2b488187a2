"""The paper broker: fills of the targets as a market could have given them.

What belongs here: when an order is filled, how much of it, and at which price. What does not: what it adds up to (`account`).

A target is traded `execution_lag` sessions later at the close, as the backtest does it: every name towards weight × NAV as it is then. What
is above `participation` · average daily volume, or has no price or no volume, waits for the next session. The price of a fill is
    close · (1 + side · (half spread + impact · volatility · √(notional / ADV)) + noise),    noise normal, of `noise_bps`,
and its fee the commission. Noise is a function of seed, session and symbol alone, so that the same market gives the same fills however
the sessions are cut into calls.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import ndtri

from mech_exo_assets.quant.backtest import CLOSE_AFTER
from mech_exo_assets.quant.calendar import closes
from mech_exo_assets.quant.costs import BASIS_POINT, Tariff, average_daily_volume, capacity, impact_factor
from mech_exo_assets.quant.live.account import actions, carried, located
from mech_exo_assets.quant.live.kernel import left_of
from mech_exo_assets.quant.panel import Matrix, Panel, Vector
from mech_exo_assets.schemas import FILLS
from mech_exo_assets.settings import Strategy
from mech_exo_assets.settings.judgement import Costs
from mech_exo_assets.settings.live import Live

PAPER = "paper"
_DUST = 1e-9
"""Share of NAV below which no order is given, as in the backtest."""


@dataclass(frozen=True, eq=False)
class _Venue:
    """What orders meet on each session."""

    close: Matrix
    priced: np.ndarray
    missing: np.ndarray
    capacity: Matrix
    factor: Matrix
    tariff: Tariff
    half_spread: float
    noise: float


def paper_fills(
    targets: pl.DataFrame, market: Panel, so_far: pl.DataFrame, strategy: Strategy, *, bands: Mapping[str, float]
) -> pl.DataFrame:
    """The fills so far, and those of the sessions after the last of them, in `schemas.FILLS`.

    Parameters
    ----------
    targets : DataFrame
        `schemas.LIVE_TARGETS`.
    market : Panel
        close and total_return_index; volume, split_coefficient and dividend_amount where the source has them.
    so_far : DataFrame
        `schemas.FILLS`; they stay as they are.
    strategy : Strategy
        Its sections `live` and `costs`, of which `costs` counts where `live` has null; calendar, execution_lag and seed.
    bands : mapping of str to float
        `no_trade_band` of each version: a name whose weight is nearer to its target is not traded, unless that is 0.
    """
    live, seed = strategy.live, strategy.seed
    if targets.is_empty():
        return so_far
    days = targets.group_by("date", maintain_order=True).agg("symbol", "weight", pl.col("version").first()).sort("date")
    positions = np.searchsorted(market.sessions, days["date"].to_numpy().astype("datetime64[D]")) + strategy.execution_lag
    first = int(positions[0])
    if first >= len(market.sessions):
        return so_far
    sessions, symbols = market.sessions[first:], market.symbols
    venue = _venue(market, live, strategy.costs)
    ends = closes(sessions, calendar=strategy.calendar)
    split, dividend = actions(market)
    done = located(so_far, sessions, symbols)
    last_done = int(np.searchsorted(done.starts, len(done.at))) - 1 if len(done.at) else -1
    codes = np.array([zlib.crc32(symbol.encode()) for symbol in symbols.tolist()], dtype=np.uint64)
    axis = {symbol: at for at, symbol in enumerate(symbols.tolist())}
    fresh = {int(at) - first: row for at, row in zip(positions, days.iter_rows(named=True), strict=True) if at < len(market.sessions)}
    held, cash = np.zeros(len(symbols)), live.capital
    wanted, waiting = np.zeros(len(symbols)), np.zeros(len(symbols), dtype=bool)
    order, band = "", 0.0
    rows: list[tuple[object, ...]] = []
    for t, session in enumerate(sessions):
        row = first + t
        held = held * split[row]
        cash += float(held @ dividend[row])
        if t in fresh:
            wanted = np.zeros(len(symbols))
            for symbol, weight in zip(fresh[t]["symbol"], fresh[t]["weight"], strict=True):
                if symbol in axis:
                    wanted[axis[symbol]] = weight
            waiting[:] = True
            order, band = str(fresh[t]["date"]), bands[fresh[t]["version"]]
        close = venue.close[row]
        nav = cash + float(np.nansum(held * close))
        quantity, gone = _orders(held, wanted, waiting, nav, venue, row, band=band if t in fresh else 0.0, whole=live.integer_shares)
        left = np.abs(quantity) * np.nan_to_num(close) > np.where(venue.priced[row], venue.capacity[row], 0.0)
        amounts = _filled(quantity, close, venue, row, whole=live.integer_shares)
        waiting &= left
        if t <= last_done:
            here = slice(done.starts[t], done.starts[t + 1])
            made = zip(done.at[here], done.quantity[here], done.price[here], done.fee[here], strict=True)
        else:
            made = []
            noise = venue.noise * _normal(seed, session, codes) if venue.noise else np.zeros(len(symbols))
            for at in np.flatnonzero(amounts):
                price, fee = _terms(amounts[at], close[at], venue, row, at, noise[at], free=bool(gone[at]))
                made.append((int(at), float(amounts[at]), price, fee))
                stamp = ends[t].astype("datetime64[us]").item()
                rows.append((stamp, session.item(), str(symbols[at]), float(amounts[at]), price, fee, f"{order}-{symbols[at]}", PAPER))
        for at, amount, price, fee in made:
            held[at] = left_of(held[at], amount)
            cash -= amount * price + fee
    new = pl.DataFrame(rows, schema=FILLS.dtypes(), orient="row")
    return pl.concat([so_far.select(FILLS.names), new]).sort("timestamp", "symbol")


def _venue(market: Panel, live: Live, costs: Costs) -> _Venue:
    index, known = market["total_return_index"], market["close"]
    years = market.year_starts()
    shape = known.shape
    limit, factor = np.full(shape, np.inf), np.zeros(shape)
    participation = costs.participation if live.participation is None else live.participation
    coefficient = costs.impact if live.impact is None else live.impact
    if "volume" in market:
        volume = market["volume"]
        average = average_daily_volume(volume, known, window=costs.volume_window, year_starts=years)
        limit = capacity(volume, average, participation=participation)
        factor = impact_factor(index, average, coefficient=coefficient, window=costs.volatility_window, year_starts=years)
    tariff = Tariff.of(costs)
    if live.commission_bps is not None:
        tariff = tariff._replace(commission=live.commission_bps * BASIS_POINT)
    spread = costs.half_spread_bps if live.half_spread_bps is None else live.half_spread_bps
    priced = ~np.isnan(known)
    missing = np.zeros(shape, dtype=np.int64)
    for t in range(1, len(missing)):
        missing[t] = np.where(priced[t], 0, missing[t - 1] + 1)
    return _Venue(
        carried(known, actions(market)[0]), priced, missing, limit, factor, tariff, spread * BASIS_POINT, live.noise_bps * BASIS_POINT
    )


def _orders(
    held: Vector, wanted: Vector, waiting: np.ndarray, nav: float, venue: _Venue, row: int, *, band: float, whole: bool
) -> tuple[Vector, np.ndarray]:
    """Shares to be traded of each name, before capacity; and which names have stopped trading and are closed."""
    close = venue.close[row]
    there = ~np.isnan(close)
    price = np.where(there, close, 1.0)
    shares = np.where(there, wanted * nav / price, 0.0)
    if whole:
        shares = np.trunc(shares)
    order = np.where(waiting & there, shares - held, 0.0)
    near = (np.abs(wanted - held * price / nav) < band) & (wanted != 0)
    order[near] = 0.0
    order[(np.abs(order) * price < _DUST * nav) & (wanted != 0)] = 0.0
    gone = (venue.missing[row] == CLOSE_AFTER) & (held != 0)
    order[gone] = -held[gone]
    return order, gone


def _filled(order: Vector, close: Vector, venue: _Venue, row: int, *, whole: bool) -> Vector:
    """How much of each order is filled in the session."""
    price = np.where(np.isnan(close), 1.0, close)
    most = np.where(np.isinf(venue.capacity[row]), np.inf, venue.capacity[row] / price)
    amount = np.sign(order) * np.minimum(np.abs(order), most)
    if whole:
        amount = np.where(np.abs(order) <= most, amount, np.trunc(amount))
    gone = venue.missing[row] == CLOSE_AFTER
    return np.where(venue.priced[row], amount, np.where(gone, order, 0.0))


def _terms(amount: float, close: float, venue: _Venue, row: int, at: int, noise: float, *, free: bool) -> tuple[float, float]:
    """Price and fee of a fill; a name that has stopped trading is closed at its last price, free of cost, as in the backtest."""
    if free:
        return float(close), 0.0
    notional = abs(amount) * close
    worse = venue.half_spread + venue.factor[row, at] * np.sqrt(notional)
    price = float(close * max(1 + np.sign(amount) * worse + noise, 1e-6))
    tariff = venue.tariff
    return price, float(max(tariff.minimum, tariff.commission * notional + tariff.per_share * abs(amount)))


def _normal(seed: int, session: np.datetime64, codes: np.ndarray) -> Vector:
    """A standard normal number for each symbol, by seed, session and symbol alone (SplitMix64)."""
    day = np.uint64(session.astype("datetime64[D]").astype(np.int64) & 0xFFFFFFFF)
    with np.errstate(over="ignore"):
        x = codes ^ (day << np.uint64(32)) ^ (np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15))
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return ndtri(((x >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53)
