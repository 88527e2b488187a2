"""Neutrality, and limits on names, sectors and the whole.

What belongs here: from weights to weights that keep the limits. What does not: where the weights come from.

**Neutrality** is a projection of the held names' weights onto those whose sum (or the sum of each sector) is 0 and, where wanted, whose
weighted beta is 0. It is the nearest such point when a change of a name's weight counts relative to the weight: minimise
Σ (w'_i − w_i)² / |w_i|. So a group's longs are all scaled by one factor and its shorts by another, small weights move little, and only
the beta of an extreme name can turn its sign. Both conditions together are solved in closed form, without a matrix.

**Caps** fill a side like water: names above the cap are cut to it, and what they lose goes to the side's other names in proportion to
their weights; a sector above its cap is scaled down to it as a whole, and the others take what it loses. Where a side cannot reach its
budget, the other side is scaled down in the same proportion, so that the balance stays.

**Both** alternate, for a fixed number of rounds at most, and end with the projection. The last step is always a uniform scaling, to the
largest size that gross and caps allow, which keeps neutrality exactly. So when caps and neutrality collide, gross gives way.

The kernels see one session's held names at a time, gathered in the order of symbols.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from mech_exo_assets.quant.panel import Index, Matrix
from mech_exo_assets.quant.rolling.blocks import prepared
from mech_exo_assets.settings.portfolio import Construction, Limits

_ROUNDS = 200
_MOVED = 1e-10
"""Alternation ends when no weight moves by more than this: then the caps leave no more room."""
_MARGIN = 1e-3
"""While alternating, names and sectors are brought so much, as a share, below their caps: the projection, which moves them a little above
again, is then soon within the caps themselves, and gross is exact."""
_LEFT = 1e-9
"""Below this share of what it was, what a projection leaves of the weights is rounding."""
_ROUNDING = 1e-12
"""Excess over a limit, as a share of it, that is rounding and is left."""


class _Rules(NamedTuple):
    """What a session's weights must keep; infinity is no limit."""

    by_sector: bool
    by_beta: bool
    name: float
    sector: float
    gross: float
    fill: bool


def constrained(weights: Matrix, construction: Construction, *, sectors: Index, beta: Matrix | None, fill: bool) -> Matrix:
    """Weights made neutral, and brought under the limits of a name and of a sector.

    Parameters
    ----------
    weights : ndarray of shape (n_sessions, n_symbols)
        0 for a name that is not held; a row of NaN stays.
    construction : Construction
        Of it: neutral, limits.name, limits.sector, gross.
    sectors : ndarray of shape (n_symbols,), int64
        Code of each name's sector, from 0 on.
    beta : ndarray of shape (n_sessions, n_symbols), or None
        Known for all names that are held; None where beta is not made neutral.
    fill : bool
        Whether what the limits cut goes to other names, so that the sides keep their budgets. If not (Kelly), weights only become
        smaller, and gross is a limit.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        A row that keeps everything already is not changed by a bit. A row is NaN where neutrality leaves nothing.
    """
    limits, neutral = construction.limits, construction.neutral
    if fill and not neutral and limits.name is None and limits.sector is None:
        return weights
    rules = _Rules(
        "sector" in neutral, beta is not None, _or_infinity(limits.name), _or_infinity(limits.sector), float(construction.gross), fill
    )
    weights = prepared(weights)
    out = np.empty_like(weights)
    _constrain(weights, *_coded(sectors), weights if beta is None else prepared(beta), rules, out)
    return out


def limited(weights: Matrix, limits: Limits, *, sectors: Index) -> Matrix:
    """Every session scaled down as a whole until all limits hold: of a name, a sector, gross and net.

    Returns
    -------
    ndarray of shape (n_sessions, n_symbols)
        A row within the limits is not changed by a bit. A row is NaN where only weights of 0 would keep limits.net.
    """
    if limits.name is limits.sector is limits.gross is limits.net is None:
        return weights
    weights = prepared(weights)
    out = np.empty_like(weights)
    largest = (_or_infinity(limits.name), _or_infinity(limits.sector), _or_infinity(limits.gross), _or_infinity(limits.net))
    _limit(weights, *_coded(sectors), largest, out)
    return out


def _or_infinity(limit: float | None) -> float:
    return np.inf if limit is None else float(limit)


def _coded(sectors: Index) -> tuple[Index, int]:
    codes = np.require(sectors, dtype=np.int64, requirements=["C", "W"])
    return codes, int(codes.max(initial=0)) + 1


@njit(nogil=True, cache=True, error_model="numpy")
def _limit(weights, sectors, n_sectors, limits, out):  # pragma: no cover
    name, sector, gross, net = limits
    for t in range(len(weights)):
        row = out[t]
        row[:] = weights[t]
        if np.isnan(row[0]):
            continue
        excess = max(_excess(row, sectors, n_sectors, name, sector), np.abs(row).sum() / gross)
        signed = 0.0
        for w in row:
            signed += w
        if np.abs(signed) > net + _ROUNDING:
            excess = max(excess, np.abs(signed) / net)
        if excess == np.inf:
            row[:] = np.nan
        elif excess > 1.0 + _ROUNDING:
            row /= excess


@njit(nogil=True, cache=True, error_model="numpy")
def _constrain(weights, sectors, n_sectors, betas, rules, out):  # pragma: no cover
    for t in range(len(weights)):
        row = out[t]
        row[:] = weights[t]
        if np.isnan(row[0]):
            continue
        names = np.flatnonzero(row)
        held = row[names]
        if _constrain_names(held, sectors[names], n_sectors, betas[t][names], rules):
            row[names] = held
        else:
            row[:] = np.nan


@njit(cache=True, error_model="numpy")
def _constrain_names(w, sectors, n_sectors, beta, rules):  # pragma: no cover
    """One session's held names, in place; False where nothing is left of them."""
    long, short = _side_sums(w)
    if rules.by_sector or rules.by_beta:
        groups = sectors if rules.by_sector else np.zeros_like(sectors)
        _neutralise(w, groups, n_sectors, beta, rules.by_beta)
        left = np.abs(w).sum()
        if not left > _LEFT * (long + short):
            return False
        if rules.fill:
            w *= rules.gross / left
        # Once more, since the scaling has enlarged what rounding had left.
        _neutralise(w, groups, n_sectors, beta, rules.by_beta)
        for _ in range(_ROUNDS):
            room = rules.gross / np.abs(w).sum() if rules.fill else 1.0
            if room * _excess(w, sectors, n_sectors, rules.name, rules.sector) <= 1.0:
                break
            before = w.copy()
            _cap(w, sectors, n_sectors, long, short, rules.fill, rules.name * (1.0 - _MARGIN), rules.sector * (1.0 - _MARGIN))
            _neutralise(w, groups, n_sectors, beta, rules.by_beta)
            if np.abs(w - before).max() <= _MOVED:
                break
    elif rules.fill and _excess(w, sectors, n_sectors, rules.name, rules.sector) <= 1.0 + _ROUNDING:
        return True
    else:
        _cap(w, sectors, n_sectors, long, short, rules.fill, rules.name, rules.sector)
    total = np.abs(w).sum()
    if not total > _LEFT * (long + short):
        return False
    excess = max(_excess(w, sectors, n_sectors, rules.name, rules.sector), total / rules.gross)
    w /= excess if rules.fill else max(excess, 1.0)
    return True


@njit(cache=True, error_model="numpy")
def _side_sums(w):  # pragma: no cover
    long, short = 0.0, 0.0
    for x in w:
        if x > 0.0:
            long += x
        else:
            short -= x
    return long, short


@njit(cache=True, error_model="numpy")
def _excess(w, sectors, n_sectors, name, sector):  # pragma: no cover
    """How many times its cap the worst name or sector is; 0 without caps."""
    worst = 0.0
    totals = np.zeros(n_sectors)
    for j in range(len(w)):
        size = np.abs(w[j])
        worst = max(worst, size / name)
        totals[sectors[j]] += size
    for total in totals:
        worst = max(worst, total / sector)
    return worst


@njit(cache=True, error_model="numpy")
def _neutralise(w, groups, n_groups, beta, by_beta):  # pragma: no cover
    """Make the sum of each group 0 and, `by_beta`, the weighted beta 0; the nearest point in the metric 1 / |w|.

    First the groups: w_i − |w_i| λ_g with λ_g = Σ_g w / Σ_g |w|. Then beta, seen from its |w|-weighted mean in the group, so that what
    is taken from w by it adds up to 0 in each group again.
    """
    size = np.abs(w)
    total, sizes, betas = np.zeros(n_groups), np.zeros(n_groups), np.zeros(n_groups)
    for j in range(len(w)):
        total[groups[j]] += w[j]
        sizes[groups[j]] += size[j]
        if by_beta:
            betas[groups[j]] += size[j] * beta[j]
    for j in range(len(w)):
        if size[j] > 0.0:
            w[j] -= size[j] * (total[groups[j]] / sizes[groups[j]])
    if not by_beta:
        return
    exposure, dispersion, raw = 0.0, 0.0, 0.0
    for j in range(len(w)):
        if size[j] > 0.0:
            away = beta[j] - betas[groups[j]] / sizes[groups[j]]
            exposure += w[j] * away
            dispersion += size[j] * away * away
            raw += size[j] * beta[j] * beta[j]
    # Betas that are equal within each group are neutral already.
    if dispersion > _ROUNDING * raw:
        slope = exposure / dispersion
        for j in range(len(w)):
            if size[j] > 0.0:
                w[j] -= size[j] * slope * (beta[j] - betas[groups[j]] / sizes[groups[j]])


@njit(cache=True, error_model="numpy")
def _cap(w, sectors, n_sectors, long, short, fill, name, sector):  # pragma: no cover
    """Bring names and sectors under their caps; where they are to be filled, the sides to their budgets or to one share of them."""
    full = np.zeros(n_sectors, np.bool_)
    if not fill:
        for j in range(len(w)):
            w[j] = min(max(w[j], -name), name)
        _shrink(w, sectors, full, sector)
        return
    for _ in range(n_sectors + 1):
        _fill(w, sectors, full, 1.0, long, name)
        _fill(w, sectors, full, -1.0, short, name)
        if not _shrink(w, sectors, full, sector):
            break
    long_reached, short_reached = _side_sums(w)
    share = 1.0
    if long > 0.0:
        share = min(share, long_reached / long)
    if short > 0.0:
        share = min(share, short_reached / short)
    for j in range(len(w)):
        if w[j] > 0.0:
            w[j] *= share * long / long_reached
        elif w[j] < 0.0:
            w[j] *= share * short / short_reached


@njit(cache=True, error_model="numpy")
def _fill(w, sectors, full, sign, budget, cap):  # pragma: no cover
    """Scale one side's names, outside of the full sectors, up or down to the budget with none of them above the cap."""
    open_ = np.zeros(len(w), np.bool_)
    rest = budget
    for j in range(len(w)):
        if w[j] * sign > 0.0:
            open_[j] = not full[sectors[j]]
            rest -= 0.0 if open_[j] else np.abs(w[j])
    rest = max(rest, 0.0)
    while True:
        total = 0.0
        for j in range(len(w)):
            total += np.abs(w[j]) if open_[j] else 0.0
        if total == 0.0:
            return
        scale = rest / total
        cut = False
        for j in range(len(w)):
            if open_[j] and np.abs(w[j]) * scale > cap:
                open_[j], cut = False, True
                w[j] = sign * cap
                rest = max(rest - cap, 0.0)
        if not cut:
            for j in range(len(w)):
                w[j] *= scale if open_[j] else 1.0
            return


@njit(cache=True, error_model="numpy")
def _shrink(w, sectors, full, cap):  # pragma: no cover
    """Scale each sector that is above the cap down to it, and note it as full; whether there was any."""
    totals = np.zeros(len(full))
    for j in range(len(w)):
        totals[sectors[j]] += np.abs(w[j])
    found = False
    for g in range(len(full)):
        if not full[g] and totals[g] > cap * (1.0 + _ROUNDING):
            full[g] = found = True
        else:
            totals[g] = 0.0
    for j in range(len(w)):
        if totals[sectors[j]] > 0.0:
            w[j] *= cap / totals[sectors[j]]
    return found
