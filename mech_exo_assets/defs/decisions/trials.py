"""A challenger on trial: what it is judged on, and the events of its comparison with the champion.

What belongs here: from versions and tables to verdicts on record. What does not: the statistics (`quant.lifecycle`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mech_exo_assets.defs.decisions.readings import NO_CHAMPION
from mech_exo_assets.errors import MechExoError
from mech_exo_assets.quant.lifecycle.episodes import impaired
from mech_exo_assets.quant.lifecycle.reigns import champion, versions
from mech_exo_assets.settings import Strategy
from mech_exo_assets.storage.histories import history, last_session, versions_of
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Entry, Event, Ledger

if TYPE_CHECKING:
    from mech_exo_assets.quant.lifecycle.holdout import Trial

HOLDOUT = "holdout"
"""Stage of a comparison on sessions that neither was fitted on, and that are past."""


def trial_of(ledger: Ledger, lake: Lake, strategy: Strategy, version: str) -> Trial:
    """A challenger and the champion, on the sessions that neither was fitted on, as the tables stand."""
    return trial_among(ledger.events(), lake, strategy, version, data=versions_of(lake))


def trial_among(events: Sequence[Event], lake: Lake, strategy: Strategy, version: str, *, data: Mapping[str, int]) -> Trial:
    """A challenger and the champion that these events know, on tables in recorded versions.

    Raises
    ------
    MechExoError
        If there is no champion.
    """
    from mech_exo_assets.quant.lifecycle.holdout import Trial, unseen_from

    known, now = versions(events), champion(events)
    if now is None:
        raise MechExoError(NO_CHAMPION)
    challenger, holder = known[version], known[now.version]
    return Trial(challenger, holder, history(lake, strategy, first=unseen_from(challenger, holder), versions=data), dict(data))


def start_comparison(ledger: Ledger, request: Event, trial: Trial, *, actor: str, run_id: str | None) -> Event:
    """Say that a challenger is compared with the champion, and whether something stands against the champion."""
    events = ledger.events()
    name = trial.challenger.id
    payload = {
        "summary": f"{name} is compared with {trial.champion.id} on the hold-out.",
        "stage": HOLDOUT,
        "request": request.id,
        "champion": trial.champion.id,
        "impaired": impaired(events),
        "data": dict(trial.data),
        "run_id": run_id,
    }
    return ledger.append(Entry("ab_test_started", actor, payload, version=name, key=f"ab_test/{request.id}/{name}"))


def conclude_comparison(
    ledger: Ledger, lake: Lake, request: Event, trial: Trial, table: pl.DataFrame, returns: pl.DataFrame, *, actor: str, run_id: str | None
) -> Event:
    """Record the verdict of a comparison, and what the challenger lets expect if it is promoted."""
    found = verdict(trial, table, returns)
    payload = {
        "summary": f"{trial.challenger.id} against {trial.champion.id}: {found['verdict']}. {found['reason']}",
        "stage": HOLDOUT,
        "request": request.id,
        "as_of": str(last_session(lake)),
        "data": dict(trial.data),
        "run_id": run_id,
        **found,
    }
    key = f"ab_verdict/{request.id}/{trial.challenger.id}"
    return ledger.append(Entry("ab_test_concluded", actor, payload, version=trial.challenger.id, key=key))


def verdict(trial: Trial, table: pl.DataFrame, returns: pl.DataFrame) -> dict[str, Any]:
    """What a comparison says, as it is recorded: the verdict, its figures, what it lets expect, and the returns it was computed from.

    Parameters
    ----------
    table, returns : DataFrame
        `schemas.AB_TEST`, `schemas.AB_RETURNS`.
    """
    from mech_exo_assets.quant.lifecycle.ab_test import continues, promotes
    from mech_exo_assets.quant.performance.inference import NO_VARIATION

    row, mode = table.row(-1, named=True), trial.strategy.lifecycle.ab_test.mode
    own = returns.filter(role="challenger").sort("date")
    by_role = {str(role): part["net_return"].to_numpy() for (role,), part in returns.partition_by("role", as_dict=True).items()}
    deviations = {role: float(values.std(ddof=1)) for role, values in by_role.items() if len(values) > 1}
    measured = len(deviations) > 1 and min(deviations.values()) > NO_VARIATION
    return {
        "reason": row["reason"],
        "champion": trial.champion.id,
        "verdict": row["verdict"],
        "promote": promotes(row["verdict"], mode),
        "continues": continues(row["verdict"], mode) and measured,
        "deviations": deviations if measured else None,
        "figures": {name: row[name] for name in ("sharpe", "champion_sharpe", "difference", "low", "p_value", "wanted", "n_sessions")},
        "expected": expected_of(own["net_return"].to_numpy(), first=own["date"][0], last=own["date"][-1]) if own.height else None,
        "returns": own["net_return"].to_list(),
    }


def verdict_among(events: Sequence[Event], promotion: Event) -> Event:
    """The comparison on the hold-out before a promotion; its payload has the challenger's returns on the hold-out."""
    of = [each for each in events if each.kind == "ab_test_concluded" and each.payload["request"] == promotion.payload["request"]]
    return next(each for each in reversed(of) if each.version == promotion.version and "returns" in each.payload)


def expected_of(returns: np.ndarray, *, first: dt.date, last: dt.date) -> dict[str, Any] | None:
    """Mean and deviation of a session's net return, and where they were measured; None of fewer than twenty."""
    if len(returns) < 20 or not float(returns.std()) > 0:
        return None
    return {
        "mean": float(returns.mean()),
        "deviation": float(returns.std(ddof=1)),
        "sessions": len(returns),
        "first_date": first.isoformat(),
        "last_date": last.isoformat(),
    }
