"""The first page: who is champion, whether live keeps to it, which factors work, what ran, what waits for a person, how old the data are.

What belongs here: that page. What does not: any of it in depth (the other pages).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import html

from mech_exo_assets.dashboard.parts import age, badge, facts, grid_of, link, moment, nothing, origin, page, section, table
from mech_exo_assets.dashboard.view import View
from mech_exo_assets.defs.refresh import read_record
from mech_exo_assets.quant.lifecycle.episodes import comparison_under_way, open_request, promotion_under_probation
from mech_exo_assets.reports.formats import number, percent
from mech_exo_assets.schemas import DRIFT, PRICES, STATUS

if TYPE_CHECKING:
    from dash.development.base_component import Component

TITLE = "Overview"
_STATUSES = ("healthy", "recovered", "watch", "decayed", "unproven")


def build(view: View) -> Component:
    """The page."""
    return page(
        TITLE,
        grid_of(_champion(view), _drift(view), _factors(view), _freshness(view), broad=True),
        _alerts(view),
        _runs(view),
        lead="The state of this home, from what was published last.",
    )


def _champion(view: View) -> Component:
    now = view.champion
    if now is None:
        return section(
            "Champion",
            nothing("No strategy is deployed yet.", "The first complete run registers it:", command="mech-exo run"),
            name="champion",
        )
    waiting: Any = promotion_under_probation(view.events)
    asked, compared = open_request(view.events), comparison_under_way(view.events)
    state = "on probation" if waiting is not None else "champion"
    coming = "none is asked for" if asked is None else f"asked for by event {asked.id}"
    if compared is not None:
        coming = f"{compared.version} is compared in {compared.payload['stage']}"
    return section(
        "Champion",
        facts(
            {
                "version": link(now.version, "/lifecycle"),
                "since": f"{now.since} (decided {moment(now.time)})",
                "how": now.how.replace("strategy_registered", "registered").replace("_", " "),
                "by": now.actor,
                "state": state,
                "challenger": coming,
            }
        ),
        name="champion",
        caption=f"ledger: {len(view.events)} event{'' if len(view.events) == 1 else 's'}, the newest of {moment(view.events[-1].time)}",
    )


def _drift(view: View) -> Component:
    title = "Live against backtest"
    overall = badge(view.drift_status, name="drift-status", about="drift")
    if view.drift.is_empty():
        missing = nothing("No live session is compared yet.", "A fill or a paper account begins it:", command="mech-exo run")
        return section(title, overall, missing, name="drift")
    rows = [
        (
            f"{row['window']} sessions",
            badge(row["status"]),
            percent(row["live_return"]),
            percent(row["backtest_return"]),
            number(row["information_ratio"]),
        )
        for row in view.drift.iter_rows(named=True)
    ]
    return section(
        title,
        overall,
        table(
            ("window", "status", "live, annual", "backtest, annual", "information ratio"), rows, label="Drift by window", numbers=(2, 3, 4)
        ),
        name="drift",
        caption=origin(view, DRIFT.key, as_of=view.drift["date"][0]),
    )


def _factors(view: View) -> Component:
    if not view.statuses:
        return section("Factors", nothing("No factor is monitored yet.", "A complete run does it:", command="mech-exo run"), name="factors")
    rows = [(badge(name), view.statuses.get(name, 0)) for name in _STATUSES if name in view.statuses]
    return section(
        "Factors",
        table(("status", "factors"), rows, label="Factors by status", numbers=(1,), name="factor-counts"),
        link("All factors", "/factors"),
        name="factors",
        caption=origin(view, STATUS.key, as_of=view.statuses_until),
    )


def _freshness(view: View) -> Component:
    if view.mart is None or view.last_session is None:
        return section("Data", nothing("Nothing was published yet.", "A complete run does it:", command="mech-exo run"), name="data")
    rows = [
        (group, moment(at), age((view.now - at).total_seconds()))
        for group, at in sorted(view.groups.items(), key=lambda each: each[1], reverse=True)
    ]
    record = read_record(view.settings.home)
    days = (view.now.date() - view.last_session).days
    return section(
        "Data",
        facts(
            {
                "last session": html.Strong(str(view.last_session)),
                "that is": f"{days} days ago",
                "source": record.source if record is not None else view.settings.source,
            }
        ),
        table(("group", "changed", "ago"), rows, label="When each group changed"),
        name="data",
        caption=origin(view, PRICES.key, as_of=view.last_session),
    )


def _alerts(view: View) -> Component:
    if not view.open_alerts:
        return section("Open alerts", nothing("None.", "No detection stands, and nothing waits for a person."), name="alerts", wide=True)
    may_act = view.user is not None and view.user.may_act
    rows = [
        (
            link(f"event {event.id}", f"/lifecycle/{event.id}"),
            moment(event.time),
            event.kind.replace("_", " "),
            event.payload["summary"],
            *([link("acknowledge", f"/actions?event={event.id}", out=True)] if may_act else []),
        )
        for event in view.open_alerts
    ]
    return section(
        "Open alerts",
        table(("event", "time", "kind", "what", *(["action"] if may_act else [])), rows, label="Open alerts"),
        name="alerts",
        caption="from the ledger; an alert is open until what was detected is over, or a person acknowledges it",
        wide=True,
    )


def _runs(view: View) -> Component:
    if not view.runs:
        return section("Last runs", nothing("Nothing has run yet.", "Begin with", command="mech-exo run"), name="runs", wide=True)
    rows = [
        (
            link(run.run_id[:8], view.run_link(run.run_id) or "", out=True),
            run.job,
            badge(run.status),
            moment(run.started),
            "" if run.seconds is None else f"{run.seconds:.1f} s",
            run.who,
            run.why,
        )
        for run in view.runs
    ]
    heads = ("run", "job", "status", "started", "took", "launched by", "why")
    return section(
        "Last runs", table(heads, rows, label="Last runs", numbers=(4,)), name="runs", caption="from Dagster's run storage", wide=True
    )
