"""Signing in and out, and who asks.

What belongs here: sessions. What does not: passwords (`users`), and what an operator may do (`actions`).
"""

from __future__ import annotations

import time
from urllib.parse import quote

from flask import Flask, Response, abort, g, redirect, render_template, request, session
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect
from limits import parse_many
from werkzeug.wrappers import Response as AnyResponse

from mech_exo_assets.dashboard.access.users import ROLES, User, Users

SESSION_SECONDS = 12 * 3600
"""After so long everybody signs in again."""
SIGNED_IN = "/signed-in"
"""Where a proxy asks whether it may let a request through to another program, with the cookie that came with it."""
_OPEN = ("/sign-in", SIGNED_IN, "/favicon.ico", "/health")
"""Addresses for which nobody has to sign in, beside the static files. `/health` says less there then."""
ATTEMPTS = "10 per minute; 60 per hour"
"""Of signing in, from one address."""
ATTEMPTS_OF_A_NAME = "20 per hour"
"""Of signing in with one name, from wherever."""


def install(server: Flask, users: Users | None, forms: CSRFProtect, *, read_only: bool) -> None:
    """Ask everybody who comes to sign in; nobody where there is no file of users."""
    server.get(SIGNED_IN)(_for_proxies)
    if users is None:
        server.before_request(_nobody)
        return
    limiter = Limiter(get_remote_address, app=server, storage_uri="memory://", default_limits=[])

    @server.before_request
    def _who() -> AnyResponse | None:
        user = _in_session(users) or _by_header(users, limiter)
        g.user, g.with_users = User(user.name, "viewer") if user is not None and read_only else user, True
        if g.user is not None or (request.path in _OPEN or request.path.startswith("/static/")):
            return None
        if request.path == "/metrics":
            return Response("Sign in, with a user of the dashboard.\n", 401, {"WWW-Authenticate": 'Basic realm="Mech-Exo"'})
        if request.method == "GET" and request.accept_mimetypes.accept_html and not request.path.startswith("/_"):
            return redirect(f"/sign-in?next={quote(request.full_path.rstrip('?'), safe='')}")
        return Response('{"error": "Sign in first."}\n', 401, mimetype="application/json")

    @server.get("/sign-in")
    def sign_in_page() -> str:
        return render_template("sign_in.html", next=_inside(request.args.get("next")), fault=None)

    @server.post("/sign-in")
    @limiter.limit(ATTEMPTS)
    @limiter.limit(ATTEMPTS_OF_A_NAME, key_func=lambda: f"name:{request.form.get('name', '')[:64].lower()}")
    def sign_in() -> AnyResponse | tuple[str, int]:
        forms.protect()
        user = users.authenticated(request.form.get("name", ""), request.form.get("password", ""))
        after = _inside(request.form.get("next"))
        if user is None:
            return render_template("sign_in.html", next=after, fault="Name or password is wrong."), 401
        # What the session held before is not that of the user: a session that somebody else had begun is not taken over.
        session.clear()
        session.update(name=user.name, mark=users.mark(user.name), until=time.time() + SESSION_SECONDS)
        return redirect(after)

    @server.post("/sign-out")
    def sign_out() -> AnyResponse:
        forms.protect()
        session.clear()
        return redirect("/sign-in")

    @server.errorhandler(429)
    def too_often(_error: Exception) -> tuple[str, int]:
        return render_template("sign_in.html", next="/", fault="Too many attempts. Wait a minute, and try again."), 429


def require_operator() -> User:
    """Who asks, if they may act; the request is refused otherwise."""
    user: User | None = g.user
    if user is None or not user.may_act:
        abort(403, "Only an operator may do that.")
    return user


def _for_proxies() -> AnyResponse:
    """204 where who asks has the role in `?role=` (default: viewer), with name and role in headers; else 401, or 403.

    Where nobody signs in, nobody is let through: a proxy that asks relies on users.
    """
    wanted, user = request.args.get("role", "viewer"), g.user
    if wanted not in ROLES:
        return Response(f"No such role. They are {', '.join(ROLES)}.\n", 403, mimetype="text/plain")
    if user is None:
        said = ("Sign in first.\n", 401) if g.with_users else ("Nobody can sign in here: MECH_EXO_AUTH names no file of users.\n", 403)
        return Response(*said, mimetype="text/plain")
    if wanted == "operator" and not user.may_act:
        return Response("Only an operator may do that.\n", 403, mimetype="text/plain")
    # Asked at each request: what was true for the last one may have ended.
    return Response(status=204, headers={"X-Mech-Exo-User": user.name, "X-Mech-Exo-Role": user.role, "Cache-Control": "no-store"})


def _nobody() -> None:
    g.user, g.with_users = None, False


def _in_session(users: Users) -> User | None:
    name = session.get("name")
    if not isinstance(name, str) or session.get("until", 0) < time.time():
        return None
    user = users.user(name)
    return user if user is not None and session.get("mark") == users.mark(name) else None


def _by_header(users: Users, limiter: Limiter) -> User | None:
    """Who a program says that it is: what Prometheus sends. Reading only; wrong passwords count as attempts to sign in."""
    sent = request.authorization
    if request.path not in ("/metrics", "/health") or sent is None or sent.type != "basic":
        return None
    limits, address = parse_many(ATTEMPTS), get_remote_address()
    if not all(limiter.limiter.test(limit, "header", address) for limit in limits):
        abort(429)
    user = users.authenticated(sent.username or "", sent.password or "")
    if user is None:
        for limit in limits:
            limiter.limiter.hit(limit, "header", address)
    return user


def _inside(address: str | None) -> str:
    """An address of this server, or the first page."""
    return address if address and address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable() else "/"
