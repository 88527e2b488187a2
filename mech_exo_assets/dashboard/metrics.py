"""The state of a home as Prometheus reads it.

What belongs here: names, units and labels of the metrics. What does not: what the numbers are (`health`). Alert rules: docs/operating.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from mech_exo_assets.dashboard.view import WORST_FIRST, View


class _Home:
    """What is known of a home now, as a collector."""

    def __init__(self, view: View, state: dict[str, Any]) -> None:
        self._view, self._state = view, state

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        state, view = self._state, self._view
        yield _one("mech_exo_healthy", "1 where /health answers 200.", float(state["status"] != "fail"))
        champion = InfoMetricFamily("mech_exo_champion", "The deployed strategy.")
        if state["champion"] is not None:
            champion.add_metric([], {name: str(value) for name, value in state["champion"].items()})
        yield champion
        drift = GaugeMetricFamily("mech_exo_drift_status", "1 at the status that a window has.", labels=["window", "status"])
        for window, status in state["drift"]["windows"].items():
            for each in WORST_FIRST:
                drift.add_metric([window, each], float(each == status))
        yield drift
        for column, name, about in (
            ("drift_pct", "mech_exo_drift_percent", "(live − backtest CAGR) / |backtest CAGR|, in per cent."),
            ("information_ratio", "mech_exo_drift_information_ratio", "Information ratio of live less backtest."),
        ):
            metric = GaugeMetricFamily(name, about, labels=["window"])
            for row in view.drift.iter_rows(named=True):
                if row[column] is not None:
                    metric.add_metric([str(row["window"])], row[column])
            yield metric
        factors = GaugeMetricFamily("mech_exo_factors", "Factors by status.", labels=["status"])
        for status, count in state["factors"].items():
            factors.add_metric([status], count)
        yield factors
        published = GaugeMetricFamily("mech_exo_published_age_seconds", "Since a table of the group was published anew.", labels=["group"])
        for group, figures in state["groups"].items():
            published.add_metric([group], figures["age_seconds"])
        yield published
        if view.last_session is not None:
            yield _one(
                "mech_exo_last_session_age_days", "Days since the last session of the prices.", (view.now.date() - view.last_session).days
            )
        yield _one("mech_exo_ledger_events", "Events in the ledger.", state["ledger"]["events"])
        yield _one("mech_exo_ledger_verified", "1 where the chain is as it was written.", float(state["ledger"]["verified"]))
        yield _one("mech_exo_database_reachable", "1 where the ledger's database answers.", float(state["database"]["reachable"]))
        yield _one("mech_exo_disk_free_bytes", "Free bytes on the home's disk.", state["disk"]["free_bytes"])
        yield _one("mech_exo_open_alerts", "Events that wait for a person.", state["open_alerts"])


def exposition(view: View, state: dict[str, Any]) -> bytes:
    """The metrics in Prometheus' text format.

    Parameters
    ----------
    view : View
    state : dict
        As `health.health` gives it.
    """
    registry = CollectorRegistry()
    registry.register(_Home(view, state))
    return generate_latest(registry)


def _one(name: str, about: str, value: float) -> GaugeMetricFamily:
    metric = GaugeMetricFamily(name, about)
    metric.add_metric([], value)
    return metric
