"""Events as a fold reads them, and small strategy versions, for tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mech_exo_assets.quant.lifecycle.version import StrategyVersion
from mech_exo_assets.settings import load_strategy


@dataclass(frozen=True)
class Told:
    """An event."""

    id: int
    kind: str
    version: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    actor: str = "test"

    @property
    def time(self) -> dt.datetime:
        """A second for each event."""
        return dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=self.id)


def history(*told: tuple[str, str | None, Mapping[str, Any]]) -> list[Told]:
    """Events in their order: kind, version, payload."""
    return [Told(number, kind, version, payload) for number, (kind, version, payload) in enumerate(told, start=1)]


def crowned(kind: str, version: str, since: str, *, as_of: str = "2020-01-02", **more: Any) -> tuple[str, str, Mapping[str, Any]]:
    """An event after which a version is champion."""
    return kind, version, {"since": since, "as_of": as_of, "reason": "why", **more}


def version(**weights: float) -> StrategyVersion:
    """The default construction with these weights."""
    strategy = load_strategy()
    return StrategyVersion(dict(weights), 0.0, 0.5, strategy.construction.model_dump(mode="json"))
