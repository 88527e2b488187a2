"""The strategy file: all research choices, read and validated once.

What belongs here: `Strategy`, and how a file is put over the defaults. What does not: the sections, which stand in files of their own.
"""

from __future__ import annotations

import difflib
import functools
import itertools
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, PositiveInt, ValidationError, field_validator, model_validator
from yaml.constructor import ConstructorError

from mech_exo_assets.errors import InputError
from mech_exo_assets.settings.decay import Decay
from mech_exo_assets.settings.faults import first_fault
from mech_exo_assets.settings.judgement import Alerts, Backtest, Costs, WalkForward
from mech_exo_assets.settings.learning import Learning
from mech_exo_assets.settings.lifecycle import Lifecycle
from mech_exo_assets.settings.live import Drift, Live
from mech_exo_assets.settings.portfolio import Construction, with_construction
from mech_exo_assets.settings.research import Composite, Factors, Ic, Quality, Scores
from mech_exo_assets.settings.search import Gates, Search
from mech_exo_assets.settings.section import Section

MAX_FORWARD_SESSIONS = 240
"""Longest execution lag and horizon together: a year's forward returns may look one calendar year ahead, and no further."""


class Strategy(Section):
    """The research choices of one strategy; each key is explained in `strategy.yaml`."""

    calendar: str
    first_year: int = Field(ge=1900, le=2100)
    quality: Quality
    factors: Factors
    scores: Scores
    execution_lag: int = Field(ge=0)
    horizons: tuple[PositiveInt, ...] = Field(min_length=1)
    ic: Ic
    decay: Decay
    composite: Composite
    construction: Construction
    costs: Costs
    backtest: Backtest
    walk_forward: WalkForward
    search: Search
    gates: Gates
    learning: Learning
    live: Live
    drift: Drift
    lifecycle: Lifecycle
    alerts: Alerts
    seed: int = Field(ge=0)

    @field_validator("horizons")
    @classmethod
    def _sorted_once_each(cls, horizons: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(horizons)))

    @model_validator(mode="after")
    def _within_a_year(self) -> Strategy:
        if self.execution_lag + self.horizons[-1] > MAX_FORWARD_SESSIONS:
            raise ValueError(f"execution_lag and the longest horizon together may be at most {MAX_FORWARD_SESSIONS} sessions")
        if self.execution_lag + self.decay.lags[-1] + 1 > MAX_FORWARD_SESSIONS:
            raise ValueError(f"execution_lag and the longest of decay.lags together may be at most {MAX_FORWARD_SESSIONS - 1} sessions")
        return self

    @model_validator(mode="after")
    def _watches_a_known_horizon(self) -> Strategy:
        wanted = self.decay.horizon
        if wanted is not None and wanted not in self.horizons:
            raise ValueError(f"decay.horizon: {wanted} is none of the horizons {list(self.horizons)}; take one of them")
        return self

    @model_validator(mode="after")
    def _trades_after_it_knows(self) -> Strategy:
        if self.backtest.execute_at == "open" and self.execution_lag == 0:
            raise ValueError(
                "backtest.execute_at: open with execution_lag: 0 would trade at the open on what is known at the close of that session; "
                "take execution_lag: 1 or execute_at: close"
            )
        return self

    @model_validator(mode="after")
    def _fits_on_a_known_horizon(self) -> Strategy:
        wanted = self.walk_forward.horizon
        if wanted is not None and wanted not in self.horizons:
            raise ValueError(f"walk_forward.horizon: {wanted} is none of the horizons {list(self.horizons)}; take one of them")
        return self

    @model_validator(mode="after")
    def _opens_without_contradiction(self) -> Strategy:
        opened = self.search.construction
        # Whatever contradicts another choice does so at an end of the bounds, and two parameters can do so together only.
        for ends in itertools.product(*opened.values()):
            values = dict(zip(opened, ends, strict=True))
            try:
                with_construction(self.construction, values)
            except ValidationError as error:
                tried = ", ".join(f"{name}: {value:g}" for name, value in values.items())
                said = first_fault(error, self.construction.model_dump())
                raise ValueError(f"search.construction: with {tried} a trial could not be built: {said}") from error
        return self

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> Strategy:
        left_out = self.execution_lag + self.fit_horizon + self.walk_forward.embargo
        months = self.walk_forward.train_months
        # No month has more sessions than this.
        longest = months * (31 if self.calendar == "24/7" else 23)
        if left_out >= longest:
            raise ValueError(
                f"walk_forward.train_months: {months} are at most {longest} sessions, and execution_lag, the horizon that is fitted on and "
                f"walk_forward.embargo leave {left_out} of them out; take more months, or a shorter embargo or horizon"
            )
        return self

    @model_validator(mode="after")
    def _learns_a_known_horizon(self) -> Strategy:
        wanted = self.learning.horizon
        if wanted is not None and wanted not in self.horizons:
            raise ValueError(f"learning.horizon: {wanted} is none of the horizons {list(self.horizons)}; take one of them")
        return self

    @model_validator(mode="after")
    def _leaves_something_to_learn_from(self) -> Strategy:
        months = self.learning.train_months
        longest = months * (31 if self.calendar == "24/7" else 23)
        # Once before the test, and once before the validation within the training.
        if 2 * self.learning_gap >= longest:
            raise ValueError(
                f"learning.train_months: {months} are at most {longest} sessions, and execution_lag, horizon and learning.embargo leave "
                f"{self.learning_gap} of them out before the test and as many before the validation; take more months, or a shorter horizon"
            )
        return self

    @model_validator(mode="after")
    def _weighs_what_is_computed(self) -> Strategy:
        weights = {} if self.composite.weights == "equal" else self.composite.weights
        both = sorted(set(weights) & set(self.factors.exclude))
        if both:
            raise ValueError(f"composite.weights gives {both[0]} a weight, and factors.exclude leaves it out; take it from one of the two")
        return self

    @property
    def monitored_horizon(self) -> int:
        """Horizon on which factors are watched: as chosen, or the shortest."""
        return self.decay.horizon or self.horizons[0]

    @property
    def fit_horizon(self) -> int:
        """Horizon that a walk-forward fits on: as chosen, or the longest of up to a month (21 sessions), or the shortest."""
        return self.walk_forward.horizon or max((each for each in self.horizons if each <= 21), default=self.horizons[0])

    @property
    def learning_horizon(self) -> int:
        """Horizon of the return that models predict: as chosen, or the longest of up to a month (21 sessions), or the shortest."""
        return self.learning.horizon or max((each for each in self.horizons if each <= 21), default=self.horizons[0])

    @property
    def learning_gap(self) -> int:
        """Sessions left out between a training and its test: purge (execution lag and horizon) and embargo."""
        embargo = self.learning_horizon if self.learning.embargo is None else self.learning.embargo
        return self.execution_lag + self.learning_horizon + embargo

    @property
    def learning_sample(self) -> int:
        """Every how many sessions a training takes one: as chosen, or a quarter of the horizon."""
        return self.learning.sample or max(1, self.learning_horizon // 4)


def load_strategy(config: Path | None = None) -> Strategy:
    """The default strategy with the keys of `config` put over it.

    Raises
    ------
    InputError
        If the file is missing, is not a YAML mapping, names a key that does not exist, or gives a value that is not accepted.
    """
    merged = _defaults()
    if config is not None:
        merged = _override(merged, _read_mapping(config), where=str(config))
    try:
        return Strategy.model_validate(merged)
    except ValidationError as error:
        raise InputError(f"{config or 'strategy.yaml'}: {first_fault(error, merged)}. Correct the value and run again.") from error


@functools.cache
def _defaults() -> dict[str, Any]:
    """Content of the package's own file, read once: PyYAML takes longer for it than all that is done with it here."""
    return yaml.safe_load(resources.files("mech_exo_assets").joinpath("strategy.yaml").read_text(encoding="utf-8"))


class _OnceEach(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error; by itself PyYAML lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConstructorError(problem=f"the key '{twice}' stands there twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep=deep)


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"{path}: the configuration cannot be read ({reason}). Give an existing YAML file with --config.") from error
    try:
        content = yaml.load(text, Loader=_OnceEach)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError) as error:  # A ValueError is a date that is none, such as 2010-13-01.
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())}). Correct the file and run again.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}, and must hold keys and values, e.g. 'execution_lag: 1'.")
    return content


def _override(defaults: Mapping[str, Any], overrides: Mapping[str, Any], *, where: str, prefix: str = "") -> dict[str, Any]:
    merged = dict(defaults)
    for key, value in overrides.items():
        if key not in defaults:
            close = difflib.get_close_matches(str(key), list(defaults), n=1)
            hint = f"did you mean '{prefix}{close[0]}'?" if close else f"known here: {', '.join(sorted(defaults))}."
            raise InputError(f"{where}: unknown key '{prefix}{key}'; {hint}")
        # An empty mapping among the defaults (backtest.flows) has keys of the user's own.
        nested = bool(defaults[key]) and isinstance(defaults[key], dict) and isinstance(value, dict)
        merged[key] = _override(defaults[key], value, where=where, prefix=f"{prefix}{key}.") if nested else value
    return merged
