"""What no request gets past: the host that it asks, its size, where it comes from, and the headers of every answer.

What belongs here: rules that hold for all addresses. What does not: who somebody is (`sign_in`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request

LARGEST = 1_000_000
"""Bytes of a request's body."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_READING = ("GET", "HEAD", "OPTIONS")
_POLICY = (
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:;"
    " font-src data:; frame-ancestors 'none'"
)
"""Of a report, which carries its own scripts: it runs apart from everything else, and asks for nothing."""


def guard(server: Flask, *, hosts: Collection[str], inline_scripts: Sequence[str] = ()) -> None:
    """Put the rules before and after every request.

    Parameters
    ----------
    server : Flask
    hosts : collection of str
        Names under which it may be asked, besides those of loopback. A request for another name is refused, so that no page elsewhere can
        reach this server through a name that was made to point here (DNS rebinding).
    inline_scripts : sequence of str
        Hashes of the scripts that a page carries itself, as Content-Security-Policy takes them; read at each answer.
    """
    allowed = {*LOOPBACK, *(name.lower() for name in hosts)}
    server.config["MAX_CONTENT_LENGTH"] = LARGEST

    @server.before_request
    def _check() -> None:
        if _name(request.host) not in allowed:
            abort(421, "This server is not asked by that name. MECH_EXO_DASHBOARD_HOSTS has the names that it knows.")
        if (request.content_length or 0) > LARGEST:
            abort(413, f"A request may have {LARGEST} bytes.")
        if request.method not in _READING and not _from_here():
            abort(403, "The request comes from another page than this server's.")

    @server.after_request
    def _headers(response: Response) -> Response:
        found = response.headers
        scripts = " ".join(["'self'", *inline_scripts])
        found.setdefault("Content-Security-Policy", f"default-src 'self'; script-src {scripts}; {_POLICY}")
        found["X-Content-Type-Options"] = "nosniff"
        found["X-Frame-Options"] = "DENY"
        found["Referrer-Policy"] = "same-origin"
        found["Cross-Origin-Opener-Policy"] = "same-origin"
        found["Cross-Origin-Resource-Policy"] = "same-origin"
        found["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()"
        if response.mimetype in ("text/html", "application/json"):
            found["Cache-Control"] = "no-store"
        return response


def _name(host: str) -> str:
    """The name in a Host header, without its port; empty where it is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _from_here() -> bool:
    """Whether a page of this server sent the request: browsers say so, and cannot be made to lie by a page elsewhere."""
    origin = request.headers.get("Origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() == request.host.lower()
    return request.headers.get("Sec-Fetch-Site") in ("same-origin", "none")
