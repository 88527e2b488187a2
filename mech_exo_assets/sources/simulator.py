"""`simulator:KEY=VALUE,…`: a market with known truth.

What belongs here: from the URI to `quant.simulator`, and its frames as `MarketData`. What does not: how the market is drawn.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NoReturn

from mech_exo_assets import schemas
from mech_exo_assets.errors import InputError
from mech_exo_assets.quant import simulator
from mech_exo_assets.sources.protocol import MarketData
from mech_exo_assets.sources.validation import MIN_SYMBOLS

_KINDS: dict[str, tuple[Callable[[str], Any], str]] = {
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "dt.date": (dt.date.fromisoformat, "a date, written YYYY-MM-DD"),
}

_TWO, _PLANTED = {"ic_a", "ic_b"}, {"factors", "dying", "ic", "styles", "clustering", "delistings", "gaps", "fills"}
"""Keys of the market of two characteristics, and of that of any number of planted factors."""


@dataclass(frozen=True)
class SimulatorSource:
    """A drawn market; see `mech_exo_assets.sources.protocol.Source`.

    Attributes
    ----------
    names, sessions, seed, ic_a, ic_b, first
        As in `mech_exo_assets.quant.simulator.simulate`.
    factors, dying, ic
        Where factors is above 0, as in `mech_exo_assets.quant.simulator.plant`, in place of the two of `ic_a` and `ic_b`.
    styles, clustering, delistings, gaps, fills
        Of such a market: `Risks.styles`, `Risks.clustering`, `Defects.delistings_per_year`, `Defects.gaps_per_year`; 1 for the
        fills of `Defects.fills`, a live book that breaks.
    """

    names: int = 300
    sessions: int = 2000
    seed: int = 7
    ic_a: float = 0.04
    ic_b: float = 0.02
    first: dt.date = simulator.FIRST_DATE
    factors: int = 0
    dying: int = 0
    ic: float = 0.04
    styles: int = 0
    clustering: float = 0.0
    delistings: float = 0.0
    gaps: float = 0.0
    fills: int = 0

    @classmethod
    def parse(cls, text: str) -> SimulatorSource:
        """From "names=300,seed=7"; what is not given has its default.

        Raises
        ------
        InputError
            If a key is not known or given twice, or a value is not accepted.
        """
        kinds = {field.name: str(field.type) for field in fields(cls)}
        accepted_keys = f"the keys are {', '.join(kinds)}"
        values: dict[str, Any] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals:
                _refuse(f"'{part}' is not KEY=VALUE; {accepted_keys}")
            if key not in kinds:
                close = difflib.get_close_matches(key, list(kinds), n=1)
                _refuse(f"'{key}' is not known; {f'did you mean {close[0]}? ' if close else ''}{accepted_keys}")
            if key in values:
                _refuse(f"'{key}' is given twice; {accepted_keys}")
            convert, kind = _KINDS[kinds[key]]
            try:
                values[key] = convert(value)
            except ValueError:
                _refuse(f"{key} is '{value}'; it must be {kind}")
        source = cls(**values)
        for wrong, message in (
            (source.names < MIN_SYMBOLS, f"names is {source.names}; it must be at least {MIN_SYMBOLS}"),
            (source.sessions < 2, f"sessions is {source.sessions}; it must be at least 2"),
            (source.seed < 0, f"seed is {source.seed}; it cannot be negative"),
            # Written so that NaN is wrong too.
            (
                not source.ic_a**2 + source.ic_b**2 < 0.9,
                f"ic_a is {source.ic_a} and ic_b is {source.ic_b}; their squares must sum to less than 0.9",
            ),
            (source.factors < 0, f"factors is {source.factors}; it cannot be negative"),
            (
                not 0 <= source.dying <= source.factors,
                f"dying is {source.dying}; it must be from 0 to factors, which is {source.factors}",
            ),
            (
                not (source.factors == 0 or 0 < source.ic**2 * source.factors < 0.7),
                f"ic is {source.ic}; it must be above 0, and its square times factors below 0.7",
            ),
            (source.fills not in (0, 1), f"fills is {source.fills}; it must be 0 or 1"),
            (source.styles < 0, f"styles is {source.styles}; it cannot be negative"),
            *(
                (not 0 <= value <= most, f"{key} is {value}; it must be from 0 to {most:g}")
                for key, value, most in (
                    ("clustering", source.clustering, 1.0),
                    ("delistings", source.delistings, 0.5),
                    ("gaps", source.gaps, 20.0),
                )
            ),
            *(
                (not source.factors and getattr(source, key) != 0, f"{key} is given without factors; give factors too")
                for key in ("styles", "clustering", "delistings", "gaps", "fills")
            ),
            ("ic" in values and not source.factors, "ic is given without factors; give factors too, or ic_a and ic_b"),
            *((key in values and source.factors > 0, f"{key} is given with factors; give ic") for key in sorted(_TWO)),
        ):
            if wrong:
                _refuse(message)
        return source

    @property
    def uri(self) -> str:
        """Every parameter that counts, also those that were not given."""
        return "simulator:" + ",".join(f"{key}={value}" for key, value in self._parameters().items())

    def stamp(self) -> Mapping[str, str]:
        """The parameters: nothing else can change what is drawn."""
        return {key: str(value) for key, value in self._parameters().items()}

    def feature_names(self) -> tuple[str, ...]:
        """Of the planted factors."""
        if not self.factors:
            return tuple(sorted(simulator.PERSISTENCE))
        return tuple(each.name for each in self._planted())

    def _parameters(self) -> dict[str, object]:
        other = _PLANTED if not self.factors else _TWO
        return {key: value for key, value in asdict(self).items() if key not in other}

    def _planted(self) -> list[simulator.Planted]:
        return simulator.plant(factors=self.factors, dying=self.dying, ic=self.ic, sessions=self.sessions, seed=self.seed)

    def _market(self) -> simulator.SimulatedMarket:
        if not self.factors:
            return simulator.simulate(**self._parameters())  # ty: ignore[invalid-argument-type]
        return simulator.simulate_planted(
            self._planted(),
            names=self.names,
            sessions=self.sessions,
            seed=self.seed,
            first=self.first,
            risks=simulator.Risks(styles=self.styles, clustering=self.clustering),
            defects=simulator.Defects(delistings_per_year=self.delistings, gaps_per_year=self.gaps, fills=bool(self.fills)),
        )

    def load(self) -> MarketData:
        """Draw the market.

        Raises
        ------
        InputError
            If it would reach into the future.
        """
        market = self._market()
        last = market.prices["date"][-1]
        if last > dt.datetime.now(dt.UTC).date():
            _refuse(
                f"{self.sessions} sessions from {self.first} end on {last}, which is in the future; give fewer sessions or an earlier first"
            )
        truth = market.truth.ic
        planted = ", ".join(f"{name} {ic:.4f}" for name, ic in truth.items())
        dies = ", ".join(f"{each.name} at session {each.dies}" for each in market.truth.planted.values() if each.dies is not None)
        note = f"Simulated market: expected information coefficients with the next session's return are {planted}."
        note += f" These die: {dies}." if dies else ""
        traded = {name: table for name, table in (("fills", market.fills), ("cash", market.cash)) if table is not None}
        return MarketData(market.prices, market.universe, schemas.FUNDAMENTALS.empty(), market.features, (note,), **traded)


def _refuse(what: str) -> NoReturn:
    raise InputError(f"simulator: {what}. Correct the source and run again; nothing was loaded.")
