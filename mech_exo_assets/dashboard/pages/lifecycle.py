"""What was decided, when, why and by whom: the ledger as a timeline, the champions, and each decision with its figures.

What belongs here: the pages of the ledger. What does not: acting on it (`actions`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl
from dash import html

from mech_exo_assets.dashboard import figures
from mech_exo_assets.dashboard.parts import badge, facts, grid, grid_of, link, moment, nothing, origin, page, picture, section, table
from mech_exo_assets.dashboard.view import View
from mech_exo_assets.quant.lifecycle.reigns import champion_table
from mech_exo_assets.reports.formats import number
from mech_exo_assets.schemas import AB_RETURNS, AB_TEST, BENEFIT, LIVE_COMPARISON, PROBATION
from mech_exo_assets.storage.ledger import KINDS

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from mech_exo_assets.storage.ledger import Event

TITLE = "Lifecycle"
_PATHS = {"taken": "path taken", "never": "never retrained", "calendar": "refitted by the calendar"}


def build(view: View) -> Component:
    """The page."""
    if not view.events:
        return page(
            TITLE,
            _verified(view),
            section(
                "Timeline",
                nothing("The ledger has no event yet.", "The first complete run writes it:", command="mech-exo run"),
                name="timeline",
                wide=True,
            ),
        )
    return page(
        TITLE,
        grid_of(_verified(view), _probation(view)),
        _champions(view),
        _timeline(view),
        grid_of(_comparison(view), _benefit(view)),
        lead="Every detection, request, verdict and change of champion, as the append-only ledger has it.",
    )


def _verified(view: View) -> Component:
    found = view.verified
    if found is None:
        missing = nothing("The ledger could not be read yet.", "`/health` says why.")
        return section("Ledger", missing, name="ledger")
    word = "BROKEN" if found.fault else "verified"
    shown: dict[str, Any] = {"chain": badge(word, name="ledger-verified"), "events": str(len(view.events)), "verified at": moment(found.at)}
    if found.fault:
        shown["fault"] = found.fault
    if view.events:
        shown["head"] = html.Code(view.events[-1].hash[:16] + "…", title=view.events[-1].hash)
    return section(
        "Ledger",
        facts(shown),
        name="ledger",
        caption="each event has the hash of the one before it; mech-exo ledger verify walks the chain again",
    )


def _probation(view: View) -> Component:
    if not view.has(PROBATION.key):
        return section("Probation", nothing("No promotion has been watched yet.", "One is, for its first sessions."), name="probation")
    row = view.query("SELECT * FROM lifecycle.probation ORDER BY date DESC LIMIT 1").row(0, named=True)
    shown = {
        "version": row["version"],
        "sessions since": str(row["sessions"]),
        "live return": number(100 * row["live_return"], 2, " %"),
        "limit": "none" if row["limit"] is None else number(100 * row["limit"], 2, " %"),
        "status": badge({"breach": "BREACH", "passed": "passed"}.get(row["status"], row["status"])),
    }
    return section("Probation", facts(shown), name="probation", caption=origin(view, PROBATION.key, as_of=row["date"]))


def _champions(view: View) -> Component:
    rows = champion_table(view.events).sort("event", descending=True)
    if rows.is_empty():
        return section(
            "Champions",
            nothing("No strategy is deployed yet.", "The first complete run registers it:", command="mech-exo run"),
            name="champions",
            wide=True,
        )
    cells = [
        (
            row["version"],
            str(row["since"]),
            "now" if row["until"] is None else str(row["until"]),
            row["how"].replace("_", " "),
            row["actor"],
            row["reason"],
            _event_link(row["event"]),
        )
        for row in rows.iter_rows(named=True)
    ]
    heads = ("version", "from session", "to session", "how", "by", "why", "event")
    return section(
        "Champions",
        table(heads, cells, label="Champions", name="champion-table"),
        name="champions",
        caption="a fold over the ledger's events",
        wide=True,
    )


def _event_link(event: int) -> Component:
    return link(f"event {event}", f"/lifecycle/{event}")


def _timeline(view: View) -> Component:
    rows = [
        {
            "event": f"[{event.id}](/lifecycle/{event.id})",
            "time": moment(event.time),
            "kind": event.kind.replace("_", " "),
            "version": event.version or "",
            "by": event.actor,
            "what": event.payload["summary"],
        }
        for event in reversed(view.events)
    ]
    columns = [
        {"field": "event", "cellRenderer": "markdown", "pinned": "left", "width": 90},
        {"field": "time", "headerName": "time"},
        {"field": "kind"},
        {"field": "version"},
        {"field": "by"},
        {"field": "what", "width": 640, "wrapText": True, "autoHeight": True, "suppressAutoSize": True, "flex": 1, "minWidth": 420},
    ]
    return section(
        "Timeline",
        grid("timeline-grid", pl.DataFrame(rows), columns, label="Events of the ledger", page=20),
        name="timeline",
        caption="newest first; a number leads to all that was recorded",
        wide=True,
    )


def _comparison(view: View) -> Component:
    title = "Challenger against champion"
    if view.has(LIVE_COMPARISON.key):
        rows = view.query("SELECT * FROM lifecycle.live_comparison ORDER BY date")
        known = rows.filter(pl.col("low").is_not_null())
        if known.height:
            figure = figures.band(known, y="annual Sharpe ratio, challenger less champion", wanted=float(known["wanted"][-1]))
            last = known.row(-1, named=True)
            return section(
                title,
                picture(
                    "live-comparison",
                    figure,
                    f"After {last['sessions']} sessions in {last['stage']}, with the interval that holds whenever one looks.",
                ),
                name="comparison",
                caption=origin(view, LIVE_COMPARISON.key, as_of=last["date"]),
            )
    if not view.has(AB_TEST.key, AB_RETURNS.key):
        return section(
            title,
            nothing("No challenger has been compared yet.", "Drift or decay asks for one, or", command="mech-exo retrain --reason …"),
            name="comparison",
        )
    row = view.query("SELECT * FROM lifecycle.ab_test ORDER BY last_date DESC LIMIT 1").row(0, named=True)
    returns = view.query("SELECT date, role, net_return FROM lifecycle.ab_returns ORDER BY date")
    labels = {"challenger": f"challenger {row['version']}", "champion": f"champion {row['champion']}"}
    return section(
        title,
        facts(
            {
                "verdict": row["verdict"],
                "difference of Sharpe ratios": f"{number(row['difference'])}, above {number(row['low'])} with confidence",
                "wanted": f"above {number(row['wanted'])}",
                "why": row["reason"],
            }
        ),
        picture(
            "ab-growth",
            figures.growth(returns, "role", "net_return", labels),
            f"Growth of 1 on the {row['n_sessions']} sessions from {row['first_date']} to {row['last_date']} that neither was fitted on.",
        ),
        name="comparison",
        caption=origin(view, AB_TEST.key, AB_RETURNS.key, as_of=row["last_date"]),
    )


def _benefit(view: View) -> Component:
    title = "What retraining was worth"
    if not view.has(BENEFIT.key):
        return section(
            title, nothing("There is nothing to compare yet.", "It is measured from the first champion's first session on."), name="benefit"
        )
    rows = view.query("SELECT date, path, net_return FROM lifecycle.benefit ORDER BY date")
    return section(
        title,
        picture(
            "benefit-growth",
            figures.growth(rows, "path", "net_return", _PATHS),
            "Growth of 1 after costs: of the path taken, of the first champion kept for ever, and of one that is refitted by the calendar.",
        ),
        name="benefit",
        caption=origin(view, BENEFIT.key, as_of=rows["date"][-1]),
    )


def build_event(view: View, number_: str) -> Component:
    """All that was recorded of one event, with what belongs to the same request."""
    back = link("Lifecycle", "/lifecycle")
    event = next((each for each in view.events if str(each.id) == number_), None)
    if event is None:
        return page("No such event", back, nothing(f"The ledger has no event '{number_}'.", f"It has {len(view.events)} events."))
    payload = event.payload
    parts = [
        section("Event", facts(_head(view, event)), name="event", caption=f"hash {event.hash}"),
        _figures_of(payload),
        _gates_of(payload),
        _tables_of(view, payload),
        _related(view, event),
        section(
            "Everything that was recorded",
            html.Pre(json.dumps(dict(payload), indent=1, default=str), tabIndex=0),
            name="payload",
            wide=True,
        ),
    ]
    return page(
        f"Event {event.id}: {event.kind.replace('_', ' ')}", back, *(each for each in parts if each is not None), lead=payload["summary"]
    )


def _head(view: View, event: Event) -> Mapping[str, Any]:
    run = view.run_link(event.payload.get("run_id"))
    shown: dict[str, Any] = {"time": moment(event.time), "kind": KINDS[event.kind], "by": event.actor}
    if event.version:
        shown["version"] = event.version
    if event.payload.get("as_of"):
        shown["session"] = str(event.payload["as_of"])
    if event.payload.get("reason"):
        shown["why"] = str(event.payload["reason"])
    if run is not None:
        shown["run"] = link(str(event.payload["run_id"])[:8], run, out=True)
    shown["compute it again"] = html.Code(f"mech-exo replay {event.id}")
    return shown


def _figures_of(payload: Mapping[str, Any]) -> Component | None:
    found = {name: payload[name] for name in ("metric", "value", "threshold") if payload.get(name) is not None} | {
        name: value for name, value in (payload.get("figures") or {}).items() if value is not None
    }
    if not found:
        return None
    rows = [(name.replace("_", " "), number(value, 4) if isinstance(value, float) else str(value)) for name, value in found.items()]
    return section(
        "Figures", table(("figure", "value"), rows, label="Figures", numbers=(1,), name="event-figures"), name="event-figures-section"
    )


def _gates_of(payload: Mapping[str, Any]) -> Component | None:
    if not payload.get("gates"):
        return None
    rows = [
        (
            row["gate"].replace("_", " "),
            number(row["value"], 3),
            number(row["threshold"], 3),
            badge({True: "passed", False: "failed", None: "not judged"}[row["passed"]]),
            row["meaning"],
        )
        for row in payload["gates"]
    ]
    return section(
        "Gates",
        table(("gate", "value", "threshold", "passed", "meaning"), rows, label="Gates", numbers=(1, 2), name="gates"),
        name="gates-section",
        wide=True,
    )


def _tables_of(view: View, payload: Mapping[str, Any]) -> Component | None:
    read = {**(payload.get("data") or {}), **(payload.get("tables") or {})}
    if not read:
        return None
    rows = [(link(key, view.asset_link(key), out=True), str(version)) for key, version in sorted(read.items())]
    return section(
        "Data it was decided on",
        table(("table", "version"), rows, label="Versions of tables", numbers=(1,)),
        name="data-versions",
        caption="each version is kept in the lake; a replay reads it again",
    )


def _related(view: View, event: Event) -> Component | None:
    request = event.id if event.kind == "retrain_requested" else event.payload.get("request")
    if request is None:
        return None
    rows = [
        (_event_link(each.id), moment(each.time), each.kind.replace("_", " "), each.payload["summary"])
        for each in view.events
        if each.id == request or each.payload.get("request") == request
    ]
    return section(
        "The episode", table(("event", "time", "kind", "what"), rows, label="Events of the same request"), name="episode", wide=True
    )
