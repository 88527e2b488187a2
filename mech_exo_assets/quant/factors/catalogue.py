"""The page of all factors, written from their declarations.

What belongs here: `docs/factors.md`; `python -m mech_exo_assets.quant.factors.catalogue > docs/factors.md` writes it anew. What does not:
anything that is not in a declaration.
"""

from __future__ import annotations

import sys
from itertools import groupby

from mech_exo_assets.quant.factors.inputs import CARRIED_SESSIONS, MINIMUM_OBSERVED
from mech_exo_assets.quant.factors.known import FEATURE_CARRY_SESSIONS, FUNDAMENTALS_CARRY_DAYS
from mech_exo_assets.quant.factors.registry import longest_lookback, registry


def page() -> str:
    """All factors by family, with formula, sign, inputs, lookback and source, as Markdown."""
    factors = sorted(registry().values(), key=lambda one: (one.family, one.name))
    lines = [
        "# Factors",
        "",
        f"{len(factors)} factors, generated from their declarations in `mech_exo_assets/quant/factors/` by",
        "`python -m mech_exo_assets.quant.factors.catalogue > docs/factors.md`. How to add one: [adding-a-factor.md](adding-a-factor.md).",
        "",
        "P is the total-return index, r = P[t] / P[t-1] - 1, m the mean r of all names of the session; O, H, L, C, V, D are open,",
        "high, low, close, volume and dividend as traded. A subscript is a window in sessions, the current one included: σ₆₃(r) is the",
        f"standard deviation of the last 63 returns. A window needs {MINIMUM_OBSERVED:.0%} of its sessions. Where single sessions are",
        f"compared, P is carried over gaps of at most {CARRIED_SESSIONS} sessions; a name without a price in the session itself has no",
        "exposure.",
        "",
        "*Sign* is that of the relation with later returns in the source; scores are turned by it, so that higher is better. *Lookback* is",
        f"how many earlier sessions a figure depends on; the longest is {longest_lookback()}. Fundamentals are used from the day on which",
        f"they became known, for at most {FUNDAMENTALS_CARRY_DAYS} days; a user's feature for at most {FEATURE_CARRY_SESSIONS} sessions.",
    ]
    for family, members in groupby(factors, key=lambda one: one.family):
        lines += [
            "",
            f"## {family.capitalize()}",
            "",
            "| factor | formula | sign | inputs | lookback | meaning | source |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for one in members:
            sign = "+" if one.orientation == 1 else "-"
            formula = one.formula.removesuffix(".").replace("|", "\\|")
            inputs = ", ".join(f"`{name}`" for name in one.inputs)
            cells = (f"`{one.name}`", formula, sign, inputs, str(one.lookback), one.meaning, one.source)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
