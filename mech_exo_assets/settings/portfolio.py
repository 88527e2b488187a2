"""The section `construction`: from composite scores to target weights.

What belongs here: what may be chosen, and which choices contradict each other. What does not: the weights (`quant.portfolio`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from mech_exo_assets.settings.section import Section

LONG_ONLY = ("long_only", "top_n")
"""Constructions without shorts."""


class TopN(Section):
    """Hold bands of `top_n`: a name enters among the best `names`, and leaves when it falls below rank `leave` · `names`."""

    names: PositiveInt
    leave: float = Field(ge=1)
    min_holding: int = Field(ge=0, le=240)


class Kelly(Section):
    """What fractional Kelly sizing assumes."""

    fraction: float = Field(gt=0, le=1)
    information_coefficient: float = Field(gt=0, lt=1)


class Limits(Section):
    """Largest sizes, as fractions of NAV; None is no limit."""

    name: PositiveFloat | None
    sector: PositiveFloat | None
    gross: PositiveFloat | None
    net: NonNegativeFloat | None


class Construction(Section):
    """How composite scores become target weights."""

    kind: Literal["long_short", "quantile", "extension", "long_only", "top_n"]
    gross: PositiveFloat
    short: PositiveFloat
    quantile: float = Field(gt=0, le=1)
    top_n: TopN
    sizing: Literal["auto", "score", "equal", "inverse_volatility", "atr", "kelly"]
    kelly: Kelly
    volatility_target: PositiveFloat | None
    risk_window: int = Field(ge=2, le=250)
    atr_window: int = Field(ge=1, le=250)
    beta_window: int = Field(ge=2, le=500)
    neutral: tuple[Literal["beta", "sector"], ...]
    limits: Limits
    rebalance: Literal["daily", "weekly", "monthly"]
    no_trade_band: NonNegativeFloat

    @field_validator("neutral", mode="before")
    @classmethod
    def _a_list(cls, neutral: object) -> object:
        if isinstance(neutral, str):
            raise ValueError(f"a list is wanted here, e.g. [{neutral}]")  # noqa: TRY004 (pydantic turns a ValueError into its message)
        return neutral

    @property
    def net(self) -> float:
        """Sum of signed weights that the construction aims at."""
        if self.kind in LONG_ONLY:
            return self.gross
        return self.gross - 2 * self.short if self.kind == "extension" else 0.0

    @property
    def largest_weight(self) -> float:
        """What a name can be given at most before a scaling to volatility: all of its side, or its share where all are equal."""
        if self.kind == "top_n" and self.sizing in ("auto", "equal"):
            return self.gross / self.top_n.names
        if self.kind in LONG_ONLY or self.sizing == "kelly":
            return self.gross
        return self.gross - self.short if self.kind == "extension" else self.gross / 2

    @model_validator(mode="after")
    def _without_contradiction(self) -> Construction:
        said = [message for holds, message in self._contradictions() if holds]
        if said:
            raise ValueError("; ".join(said))
        return self

    def _contradictions(self) -> list[tuple[bool, str]]:
        """Whether each known contradiction holds, and what it says of itself."""
        limits = self.limits
        return [
            (
                bool(self.neutral) and self.kind not in ("long_short", "quantile"),
                (
                    f"neutral: {' and '.join(self.neutral)} asks for shorts that balance the longs, and kind: {self.kind} does not balance "
                    "them; take kind: long_short or quantile, or neutral: []"
                ),
            ),
            (
                self.kind == "quantile" and self.quantile > 0.5,
                f"kind: quantile with quantile: {self.quantile:g} would hold a name long and short at once; take at most 0.5",
            ),
            (
                self.kind == "extension" and self.gross <= 2 * self.short,
                (
                    f"kind: extension needs longs above its shorts, and gross: {self.gross:g} with short: {self.short:g} leaves longs of "
                    f"{self.gross - self.short:g}; raise gross or lower short"
                ),
            ),
            (
                self.kind == "top_n" and self.sizing == "score",
                "sizing: score with kind: top_n would give a name that is held below the mean score a negative weight; take sizing: equal",
            ),
            (
                self.sizing == "kelly" and self.volatility_target is not None,
                "sizing: kelly and volatility_target both say how large the whole portfolio is; leave one of them out",
            ),
            (
                self.sizing == "kelly" and self.kind == "extension",
                (
                    f"kind: extension says that longs are {self.gross - self.short:g} and shorts {self.short:g}, and sizing: kelly gives "
                    "each name its own weight; take another of the two"
                ),
            ),
            (
                self.sizing == "kelly" and limits.net == 0 and not self.neutral,
                (
                    "sizing: kelly does not balance longs and shorts, so that limits.net: 0 would leave nothing to hold; take "
                    "neutral: [sector], or raise limits.net"
                ),
            ),
            (
                limits.gross is not None and self.gross > limits.gross,
                f"gross: {self.gross:g} is above limits.gross: {limits.gross}; lower gross or raise the limit",
            ),
            (
                limits.net is not None and self.net > limits.net + 1e-12,
                f"the construction aims at a net weight of {self.net:g}, above limits.net: {limits.net}; raise it or take another kind",
            ),
            (
                self.kind == "top_n"
                and self.sizing != "kelly"
                and limits.name is not None
                and self.top_n.names * limits.name < self.gross - 1e-12,
                (
                    f"top_n.names: {self.top_n.names} names of at most limits.name: {limits.name} each cannot reach gross: {self.gross:g}; "
                    "raise one of the first two or lower gross"
                ),
            ),
            (
                limits.name is not None and self.no_trade_band >= limits.name,
                (
                    f"no_trade_band: {self.no_trade_band:g} is not below limits.name: {limits.name}, so that no name would ever be bought; "
                    "lower the band"
                ),
            ),
            (
                self.volatility_target is None and self.no_trade_band > self.largest_weight + 1e-12,
                (
                    f"no_trade_band: {self.no_trade_band:g} is above {self.largest_weight:g}, the largest weight that a name can be given, "
                    "so that none would ever be bought; lower the band"
                ),
            ),
        ]


def with_construction(construction: Construction, opened: Mapping[str, float]) -> Construction:
    """The construction with some of its parameters replaced, and validated anew.

    Parameters
    ----------
    construction : Construction
    opened : mapping of str to float
        By dotted name, e.g. `top_n.leave`.

    Raises
    ------
    ValueError
        If the result contradicts itself.
    """
    if not opened:
        return construction
    values = construction.model_dump()
    for name, value in opened.items():
        *sections, last = name.split(".")
        at = values
        for section in sections:
            at = at[section]
        at[last] = int(value) if isinstance(at[last], int) else value
    return Construction.model_validate(values)
