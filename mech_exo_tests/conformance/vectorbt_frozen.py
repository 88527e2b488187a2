"""Regenerates `frozen/vectorbt_nav.npz`: NAV of 200 small random cases by vectorbt.

    .venv-peers/bin/python mech_exo_tests/conformance/vectorbt_frozen.py

Runs with the interpreter of `.venv-peers`. The cases themselves are made anew on both sides, by `vectorbt_cases`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

FROZEN = Path(__file__).parent / "frozen" / "vectorbt_nav.npz"


def main():
    import vectorbt as vbt
    from vectorbt_cases import N_FROZEN, case, orders, recipe
    from vectorbt_nav import nav

    cases = [case(recipe(seed)) for seed in range(N_FROZEN)]
    navs = [nav(given, orders(given)) for given in cases]
    np.savez_compressed(FROZEN, nav=np.concatenate(navs), lengths=[len(values) for values in navs], version=vbt.__version__)


if __name__ == "__main__":
    main()
