"""From an address to a page.

What belongs here: which page stands at which address, and what is shown where one cannot be made. What does not: pages.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import duckdb
from dash import ALL, MATCH, ClientsideFunction, Dash, Input, Output, State

from mech_exo_assets.dashboard.pages import factor, factors, learning, lifecycle, name, overview, reports, strategy, weights
from mech_exo_assets.dashboard.parts import nothing, page
from mech_exo_assets.dashboard.shell import PAGES
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
    """Let the address decide what is shown: the browser asks for it (`static/pages.js`, `contents`)."""
    app.clientside_callback(
        ClientsideFunction("mechExo", "show"),
        Output("page", "children"),
        Output("navigation", "children"),
        Output("badges", "children"),
        Input("address", "pathname"),
    )
    app.clientside_callback(
        ClientsideFunction("mechExo", "titled"),
        Output("page", "className"),
        Input("page", "children"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output({"type": "explanation", "symbol": MATCH}, "children"),
        Input({"type": "explain", "symbol": MATCH, "day": ALL}, "n_clicks"),
        State({"type": "explain", "symbol": MATCH, "day": ALL}, "id"),
        prevent_initial_call=True,
    )
    def explain(_clicks: list[int], asked: list[dict[str, str]]) -> Component:
        return name.explanation(Lake(watch.settings.lake_uri), asked[0]["symbol"], asked[0]["day"])


def page_at(view: View, path: str) -> Component:
    """The page of an address, or what is shown where it cannot be made."""
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
