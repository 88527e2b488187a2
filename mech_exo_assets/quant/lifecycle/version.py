"""What a strategy version is: everything that its targets depend on, under a hash of its content.

What belongs here: the version, its hash, and its way to and from JSON. What does not: its targets (`deployed`), and how it came about
(`defs.lifecycle`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from mech_exo_assets.quant.composite import composite_weights
from mech_exo_assets.quant.factor_names import ML_ALPHA
from mech_exo_assets.settings import Strategy
from mech_exo_assets.settings.portfolio import Construction

_SHOWN = 12
"""Digits of the hash that a version is called by."""


@dataclass(frozen=True)
class StrategyVersion:
    """A strategy that could be traded.

    Attributes
    ----------
    weights : mapping of str to float
        Of each factor in the composite; `ml_alpha` may be among them.
    blend : float
        Weight of `ml_alpha` beside the composite, from 0 to 1; 0 where `weights` names it.
    min_coverage : float
        As `composite.min_coverage`.
    construction : mapping
        The whole section `construction`.
    models : mapping of str to str
        Run in MLflow of the model that predicts `ml_alpha`, by kind; empty where it is not used.
    data : mapping of str to int
        Versions of the tables that it was made from.
    code : str
        Hash of the code that made it.
    seed : int
    searched : mapping
        Where its weights come from: study, trial, share of equal weights, last session that was searched. Empty for a configured strategy.
    """

    weights: Mapping[str, float]
    blend: float
    min_coverage: float
    construction: Mapping[str, Any]
    models: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, int] = field(default_factory=dict)
    code: str = ""
    seed: int = 0
    searched: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the content, in hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"), allow_nan=False).encode()).hexdigest()

    @property
    def id(self) -> str:
        """What it is called: the beginning of its content hash."""
        return self.content_hash[:_SHOWN]

    @property
    def sizing(self) -> Construction:
        """Its construction, validated."""
        return Construction.model_validate(dict(self.construction))

    def as_json(self) -> dict[str, Any]:
        """The content, of JSON's own types."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> StrategyVersion:
        """The version that `as_json` was taken from."""
        return cls(**content)


def configured_version(
    strategy: Strategy,
    factors: list[str],
    *,
    learned: bool,
    blend: float,
    models: Mapping[str, str],
    data: Mapping[str, int],
    code: str,
) -> StrategyVersion:
    """The strategy of the strategy file, with its choices made explicit.

    Parameters
    ----------
    strategy : Strategy
    factors : list of str
        Those that have scores, but for `ml_alpha`.
    learned : bool
        Whether there are scores of `ml_alpha`.
    blend : float
        Weight of `ml_alpha` now.
    models, data, code
        As in `StrategyVersion`.

    Raises
    ------
    InputError
        If the file gives a weight to a factor that is not there.
    """
    weights = composite_weights(strategy.composite.weights, factors, learned=learned)
    return StrategyVersion(
        weights=weights,
        blend=blend,
        min_coverage=strategy.composite.min_coverage,
        construction=strategy.construction.model_dump(mode="json"),
        models=models if blend or ML_ALPHA in weights else {},
        data=data,
        code=code,
        seed=strategy.seed,
    )
