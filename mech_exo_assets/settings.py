"""Every MECH_EXO_* variable and the strategy file, validated once.

What belongs here: where things are (`Settings`) and the research choices (`Strategy`). What does not: anything that reads data.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from mech_exo_assets.errors import InputError


def _default_home() -> Path:
    """`data/` of a checkout; without one (an installed wheel), a folder of the user's."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout / "data" if (checkout / "pyproject.toml").is_file() else Path.home() / ".mech-exo"


_REFUSED_IN_HOME = frozenset("%[]?*^|\\")
"""deltalake reads these in a path as parts of a URL, and DuckDB as wildcards."""


class Settings(BaseSettings):
    """Where this installation reads and writes, from MECH_EXO_* variables; options of the command line go before them.

    Attributes
    ----------
    home : Path
        Everything a run leaves behind (MECH_EXO_HOME). Default: `data/` of the checkout.
    source : str
        URI of the market data (MECH_EXO_SOURCE): `sample`, `files:PATH`, `yahoo:…` or `simulator:…`.
    config : Path or None
        A YAML file that overrides keys of `strategy.yaml` (MECH_EXO_CONFIG).
    executor : str
        Where the steps of a run are executed (MECH_EXO_EXECUTOR): `in_process` (default: a step costs milliseconds) or
        `multiprocess` (a step is a process of its own, and costs seconds).
    """

    model_config = SettingsConfigDict(env_prefix="MECH_EXO_", env_ignore_empty=True, extra="ignore")

    home: Path = Field(default_factory=_default_home)
    source: str = "sample"
    config: Path | None = None
    executor: Literal["in_process", "multiprocess"] = "in_process"

    @field_validator("home", "config")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @field_validator("home")
    @classmethod
    def _storable(cls, home: Path) -> Path:
        refused = next((each for each in str(home) if each in _REFUSED_IN_HOME or not each.isprintable()), None)
        if refused is not None:
            raise ValueError(f"the tables cannot be stored under a path with {refused!r}; choose another folder")
        return home

    @property
    def lake_path(self) -> Path:
        """Root of the Delta tables."""
        return self.home / "lake"

    @property
    def mart_path(self) -> Path:
        """The published DuckDB file."""
        return self.home / "mech_exo.duckdb"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage: runs, events, schedules."""
        return self.home / "dagster"


def load_settings(**options: object) -> Settings:
    """The settings of the environment, with the options that are not None put over them.

    Raises
    ------
    InputError
        If a MECH_EXO_* variable or an option is not accepted.
    """
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})  # ty: ignore[invalid-argument-type]
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        raise InputError(f"MECH_EXO_{name.upper()} (--{name}): {_reason(error.errors()[:1])}.") from error


MAX_FORWARD_SESSIONS = 240
"""Longest execution lag and horizon together: a year's forward returns may look one calendar year ahead, and no further."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Quality(_Section):
    """When a usable observation is listed as suspicious."""

    jump_deviations: PositiveFloat
    stale_sessions: PositiveInt
    gap_sessions: PositiveInt


class Factors(_Section):
    """Which factors are computed."""

    exclude: tuple[str, ...]


class Scores(_Section):
    """How raw exposures become scores."""

    winsorise: float = Field(ge=0, lt=0.5)
    min_sector_names: PositiveInt
    min_names: PositiveInt


class Ic(_Section):
    """When a session has an information coefficient."""

    min_names: int = Field(ge=3)


class Composite(_Section):
    """How factor scores are joined."""

    weights: Literal["equal"] | dict[str, float]
    min_coverage: float = Field(gt=0, le=1)

    @field_validator("weights")
    @classmethod
    def _some_weight(cls, weights: Literal["equal"] | dict[str, float]) -> Literal["equal"] | dict[str, float]:
        if weights != "equal" and not any(weights.values()):
            raise ValueError("needs at least one factor whose weight is not zero")
        return weights


class Construction(_Section):
    """How composite scores become target weights."""

    kind: Literal["long_short", "long_only"]
    gross: PositiveFloat
    quantile: float = Field(gt=0, le=1)


class Costs(_Section):
    """Linear costs of trading, in basis points of traded notional."""

    commission_bps: NonNegativeFloat
    half_spread_bps: NonNegativeFloat


class Backtest(_Section):
    """Where the backtest starts."""

    initial_nav: PositiveFloat


class Strategy(_Section):
    """The research choices of one strategy; each key is explained in `strategy.yaml`."""

    calendar: str
    first_year: int = Field(ge=1900, le=2100)
    quality: Quality
    factors: Factors
    scores: Scores
    execution_lag: int = Field(ge=0)
    horizons: tuple[PositiveInt, ...] = Field(min_length=1)
    ic: Ic
    composite: Composite
    construction: Construction
    costs: Costs
    backtest: Backtest
    seed: int = Field(ge=0)

    @field_validator("horizons")
    @classmethod
    def _sorted_once_each(cls, horizons: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(horizons)))

    @model_validator(mode="after")
    def _within_a_year(self) -> Strategy:
        if self.execution_lag + self.horizons[-1] > MAX_FORWARD_SESSIONS:
            raise ValueError(f"execution_lag and the longest horizon together may be at most {MAX_FORWARD_SESSIONS} sessions")
        return self


def load_strategy(config: Path | None = None) -> Strategy:
    """The default strategy with the keys of `config` put over it.

    Raises
    ------
    InputError
        If the file is missing, is not a YAML mapping, names a key that does not exist, or gives a value that is not accepted.
    """
    merged: dict[str, Any] = yaml.safe_load(resources.files("mech_exo_assets").joinpath("strategy.yaml").read_text(encoding="utf-8"))
    if config is not None:
        merged = _override(merged, _read_mapping(config), where=str(config))
    try:
        return Strategy.model_validate(merged)
    except ValidationError as error:
        raise InputError(f"{config or 'strategy.yaml'}: {_first_fault(error, merged)}. Correct the value and run again.") from error


def _first_fault(error: ValidationError, given: dict[str, Any]) -> str:
    """The key that lies deepest in the file, and all that was found wrong with it; a value with several forms has one fault for each."""
    faults: dict[str, list[Any]] = {}
    for each in error.errors():
        faults.setdefault(".".join(_keys(each["loc"], given)), []).append(each)
    key = max(faults, key=lambda name: name.count("."))
    return f"{key}: {_reason(faults[key])}" if key else _reason(faults[key])


def _keys(location: tuple[int | str, ...], given: Any) -> list[str]:
    """The parts of pydantic's location that are keys or positions in the file; others name a form that the value might have had."""
    keys = []
    for part in location:
        if (isinstance(given, dict) and part in given) or (isinstance(given, list) and isinstance(part, int)):
            keys.append(str(part))
            given = given[part]
    return keys


def _reason(faults: Sequence[Any]) -> str:
    reason = " or ".join(each["msg"].removeprefix("Value error, ") for each in faults)
    given = repr(faults[0]["input"])
    return f"{reason} (got {given})" if len(given) <= 200 else reason


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"{path}: the configuration cannot be read ({reason}). Give an existing YAML file with --config.") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
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
        nested = isinstance(defaults[key], dict) and isinstance(value, dict)
        merged[key] = _override(defaults[key], value, where=where, prefix=f"{prefix}{key}.") if nested else value
    return merged
