"""From an address to a page.

What belongs here: which page stands at which address, and what is shown where one cannot be made. What does not: pages.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

import duckdb
from dash import ALL, MATCH, Dash, Input, Output, State
from flask import g

from mech_exo_assets.dashboard.pages import factor, factors, learning, lifecycle, name, overview, reports, strategy, weights
from mech_exo_assets.dashboard.parts import nothing, page
from mech_exo_assets.dashboard.shell import PAGES, badges, navigation
from mech_exo_assets.dashboard.view import View
from mech_exo_assets.dashboard.watch import Watch
from mech_exo_assets.storage.lake import Lake

if TYPE_CHECKING:
    from dash.development.base_component import Component

_BUILDERS = {
    "/": overview.build,
    "/factors": factors.build,
    "/strategy": strategy.build,
    "/weights": weights.build,
    "/learning": learning.build,
    "/lifecycle": lifecycle.build,
    "/reports": reports.build,
}
_OF_ONE = {"/factors/": factor.build, "/strategy/": name.build, "/lifecycle/": lifecycle.build_event}
"""Pages of one factor, name or event, whose address ends with it."""

_log = logging.getLogger("mech_exo.dashboard")


def install(app: Dash, watch: Watch) -> None:
    """Let the address decide what is shown."""

    @app.callback(
        Output("page", "children"),
        Output("navigation", "children"),
        Output("badges", "children"),
        Input("address", "pathname"),
    )
    def show(path: str | None) -> tuple[Component, list[Component], list[Component]]:
        asked = "/" + unquote(path or "/").strip("/")
        with watch.view(g.user) as view:
            return _made(view, asked), navigation(asked), badges(view)

    @app.callback(
        Output({"type": "explanation", "symbol": MATCH}, "children"),
        Input({"type": "explain", "symbol": MATCH, "day": ALL}, "n_clicks"),
        State({"type": "explain", "symbol": MATCH, "day": ALL}, "id"),
        prevent_initial_call=True,
    )
    def explain(_clicks: list[int], asked: list[dict[str, str]]) -> Component:
        return name.explanation(Lake(watch.settings.lake_path), asked[0]["symbol"], asked[0]["day"])

    # Titles and focus follow the page: a screen reader hears where it is.
    app.clientside_callback(
        """function(_children, path) {
            const heading = document.getElementById("page-title");
            if (heading) {
                document.title = heading.textContent + " · Mech-Exo";
                if (window.mechExoSeen) heading.focus({preventScroll: true});
                window.mechExoSeen = true;
            }
            return window.dash_clientside.no_update;
        }""",
        Output("page", "className"),
        Input("page", "children"),
        Input("address", "pathname"),
        prevent_initial_call=True,
    )


def _made(view: View, path: str) -> Component:
    try:
        return content(view, path)
    except duckdb.Error as error:
        # A mart of another release lacks a table or a column: that is said in place of the page, and the others still work.
        _log.exception("The page %s cannot be made.", path)
        said = str(error).partition("\n")[0]
        return page(
            "This page cannot be made",
            nothing(f"The published mart does not hold what it needs ({said}).", "Publish it anew:", command="mech-exo run"),
        )


def content(view: View, path: str) -> Component:
    """The page of an address."""
    if path in _BUILDERS:
        return _BUILDERS[path](view)
    for prefix, builder in _OF_ONE.items():
        if path.startswith(prefix) and "/" not in path[len(prefix) :]:
            return builder(view, path[len(prefix) :])
    return page("No such page", nothing(f"There is nothing at {path}.", f"There are: {', '.join(PAGES.values())}."))
