"""A candidate of the weight search, and the space that candidates come from.

What belongs here: factor weights and opened parameters of the construction, their bounds and their names in a study. What does not: how a
candidate is judged (`objective`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.panel import Vector
from mech_exo_assets.settings.search import OPENED, Search

WEIGHT = "weight."
"""Before the name of a factor, in a study's parameters."""
CONSTRUCTION = "construction."
"""Before the name of a parameter of the construction."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Factor weights, whose absolute values add up to 1, and the opened parameters of the construction.

    Attributes
    ----------
    weights : mapping of str to float
        Every factor of the space, by name; 0 for one that is left out.
    construction : mapping of str to float
        By dotted name; empty where none is opened.
    """

    weights: Mapping[str, float]
    construction: Mapping[str, float] = field(default_factory=dict)

    def mixed(self, other: Mapping[str, float], share: float) -> Candidate | None:
        """The candidate with `share` of other weights mixed in, scaled so that absolute weights add up to 1; None where they cancel out."""
        joined = {name: (1 - share) * weight + share * other.get(name, 0.0) for name, weight in self.weights.items()}
        return Candidate(scaled(joined), self.construction) if any(joined.values()) else None

    def vector(self, factors: Iterable[str]) -> Vector:
        """Weights in the order of `factors`."""
        return np.array([self.weights.get(name, 0.0) for name in factors])

    @property
    def factor_share(self) -> float:
        """Largest absolute weight of one factor."""
        return max((abs(weight) for weight in self.weights.values()), default=0.0)


@dataclass(frozen=True, slots=True)
class Space:
    """What may be searched.

    Attributes
    ----------
    bounds : mapping of str to (float, float)
        Of each factor's weight before all are scaled, in the order of the names.
    construction : mapping of str to (float, float)
        Of each opened parameter of the construction.
    share_limits : mapping of str to float
        Largest share of each factor in the absolute weights.
    """

    bounds: Mapping[str, tuple[float, float]]
    construction: Mapping[str, tuple[float, float]]
    share_limits: Mapping[str, float]

    @classmethod
    def of(cls, factors: Iterable[str], search: Search, *, multipliers: Mapping[str, float]) -> Space:
        """The space of a search over factors.

        Parameters
        ----------
        factors : iterable of str
            Those that have scores.
        search : Search
        multipliers : mapping of str to float
            Of decayed factors, from 0 to 1: their bounds and the limit of their share are multiplied by it. 1 for those not named.

        Raises
        ------
        InputError
            If bounds are given to a factor that is not there, or no factor is left that could have a weight.
        """
        names = sorted(factors)
        unknown = sorted(set(search.bounds) - set(names))
        if unknown:
            raise InputError(f"search.bounds: no factor '{unknown[0]}' in this source's data; there are: {', '.join(names) or 'none'}.")
        largest = 1.0 if search.limits.factor_share is None else search.limits.factor_share
        bounds, limits = {}, {}
        for name in names:
            low, high = (each * multipliers.get(name, 1.0) for each in search.bounds_of(name))
            if low or high:
                bounds[name], limits[name] = (low, high), largest * multipliers.get(name, 1.0)
        if not bounds:
            decayed = ", ".join(name for name in names if multipliers.get(name, 1.0) == 0.0)
            raise InputError(
                "the weight search has no factor alive: "
                + (f"decay has switched off {decayed}. " if decayed else "no factor has scores and bounds other than 0. ")
                + "Add factors or data, raise search.high, or wait until one recovers; nothing was changed."
            )
        if sum(limits.values()) < 1.0 - 1e-12:
            raise InputError(
                f"search.limits.factor_share: {largest:g} of each of {len(bounds)} factors (less of decayed ones) adds up to "
                f"{sum(limits.values()):.3g}, and the shares of a candidate add up to 1. Raise it, or set it to null."
            )
        return cls(bounds, dict(search.construction), limits)

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the factors, in order."""
        return tuple(self.bounds)

    @property
    def equal(self) -> dict[str, float]:
        """What a choice is shrunk to: equal weights, that of a decayed factor times its multiplier, which add up to 1."""
        return scaled(self.share_limits)

    def candidate(self, parameters: Mapping[str, float]) -> Candidate | None:
        """The candidate of a study's parameters; None where all of its weights are 0."""
        weights = {name: parameters[WEIGHT + name] for name in self.bounds}
        if not any(weights.values()):
            return None
        return Candidate(scaled(weights), {name: parameters[CONSTRUCTION + name] for name in self.construction})

    def parameters(self, weights: Mapping[str, float], construction: Mapping[str, float]) -> dict[str, float]:
        """A study's parameters for given weights, as near as bounds and share limits allow.

        Only the ratios of weights matter, so they are first scaled until the largest reaches its bound; that of a decayed factor counts as
        it was before, since the others are not to become small with it. Then each is brought within its own bounds, and those above their
        share are cut to it. A factor that is not named has weight 0, and a parameter that is not named the middle of its bounds.
        """
        largest = max(self.share_limits.values())
        reach = [
            bound / weight * largest / self.share_limits[name]
            for name, (low, high) in self.bounds.items()
            if (weight := weights.get(name, 0.0)) and (bound := high if weight > 0 else low) / weight > 0
        ]
        scale = min(reach, default=0.0)
        inside = {name: float(np.clip(scale * weights.get(name, 0.0), low, high)) for name, (low, high) in self.bounds.items()}
        found = {WEIGHT + name: value for name, value in self._within_shares(inside).items()}
        for name, (low, high) in self.construction.items():
            value = float(np.clip(construction.get(name, (low + high) / 2), low, high))
            found[CONSTRUCTION + name] = round(value) if OPENED[name] is int else value
        return found

    def _within_shares(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Weights of which those above their share are cut to it, where the others are enough for that."""
        found = dict(weights)
        cut: set[str] = set()
        while total := sum(abs(weight) for weight in found.values()):
            above = {name for name, weight in found.items() if abs(weight) > self.share_limits[name] * total * (1 + 1e-9)}
            if not above or above <= cut:
                break
            cut |= above
            rest = sum(abs(weight) for name, weight in found.items() if name not in cut)
            left = 1.0 - sum(self.share_limits[name] for name in cut)
            if not rest or left <= 0:
                break
            # A hair less, so that rounding leaves them within.
            share = (1 - 1e-9) * rest / left
            found |= {name: float(np.copysign(self.share_limits[name] * share, found[name])) for name in cut}
        return {name: float(np.clip(found[name], *self.bounds[name])) for name in found}

    def share_excess(self, candidate: Candidate) -> float:
        """By how much a factor's share is above its limit, the largest of all; at most 0 where all keep theirs."""
        return max(abs(candidate.weights[name]) - limit for name, limit in self.share_limits.items())


def scaled(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights in the same ratios whose absolute values add up to 1.

    Raises
    ------
    ValueError
        If all of them are 0.
    """
    total = sum(abs(weight) for weight in weights.values())
    if not total:
        raise ValueError("weights that are all 0 cannot be scaled")
    return {name: weight / total for name, weight in weights.items()}
