"""Which kinds of features there are, and which of them the data allow.

What belongs here: the list. What does not: a kind.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from mech_exo_assets.quant.features import of_market, of_scores
from mech_exo_assets.quant.features.declaration import FeatureKind
from mech_exo_assets.settings.learning import Kind

_KINDS: Mapping[str, FeatureKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            of_scores.scores,
            of_scores.changes,
            of_scores.ranks,
            of_market.market,
            of_market.interactions,
            of_market.sector,
            of_market.liquidity,
        )
    }
)


def kinds() -> Mapping[str, FeatureKind]:
    """All kinds by name, in the order of their columns, which is that of `settings.learning.KINDS`."""
    return _KINDS


def available(inputs: Collection[str], chosen: Collection[Kind]) -> tuple[list[FeatureKind], dict[str, str]]:
    """The chosen kinds that the data allow, and for every other kind the reason why not.

    Parameters
    ----------
    inputs : collection of str
        What was observed: "scores", "sector", fields of prices.
    chosen : collection of str
        `learning.features`.

    Returns
    -------
    there : list of FeatureKind
        In the order of `kinds`.
    reasons : dict of str to str
        Name of each absent kind and a sentence, e.g. "liquidity: needs volume, which the source does not have".
    """
    there: list[FeatureKind] = []
    reasons: dict[str, str] = {}
    for name, kind in _KINDS.items():
        missing = [one for one in kind.inputs if one not in inputs]
        if kind.name not in chosen:
            reasons[name] = f"{name}: not among learning.features"
        elif missing:
            reasons[name] = f"{name}: needs {' and '.join(missing)}, which the source does not have"
        else:
            there.append(kind)
    return there, reasons
