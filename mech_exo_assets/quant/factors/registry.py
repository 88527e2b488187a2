"""Which factors there are, which of them a source's data allow, and their exposures on a panel.

What belongs here: finding and running factors. What does not: a factor; how exposures become scores (`scoring`).
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType

import numpy as np
from numba import njit

from mech_exo_assets.errors import InputError
from mech_exo_assets.quant.factor_names import ML_ALPHA
from mech_exo_assets.quant.factors.declaration import Factor
from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.factors.known import FEATURE_CARRY_SESSIONS, FEATURE_PREFIX
from mech_exo_assets.quant.factors.threads import in_threads, n_threads, once
from mech_exo_assets.quant.panel import Matrix, Panel
from mech_exo_assets.quant.returns import market_return, simple_returns
from mech_exo_assets.quant.rolling.blocks import TILE, prepared

# Numbers in an intermediate matrix (2.6 MB): as many symbols are worked on at a time, so that intermediates stay near the core, and in
# memory that the next ones use again.
_NUMBERS_AT_A_TIME = 2560 * TILE
# glibc gives a freed block back to the system, and pays for fresh pages at the next one, unless it has seen a block of this size (32 MB, as
# numbers of 8 bytes) come and go. It is never touched, and costs nothing.
_KEPT_BY_MALLOC = 4_000_000
_SHORT_LOOKBACK = 300
"""Sessions; most factors look back over a year at most."""


@cache
def registry() -> Mapping[str, Factor]:
    """All factors by name, as found in the modules of this package; ordered by name.

    A function that is decorated with `factor` in any module of `quant/factors` is here; nothing else has to be touched.

    Raises
    ------
    ValueError
        If two functions have the same name.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(_folders(), f"{__package__}."))
    return MappingProxyType(_from_modules(importlib.import_module(name) for name in names))


def _folders() -> list[str]:
    return [str(Path(__file__).parent)]


def _from_modules(modules: Iterable[ModuleType]) -> dict[str, Factor]:
    found: dict[str, Factor] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, Factor) and found.setdefault(value.name, value) is not value:
                raise ValueError(f"{module.__name__}: there are two factors with the name '{value.name}'; rename one")
    return dict(sorted(found.items()))


def longest_lookback() -> int:
    """Sessions of history before a year with which every factor of that year is final."""
    return max((factor.lookback for factor in registry().values()), default=0)


def feature_factor(name: str) -> Factor:
    """The factor whose exposure is the value of the user's feature `name` itself."""

    def exposure(panel: FactorPanel) -> Matrix:
        return panel[FEATURE_PREFIX + name]

    return Factor(
        name=name,
        family="feature",
        inputs=(FEATURE_PREFIX + name,),
        lookback=0,
        orientation=1,
        meaning=f"The user's feature '{name}', as last known, for at most {FEATURE_CARRY_SESSIONS} sessions.",
        source="the user's data",
        formula=f"{name}[t], the latest value known at t.",
        exposure=exposure,
    )


def available(fields: Collection[str], exclude: Collection[str] = ()) -> tuple[list[Factor], dict[str, str]]:
    """Factors that the fields of a source allow, features among them, and for every other factor the reason why not.

    Parameters
    ----------
    fields : collection of str
        Fields that were observed: prices, fundamentals, and features as `feature/NAME`.
    exclude : collection of str
        Names of factors that are not wanted.

    Returns
    -------
    factors : list of Factor
        Ordered by name.
    reasons : dict of str to str
        Name of each absent factor and a sentence, e.g. "amihud: needs volume, which the source does not have".

    Raises
    ------
    InputError
        If a feature has the name of a factor, or `exclude` names none.
    """
    candidates = dict(registry())
    for field in sorted(fields):
        if field.startswith(FEATURE_PREFIX):
            name = field.removeprefix(FEATURE_PREFIX)
            if name in candidates or name == ML_ALPHA:
                raise InputError(f"features/{name}: a factor has this name already. Rename the folder; nothing was computed.")
            candidates[name] = feature_factor(name)
    if unknown := sorted(set(exclude) - set(candidates)):
        raise InputError(f"factors.exclude: no factor '{unknown[0]}'; there are: {', '.join(sorted(candidates))}.")
    there: list[Factor] = []
    reasons: dict[str, str] = {}
    for name, candidate in sorted(candidates.items()):
        missing = [field for field in candidate.inputs if field not in fields]
        if name in exclude:
            reasons[name] = f"{name}: excluded by factors.exclude"
        elif missing:
            reasons[name] = f"{name}: needs {' and '.join(missing)}, which the source does not have"
        else:
            there.append(candidate)
    return there, reasons


def compute(panel: Panel, factors: Iterable[Factor], *, since: int = 0, out: Mapping[str, Matrix] | None = None) -> dict[str, Matrix]:
    """Raw exposures to each factor, from a session of the panel on.

    Parameters
    ----------
    panel : Panel
        With the inputs of all the factors, and `longest_lookback()` sessions before those that are wanted.
    factors : iterable of Factor
    since : int
        Position of the first session that is returned; those before it are history. By default all are returned.
    out : mapping of str to ndarray of shape (n_sessions - since, n_symbols), optional
        C-contiguous matrices to write the factors' exposures into: memory that was used before costs much less than fresh memory.

    Returns
    -------
    dict of str to ndarray of shape (n_sessions - since, n_symbols)
        Finite or NaN. NaN where the name has no price in that session (it cannot be traded), where its data do not suffice, and where
        the formula has no finite value (a division by zero).

    Raises
    ------
    ValueError
        If a factor does not return a matrix of the shape of its inputs.
    LookupError
        If a factor reads what it did not declare.
    """
    wanted = list(factors)
    n_sessions, n_symbols = panel.shape
    if out is None:  # in one piece, for which the system has large pages
        out = dict(zip((one.name for one in wanted), np.empty((len(wanted), n_sessions - since, n_symbols)), strict=True))
    exposures = {one.name: out[one.name] for one in wanted}
    market = once(lambda: market_return(simple_returns(panel["total_return_index"])))
    groups = _by_history(wanted, since)

    def some(symbols: slice) -> None:
        for first, group in groups.items():
            shared = FactorPanel(panel.since(first), symbols, lambda first=first: market()[first:])
            priced = shared["total_return_index"] if "total_return_index" in panel else None
            for one in group:
                with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # what is not finite becomes unknown below
                    raw = prepared(one(shared.restricted(one.inputs)))
                if raw.shape != (n_sessions - first, symbols.stop - symbols.start):
                    raise ValueError(f"factor {one.name} returned shape {raw.shape}, not that of its inputs")
                _put_known(raw, raw if priced is None else priced, since - first, symbols.start, exposures[one.name])

    np.empty(_KEPT_BY_MALLOC)
    most, fair = _NUMBERS_AT_A_TIME // (max(n_sessions, 1) * TILE), math.ceil(n_symbols / (n_threads() * TILE))
    width = max(1, min(most, fair)) * TILE
    in_threads(some, (slice(first, min(first + width, n_symbols)) for first in range(0, n_symbols, width)))
    return exposures


def _by_history(factors: Iterable[Factor], since: int) -> dict[int, list[Factor]]:
    """Factors by the first session that they are computed from, which some share, and their intermediates with it.

    Two groups: the few that look back for years would make all others compute years of history too.
    """
    long = [one for one in factors if one.lookback > _SHORT_LOOKBACK]
    short = [one for one in factors if one.lookback <= _SHORT_LOOKBACK]
    groups: dict[int, list[Factor]] = {}
    for group in (short, long):
        if group:
            groups.setdefault(max(0, since - max(one.lookback for one in group)), []).extend(group)
    return groups


@njit(nogil=True, cache=True, error_model="numpy")
def _put_known(raw, priced, since, first, out):  # pragma: no cover
    width = raw.shape[1]
    for t in range(len(out)):
        row, price, target = raw[since + t], priced[since + t], out[t, first : first + width]
        for j in range(width):
            # x - x is 0 for a number, NaN for both NaN and infinity.
            target[j] = row[j] + (price[j] - price[j]) + (row[j] - row[j])
