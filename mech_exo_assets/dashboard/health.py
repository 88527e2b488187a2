"""Whether this home works, for load balancers and for people.

What belongs here: what is looked at, and what makes it unhealthy. What does not: alerts about the strategy (`defs.announcements`), which a
load balancer could do nothing about.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from mech_exo_assets.dashboard.view import View

LEAST_FREE = 0.05
"""Share of the disk that has to be free."""


def health(view: View, faults: Mapping[str, str]) -> dict[str, Any]:
    """The state of a home; `status` is `ok`, `warn` (a person should look) or `fail` (do not send anybody here).

    Parameters
    ----------
    view : View
    faults : mapping of str to str
        What could not be read, and why (`Watch.faults`).
    """
    disk = shutil.disk_usage(view.settings.home if view.settings.home.exists() else view.settings.home.anchor)
    failing = [f"{name}: {why}" for name, why in faults.items()]
    if view.mart is None:
        failing.append("nothing was published yet; run `mech-exo run`")
    checked = view.verified
    if checked is None:
        failing.append("ledger: it could not be verified yet")
    elif checked.fault:
        failing.append(f"ledger: {checked.fault}")
    if disk.free < LEAST_FREE * disk.total:
        failing.append(f"disk: {disk.free / 1e9:.1f} GB free of {disk.total / 1e9:.1f} GB")
    warnings = [f"open alert: {event.payload['summary']}" for event in view.open_alerts]
    if view.drift_status == "BREACH":
        warnings.append("drift: BREACH")
    now = view.champion
    return {
        "status": "fail" if failing else "warn" if warnings else "ok",
        "reasons": failing + warnings,
        "time": view.now.isoformat(timespec="seconds"),
        "champion": None if now is None else {"version": now.version, "since": now.since.isoformat(), "event": now.event},
        "drift": {
            "status": view.drift_status,
            "windows": {str(row["window"]): row["status"] for row in view.drift.iter_rows(named=True)},
            "as_of": None if view.drift.is_empty() else view.drift["date"][0].isoformat(),
        },
        "factors": view.statuses,
        "last_session": None if view.last_session is None else view.last_session.isoformat(),
        "groups": _groups(view),
        "ledger": {
            "events": len(view.events),
            "verified": checked is not None and checked.fault is None,
            "verified_at": None if checked is None else checked.at.isoformat(timespec="seconds"),
            "fault": None if checked is None else checked.fault,
        },
        "database": {"reachable": "database" not in faults, "fault": faults.get("database")},
        "disk": {"free_bytes": disk.free, "total_bytes": disk.total},
        "open_alerts": len(view.open_alerts),
        "last_runs": [{"run_id": run.run_id, "job": run.job, "status": run.status} for run in view.runs[:5]],
    }


def _groups(view: View) -> dict[str, dict[str, Any]]:
    return {
        group: {"published_at": at.isoformat(timespec="seconds"), "age_seconds": round((view.now - at).total_seconds())}
        for group, at in sorted(view.groups.items())
    }
