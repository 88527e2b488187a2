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


@dataclass(frozen=True)
class SimulatorSource:
    """A drawn market; see `mech_exo_assets.sources.protocol.Source`.

    Attributes
    ----------
    names, sessions, seed, ic_a, ic_b, first
        As in `mech_exo_assets.quant.simulator.simulate`.
    """

    names: int = 300
    sessions: int = 2000
    seed: int = 7
    ic_a: float = 0.04
    ic_b: float = 0.02
    first: dt.date = simulator.FIRST_DATE

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
        ):
            if wrong:
                _refuse(message)
        return source

    @property
    def uri(self) -> str:
        """Every parameter, also those that were not given."""
        return "simulator:" + ",".join(f"{key}={value}" for key, value in asdict(self).items())

    def stamp(self) -> Mapping[str, str]:
        """The parameters: nothing else can change what is drawn."""
        return {key: str(value) for key, value in asdict(self).items()}

    def load(self) -> MarketData:
        """Draw the market.

        Raises
        ------
        InputError
            If it would reach into the future.
        """
        market = simulator.simulate(**asdict(self))
        last = market.prices["date"][-1]
        if last > dt.datetime.now(dt.UTC).date():
            _refuse(
                f"{self.sessions} sessions from {self.first} end on {last}, which is in the future; give fewer sessions or an earlier first"
            )
        truth = market.truth.ic
        planted = ", ".join(f"{name} {ic:.4f}" for name, ic in truth.items())
        note = f"Simulated market: expected information coefficients with the next session's return are {planted}."
        return MarketData(market.prices, market.universe, schemas.FUNDAMENTALS.empty(), market.features, (note,))


def _refuse(what: str) -> NoReturn:
    raise InputError(f"simulator: {what}. Correct the source and run again; nothing was loaded.")
