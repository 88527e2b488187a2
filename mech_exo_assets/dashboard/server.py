"""The dashboard as one WSGI application: pages, health, metrics, files, actions, and the rules around them.

What belongs here: putting these together. What does not: listening (`__main__`).
"""

from __future__ import annotations

import json
import secrets

import dash_ag_grid
from dash import Dash
from flask import Flask, Response, abort, g
from flask_wtf.csrf import CSRFProtect

from mech_exo_assets.dashboard import actions, contents, downloads, router
from mech_exo_assets.dashboard.access import sign_in
from mech_exo_assets.dashboard.access.guard import guard
from mech_exo_assets.dashboard.access.users import Users
from mech_exo_assets.dashboard.contents import Contents
from mech_exo_assets.dashboard.health import health
from mech_exo_assets.dashboard.metrics import exposition
from mech_exo_assets.dashboard.shell import shell
from mech_exo_assets.dashboard.watch import Watch
from mech_exo_assets.settings import Settings


def build_server(settings: Settings, *, loopback: bool = True, read_only: bool = False) -> Flask:
    """The application on a home.

    Parameters
    ----------
    settings : Settings
    loopback : bool
        Whether only this machine can reach it; otherwise cookies are sent over TLS only.
    read_only : bool
        Whether operators, too, may only look.

    Raises
    ------
    InputError
        If the file of users is not accepted.
    """
    users = None if settings.auth is None else Users(settings.auth)
    watch = Watch(settings)
    server = Flask("mech_exo_assets.dashboard", static_folder="static", template_folder="templates")
    server.config.update(
        # Forms need a key for their token also where nobody signs in; it may be another at each start then.
        SECRET_KEY=users.secret if users else secrets.token_hex(32),
        SESSION_COOKIE_NAME="mech_exo",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        # With a name of its own it stands behind a proxy that speaks TLS; browsers count loopback as safe, too.
        SESSION_COOKIE_SECURE=not loopback or bool(settings.dashboard_hosts),
        WTF_CSRF_TIME_LIMIT=sign_in.SESSION_SECONDS,
        WTF_CSRF_CHECK_DEFAULT=False,
    )
    # In this order: nothing of Dash is asked before it is known who asks, and by which name.
    policies: list[str] = []
    guard(server, hosts=settings.dashboard_hosts.split(), inline_scripts=policies)
    forms = CSRFProtect(server)
    sign_in.install(server, users, forms, read_only=read_only)
    app = Dash(
        "mech_exo_assets.dashboard",
        server=False,
        title="Mech-Exo",
        update_title="",
        serve_locally=True,
        compress=False,
        assets_folder="no-assets",
        suppress_callback_exceptions=True,
        external_stylesheets=["/static/dashboard.css"],
        index_string=_INDEX,
    )
    app.init_app(server)
    app.layout = lambda: shell(g.user, ui_url=settings.ui_url, home=str(settings.home))
    router.install(app, watch)
    contents.install(server, Contents(watch, grids=_grids_apart(app)))
    policies.extend(app.csp_hashes())
    _install_state(server, watch)
    downloads.install(server, watch)
    actions.install(server, watch, forms)
    return server


_INDEX = """<!doctype html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{%title%}</title>
<script src="/static/scheme.js"></script>
<script src="/static/pages.js"></script>
<link rel="icon" href="/static/icon.svg">
{%css%}
</head>
<body>
{%app_entry%}
{%config%}
{%scripts%}
{%renderer%}
</body>
</html>
"""


def _grids_apart(app: Dash) -> str:
    """Take AG Grid's script, a megabyte, from those that every page begins with; gives its address for the pages that have a grid."""
    # `_js_dist` is how a package of components says to Dash which scripts it has, and which of them are not for the first page.
    for script in dash_ag_grid._js_dist:  # noqa: SLF001
        if "async" not in script:
            script["dynamic"] = True
    return app.get_relative_path("/_dash-component-suites/dash_ag_grid/dash_ag_grid.min.js")


def _install_state(server: Flask, watch: Watch) -> None:
    @server.get("/health")
    def state() -> Response:
        with watch.view(g.user) as view:
            found = health(view, watch.faults)
        code = 503 if found["status"] == "fail" else 200
        if g.with_users and g.user is None:
            # Who has not signed in learns no more than a load balancer needs.
            found = {"status": found["status"]}
        return Response(json.dumps(found, indent=1) + "\n", code, mimetype="application/json")

    @server.get("/metrics")
    def metrics() -> Response:
        with watch.view(g.user) as view:
            body = exposition(view, health(view, watch.faults))
        return Response(body, mimetype="text/plain; version=0.0.4; charset=utf-8")

    @server.get("/favicon.ico")
    def favicon() -> Response:
        abort(404)
