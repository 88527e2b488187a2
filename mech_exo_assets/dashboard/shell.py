"""The frame around every page: name, navigation, the two badges that matter, light and dark, and who is signed in.

What belongs here: what is there on every page. What does not: the pages.
"""

from __future__ import annotations

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component
from flask_wtf.csrf import generate_csrf

from mech_exo_assets.dashboard.access.users import User
from mech_exo_assets.dashboard.parts import badge
from mech_exo_assets.dashboard.view import View

PAGES = {
    "/": "Overview",
    "/factors": "Factor health",
    "/strategy": "Strategy",
    "/weights": "Weights",
    "/learning": "Learning",
    "/lifecycle": "Lifecycle",
    "/reports": "Reports",
}
"""Addresses and names, in the order of the navigation."""


def shell(user: User | None, *, ui_url: str, home: str) -> Component:
    """The whole document; `static/pages.js` fills `page`, `navigation` and `badges`."""
    right: list[Component] = [
        html.Button("Newer data: load again", id="news", type="button", className="quiet", hidden=True),
        html.Span(id="badges", role="status"),
        html.Button("Light / dark", id="scheme", type="button", className="quiet"),
    ]
    if user is not None:
        right += [
            html.Span(f"{user.name} ({user.role})", id="user"),
            html.A("Actions", href="/actions") if user.may_act else html.Span(),
            html.Form(
                [
                    dcc.Input(type="hidden", name="csrf_token", value=generate_csrf()),
                    html.Button("Sign out", type="submit", className="quiet"),
                ],
                method="POST",
                action="/sign-out",
            ),
        ]
    return html.Div(
        [
            html.A("To the content", href="#main", className="skip"),
            dcc.Location(id="address", refresh="callback-nav"),
            html.Header(
                [
                    dcc.Link([html.Img(src="/static/icon.svg", alt=""), "Mech-Exo"], href="/", className="brand"),
                    html.Nav(html.Ul(id="navigation"), **{"aria-label": "Pages"}),
                    html.Div(right, className="right"),
                ],
                className="top",
            ),
            html.Main(html.Div(html.P("Reading …", role="status"), id="page"), id="main"),
            html.Footer(
                [
                    "Home ",
                    html.Code(home),
                    " · ",
                    html.A("Dagster UI", href=ui_url, target="_blank", rel="noopener noreferrer"),
                    " · ",
                    html.A("/health", href="/health"),
                    " · ",
                    html.A("/metrics", href="/metrics"),
                ]
            ),
        ],
    )


def navigation(path: str) -> list[Component]:
    """The links; the one whose page, or a part of it, is open is marked."""
    here = next(
        (each for each in sorted(PAGES, key=len, reverse=True) if path == each or (each != "/" and path.startswith(f"{each}/"))), ""
    )
    marked: dict[str, Any] = {"aria-current": "page"}
    return [html.Li(dcc.Link(name, href=each), **(marked if each == here else {})) for each, name in PAGES.items()]


def badges(view: View) -> list[Component]:
    """Drift, and the open alerts: there on every page."""
    count = len(view.open_alerts)
    found: list[Component] = [html.Span(["Drift ", badge(view.drift_status)])]
    if count:
        found.append(badge(f"{count} open alert{'' if count == 1 else 's'}"))
    if view.verified is not None and view.verified.fault:
        found.append(badge("BROKEN", about="ledger"))
    return found
