"""What a factor declares of itself.

What belongs here: the `factor` decorator and the record that it makes. What does not: where factors are found (`registry`), and how
they read their data (`inputs`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mech_exo_assets.quant.factors.inputs import FactorPanel
from mech_exo_assets.quant.panel import Matrix

LONGEST_LOOKBACK = 780
"""Sessions that a factor may look back at most; the platform loads that much history before a year."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor: a function with a declaration.

    Attributes
    ----------
    name : str
        Name of the function; the column in `factors/exposures` and `factors/scores`.
    family : str
        Factors with a common idea.
    inputs : tuple of str
        Fields of the panel that the function reads; it can read no others.
    lookback : int
        Earlier sessions that a figure depends on, so that with so many sessions of history it is final.
    orientation : {1, -1}
        Sign of the relation with future returns in the literature: after it is applied, higher is better.
    meaning : str
        One sentence for a person who did not write the code.
    source : str
        Where it comes from, as author and year.
    formula : str
        First line of the function's docstring.
    exposure : callable
        The function itself.
    """

    name: str
    family: str
    inputs: tuple[str, ...]
    lookback: int
    orientation: Literal[1, -1]
    meaning: str
    source: str
    formula: str
    exposure: Callable[[FactorPanel], Matrix]

    def __call__(self, panel: FactorPanel) -> Matrix:
        """Raw exposures of every name in every session."""
        return self.exposure(panel)


def factor(
    *, family: str, inputs: tuple[str, ...], lookback: int, orientation: Literal[1, -1], meaning: str, source: str
) -> Callable[[Callable[[FactorPanel], Matrix]], Factor]:
    """Declare a function to be a factor; its docstring starts with the formula, its name becomes the factor's.

    Raises
    ------
    ValueError
        If the declaration is not complete; the message names the factor and what is wanted.
    """

    def declare(exposure: Callable[[FactorPanel], Matrix]) -> Factor:
        name: str = getattr(exposure, "__name__", "factor")
        formula = (exposure.__doc__ or "").strip().partition("\n")[0]
        problems = {
            "a docstring that starts with the formula": not formula,
            "at least one field in inputs": not inputs,
            f"a lookback in 0 .. {LONGEST_LOOKBACK}": not 0 <= lookback <= LONGEST_LOOKBACK,
            "orientation 1 or -1": orientation not in (1, -1),
            "a meaning, a source and a family": not (meaning and source and family),
        }
        if wanted := [wish for wish, missing in problems.items() if missing]:
            raise ValueError(f"factor {name}: its declaration needs {', and '.join(wanted)}")
        return Factor(name, family, inputs, lookback, orientation, meaning, source, formula, exposure)

    return declare
