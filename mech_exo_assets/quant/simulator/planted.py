"""A market with any number of planted factors, which come, fade and die as stated.

What belongs here: the strength of each factor over time, interactions, style factors, clustered volatility. What does not: the law that
ranks returns by them (`market`), and what is wrong or late in the records (`records`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import polars as pl

from mech_exo_assets.quant.panel import Matrix, Vector
from mech_exo_assets.quant.simulator import market as law
from mech_exo_assets.quant.simulator.market import FIRST_DATE, SECTORS, SimulatedMarket, Truth
from mech_exo_assets.quant.simulator.records import Defects, live_book, recorded

Profile = Literal["constant", "abrupt", "exponential", "cyclical", "recovering"]
HORIZONS = (1, 5, 10, 21, 63)
_PERSISTENCES = (0.9, 0.95, 0.97, 0.98, 0.99)
_MOST = 0.9
"""Sum of squared loadings that leaves something to chance."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One planted factor.

    Attributes
    ----------
    name : str
        Of the feature.
    ic : float
        Rank correlation with the return over the next `horizon` sessions, at full strength and over many names.
    horizon : int
        In sessions.
    persistence : float
        Autoregression of the characteristic from one session to the next, from 0 to 1.
    profile : {"constant", "abrupt", "exponential", "cyclical", "recovering"}
        Strength over time: 1; 1 and from session `at` on 0; halving every `length` sessions from `at` on; (1 + cos(2 pi t / length)) / 2;
        0 for `length` sessions from `at` on.
    at, length : int
        In sessions.
    """

    name: str
    ic: float
    horizon: int = 1
    persistence: float = 0.97
    profile: Profile = "constant"
    at: int = 0
    length: int = 252

    def strength(self, sessions: int) -> Vector:
        """Share of the full IC that a score of each session has."""
        t = np.arange(sessions)
        if self.profile == "constant":
            return np.ones(sessions)
        if self.profile == "abrupt":
            return np.where(t < self.at, 1.0, 0.0)
        if self.profile == "exponential":
            return 0.5 ** (np.maximum(t - self.at, 0) / self.length)
        if self.profile == "cyclical":
            return (1 + np.cos(2 * np.pi * t / self.length)) / 2
        return np.where((t < self.at) | (t >= self.at + self.length), 1.0, 0.0)

    @property
    def ic_of_next_session(self) -> float:
        """The IC with the next session's return that gives `ic` over `horizon`, to first order: ic · √h / Σ_{j<h} persistence^j."""
        return self.ic * np.sqrt(self.horizon) / sum(self.persistence**j for j in range(self.horizon))

    @property
    def dies(self) -> int | None:
        """First session whose score has no strength any more; None where there is none."""
        return self.at if self.profile in ("abrupt", "recovering") else None

    def expected(self, horizon: int) -> float:
        """IC over another horizon at full strength, to first order."""
        return float(self.ic_of_next_session * sum(self.persistence**j for j in range(horizon)) / np.sqrt(horizon))


@dataclass(frozen=True, slots=True)
class Interaction:
    """The product of two planted characteristics, which ranks returns though it is no feature itself.

    Attributes
    ----------
    first, second : str
        Names of planted factors.
    ic : float
        Rank correlation of the product with the next session's return, roughly: the product is not normal.
    """

    first: str
    second: str
    ic: float


@dataclass(frozen=True, slots=True)
class Risks:
    """What moves returns beside the market, sectors and each name itself.

    Attributes
    ----------
    styles : int
        Style factors: constant normal exposures of names, independent returns.
    style_deviation : float
        Standard deviation of a style's return in a session, as a fraction.
    clustering : float
        Standard deviation of the logarithm of a volatility that all shocks share, an AR(1) with 0.98; 0 is none.
    """

    styles: int = 0
    style_deviation: float = 0.004
    clustering: float = 0.0


def plant(*, factors: int, dying: int, ic: float, sessions: int, seed: int) -> list[Planted]:
    """So many factors, of which some die at known sessions of the second half.

    `planted_01`, `planted_02`, … have ICs with the next session's return from 0.6 to 1.4 times `ic` in random order, persistences from 0.9
    to 0.99, and the last `dying` of them die abruptly, one after the other between 55 % and 80 % of the sessions.

    Raises
    ------
    ValueError
        If `factors` is below 1, or `dying` not from 0 to `factors`.
    """
    if factors < 1 or not 0 <= dying <= factors:
        raise ValueError(f"factors is {factors} and dying is {dying}; needs factors >= 1, and dying from 0 to factors")
    chance = np.random.default_rng([seed, 1])
    sizes = chance.permutation(np.linspace(0.6, 1.4, factors)) if factors > 1 else np.ones(factors)
    persistences = chance.choice(_PERSISTENCES, factors)
    width = max(2, len(str(factors)))
    deaths = np.round(np.linspace(0.55, 0.80, dying) * sessions).astype(int)
    planted = []
    for number in range(factors):
        late = number - (factors - dying)
        planted.append(
            Planted(
                name=f"planted_{number + 1:0{width}d}",
                ic=float(ic * sizes[number]),
                persistence=float(persistences[number]),
                profile="abrupt" if late >= 0 else "constant",
                at=int(deaths[late]) if late >= 0 else 0,
            )
        )
    return planted


def simulate_planted(
    planted: Sequence[Planted],
    *,
    names: int,
    sessions: int,
    seed: int,
    interactions: Sequence[Interaction] = (),
    first: dt.date = FIRST_DATE,
    risks: Risks | None = None,
    defects: Defects | None = None,
) -> SimulatedMarket:
    """Draw a market with these factors. The same arguments give the same market, to the last bit.

    Parameters
    ----------
    planted : sequence of Planted
        With names of their own.
    names, sessions : int
        At least 10 and 2.
    seed : int
        Not negative.
    interactions : sequence of Interaction
    first : date
        The first session is this day or the next session of New York.
    risks, defects
        None are those of the defaults: no styles, no clustering; nothing wrong and nothing late in the records.

    Raises
    ------
    ValueError
        If an argument is out of its range.
    """
    risks, defects = risks or Risks(), defects or Defects()
    _check(planted, interactions, names, sessions, seed)
    _check_world(risks, defects)
    own = [f"signal {each.name}" for each in planted]
    streams = law.streams_of(seed, "styles", "clustering", "delistings", "gaps", "late", "fundamentals", "live", *own)
    dates = law.sessions_from(first, sessions)
    sector = np.arange(names) % len(SECTORS)
    betas = np.clip(streams["betas"].normal(1.0, 0.3, names), 0.2, 2.0)
    deviations = np.exp(streams["deviations"].normal(np.log(0.015), 0.3, names))
    volatility = _volatility(streams["clustering"], sessions, risks.clustering)
    moves = law.MARKET_MEAN + law.MARKET_DEVIATION * volatility * law.fat_tailed(streams["market"], (sessions,))
    returns = moves[:, None] * betas
    returns += streams["sectors"].normal(0.0, law.SECTOR_DEVIATION, (sessions, len(SECTORS)))[:, sector] * volatility[:, None]
    if risks.styles:
        exposures = streams["styles"].standard_normal((risks.styles, names))
        returns += (streams["styles"].normal(0.0, risks.style_deviation, (sessions, risks.styles)) * volatility[:, None]) @ exposures
    returns += deviations * volatility[:, None] * law.fat_tailed(streams["names"], (sessions, names))
    signals = {
        each.name: law.autoregression(streams[f"signal {each.name}"], (sessions, names), persistence=each.persistence) for each in planted
    }
    loadings: dict[str, float | Vector] = {
        each.name: law.pearson_of(each.ic_of_next_session) * each.strength(sessions)[:-1] for each in planted
    }
    products, product_loadings = _products(interactions, signals)
    dealt = law.dealt_out(returns, signals | products, loadings | product_loadings, streams["deal"])
    symbols = law.symbols_of(names)
    prices = law.long_index(dates, symbols)
    matrices = law.prices_of(np.maximum(dealt, law.WORST_RETURN), streams)
    prices = prices.with_columns(pl.Series(name, matrix.ravel()) for name, matrix in matrices.items())
    market = SimulatedMarket(
        prices,
        law.universe_of(symbols, sector),
        law.features_of(prices.select("date", "symbol"), signals) if signals else _no_features(prices),
        Truth(
            ic={each.name: law.expected_ic(law.pearson_of(each.ic_of_next_session), names) for each in planted},
            persistence={each.name: each.persistence for each in planted},
            symbols=tuple(symbols),
            betas=betas,
            deviations=deviations,
            market_returns=moves,
            planted={each.name: each for each in planted},
            details={"interactions": [(each.first, each.second, each.ic) for each in interactions]},
        ),
    )
    market = recorded(market, defects, streams, dates)
    return live_book(market, signals[planted[0].name], defects, streams["live"], dates) if defects.fills and planted else market


def truth_as_json(market: SimulatedMarket) -> dict[str, Any]:
    """What a market of `planted` was drawn with, as `truth.json` has it; sessions are counted from 0, dates beside them."""
    dates = market.prices["date"].unique().sort()

    def date_of(session: int | None) -> str | None:
        return None if session is None or session >= len(dates) else dates[session].isoformat()

    factors = {}
    for name, each in market.truth.planted.items():
        back = each.at + each.length if each.profile == "recovering" else None
        factors[name] = {
            "profile": each.profile,
            "persistence": each.persistence,
            "half_life_of_signal": float(np.log(0.5) / np.log(each.persistence)) if 0 < each.persistence < 1 else None,
            "expected_ic": {str(horizon): each.expected(horizon) for horizon in HORIZONS},
            "dies": each.dies,
            "dies_on": date_of(each.dies),
            "returns": back,
            "returns_on": date_of(back),
            "half_life": each.length if each.profile == "exponential" else None,
            "fades_from": date_of(each.at) if each.profile == "exponential" else None,
            "period": each.length if each.profile == "cyclical" else None,
        }
    return {
        "sessions": len(dates),
        "names": len(market.truth.symbols),
        "first_date": dates[0].isoformat(),
        "last_date": dates[-1].isoformat(),
        "factors": factors,
        **market.truth.details,
    }


def _check(planted: Sequence[Planted], interactions: Sequence[Interaction], names: int, sessions: int, seed: int) -> None:
    if names < 10 or sessions < 2 or seed < 0:
        raise ValueError("needs names >= 10, sessions >= 2 and seed >= 0")
    known = [each.name for each in planted]
    if len(set(known)) < len(known):
        raise ValueError("two planted factors have the same name")
    for each in planted:
        if not 0 <= each.persistence < 1 or each.horizon < 1 or each.length < 1 or each.at < 0:
            raise ValueError(f"{each.name}: needs persistence from 0 to below 1, horizon and length >= 1, at >= 0")
        if each.profile not in get_args(Profile):
            raise ValueError(f"{each.name}: profile is '{each.profile}'; it must be one of {', '.join(get_args(Profile))}")
    if missing := {name for each in interactions for name in (each.first, each.second)} - set(known):
        raise ValueError(f"interaction: no planted factor {min(missing)}")
    if len({frozenset((each.first, each.second)) for each in interactions if each.first != each.second}) < len(interactions):
        raise ValueError("interaction: needs two different factors, and each pair once")
    total = sum(each.ic_of_next_session**2 for each in planted) + sum(each.ic**2 for each in interactions)
    if not total < _MOST:
        raise ValueError(f"the squares of all ICs with the next session sum to {total:.2f}; they must stay below {_MOST}")


def _check_world(risks: Risks, defects: Defects) -> None:
    from mech_exo_assets.quant.returns import SESSIONS_PER_YEAR

    for name, value, most in (
        ("styles", risks.styles, np.inf),
        ("style_deviation", risks.style_deviation, np.inf),
        ("clustering", risks.clustering, np.inf),
        ("delistings_per_year", defects.delistings_per_year, np.inf),
        ("late_listings", defects.late_listings, 1),
        ("gaps_per_year", defects.gaps_per_year, SESSIONS_PER_YEAR),
        ("feature_delay", defects.feature_delay, np.inf),
        ("half_spread_bps", defects.half_spread_bps, 10_000),
        ("broken_half_spread_bps", defects.broken_half_spread_bps, 10_000),
    ):
        # Written so that NaN is wrong too.
        if not 0 <= value <= most:
            raise ValueError(f"{name} is {value}; it must be {'at least 0' if most == np.inf else f'from 0 to {most:g}'}")


def _volatility(stream: np.random.Generator, sessions: int, clustering: float) -> Vector:
    """A volatility with mean square 1 whose logarithm is an AR(1)."""
    level = law.autoregression(stream, (sessions, 1), persistence=0.98)[:, 0]
    return np.exp(clustering * level - clustering**2)


def _products(interactions: Sequence[Interaction], signals: Mapping[str, Matrix]) -> tuple[dict[str, Matrix], dict[str, float | Vector]]:
    products = {f"{each.first} x {each.second}": signals[each.first] * signals[each.second] for each in interactions}
    return products, {f"{each.first} x {each.second}": law.pearson_of(each.ic) for each in interactions}


def _no_features(prices: pl.DataFrame) -> pl.DataFrame:
    return prices.select(
        "date", "symbol", pl.lit("").alias("feature"), pl.lit(0.0).alias("value"), pl.col("date").alias("known_at")
    ).clear()
