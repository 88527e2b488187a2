"""What a kind of feature declares of itself.

What belongs here: the `feature_kind` decorator and the record that it makes. What does not: which kinds there are (`registry`), and how
they read their data (`inputs`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, cast, get_args

from mech_exo_assets.quant.features.inputs import FeaturePanel
from mech_exo_assets.quant.panel import Matrix
from mech_exo_assets.settings.learning import Kind

LONGEST_LOOKBACK = 735
"""Sessions that a feature may look back at most: three years of the shortest exchange year."""

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


class Feature(NamedTuple):
    """One column: its name, its values over wanted sessions and symbols, and the columns that they come from, as `group/table.column`."""

    name: str
    values: Matrix
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeatureKind:
    """A kind of feature: a function with a declaration.

    Attributes
    ----------
    name : str
        Name of the function; as `learning.features` names it.
    prefix : str
        Of its columns, before an underscore. No two kinds have the same, so that no two columns can.
    meaning : str
        One sentence for a person who did not write the code.
    formula : str
        First line of the function's docstring.
    inputs : tuple of str
        What the function reads: "scores", "sector", fields of prices; it can read nothing else.
    lookback : int
        Earlier sessions that a figure depends on, at most.
    matrices : callable
        The function itself: names without the prefix, matrices of shape (n_wanted_sessions, n_symbols), and sources, one after another, so
        that only one of them need be held.
    """

    name: Kind
    prefix: str
    meaning: str
    formula: str
    inputs: tuple[str, ...]
    lookback: int
    matrices: Callable[[FeaturePanel], Iterator[Feature]]

    def __call__(self, panel: FeaturePanel) -> Iterator[Feature]:
        """Its features, with the names of their columns.

        Raises
        ------
        ValueError
            If a name is no lower-case identifier, or a matrix does not have the shape of the wanted sessions and symbols.
        LookupError
            If the function reads what it did not declare.
        """
        for name, values, sources in self.matrices(panel.restricted(self.inputs)):
            column = f"{self.prefix}_{name}"
            if not _IDENTIFIER.fullmatch(column):
                raise ValueError(f"features: the column '{column}' is no lower-case identifier (a-z, 0-9, _)")
            if values.shape != panel.shape:
                raise ValueError(f"features: {column} has shape {values.shape}, wanted is {panel.shape}")
            yield Feature(column, values, sources)


def feature_kind(
    *, prefix: str, meaning: str, inputs: tuple[str, ...], lookback: int
) -> Callable[[Callable[[FeaturePanel], Iterator[Feature]]], FeatureKind]:
    """Declare a function to be a kind of feature; its docstring starts with the formula, its name becomes the kind's.

    Raises
    ------
    ValueError
        If the declaration is not complete; the message names the kind and what is wanted.
    """

    def declare(matrices: Callable[[FeaturePanel], Iterator[Feature]]) -> FeatureKind:
        name = getattr(matrices, "__name__", "kind")
        formula = (matrices.__doc__ or "").strip().partition("\n")[0]
        problems = {
            f"a name among {', '.join(get_args(Kind))}": name not in get_args(Kind),
            "a docstring that starts with the formula": not formula,
            "a prefix of lower-case letters": not re.fullmatch("[a-z]+", prefix),
            "a meaning": not meaning,
            "at least one input": not inputs,
            f"a lookback in 0 .. {LONGEST_LOOKBACK}": not 0 <= lookback <= LONGEST_LOOKBACK,
        }
        if wanted := [wish for wish, missing in problems.items() if missing]:
            raise ValueError(f"kind of feature {name}: its declaration needs {', and '.join(wanted)}")
        return FeatureKind(cast(Kind, name), prefix, meaning, formula, inputs, lookback, matrices)

    return declare
