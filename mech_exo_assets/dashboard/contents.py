"""What the browser draws, as it is sent: each page built once for all who look at the same state.

What belongs here: from a page to bytes, how long they are kept, and the addresses under which a browser asks for them. What does not:
pages, and which one stands where (`router`).
"""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import OrderedDict
from urllib.parse import unquote

from flask import Flask, Response, g, request
from plotly.io.json import to_json_plotly

from mech_exo_assets.dashboard import router
from mech_exo_assets.dashboard.access.users import User
from mech_exo_assets.dashboard.shell import badges, navigation
from mech_exo_assets.dashboard.view import View
from mech_exo_assets.dashboard.watch import Watch

KEPT = 200
"""Pages that are kept; the one that was asked for longest ago goes first."""
KEPT_SECONDS = 10
"""For so long a page is kept: its ages ("5 minutes ago") are no older than that, and what it reads beside the mart, ledger and runs."""
_LEVEL = 4
_GRIDS = b'"namespace":"dash_ag_grid"'

Key = tuple[str, bool, str, int]


class Contents:
    """Pages of a home, ready to be sent; may be asked from many threads.

    Parameters
    ----------
    watch : Watch
    grids : str
        Address of the script that draws grids, for pages that have one.
    """

    def __init__(self, watch: Watch, *, grids: str) -> None:
        self._watch = watch
        self._grids = grids
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._building: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def state(self) -> str:
        """What all pages are made from, as one word that is another as soon as any of it is."""
        with self._watch.view() as view:
            return state_of(view)

    def packed(self, address: str, user: User | None) -> bytes:
        """What stands at an address, as compressed JSON: page, navigation, badges, the state, and the scripts that it needs."""
        path = "/" + unquote(address).strip("/")
        with self._watch.view(user) as view:
            key = (path, user is not None and user.may_act, state_of(view), int(view.now.timestamp() // KEPT_SECONDS))
            with self._lock:
                building = self._building.setdefault(key, threading.Lock())
            # Of those who ask for the same page at once, one builds it.
            try:
                with building:
                    found = self._get(key)
                    if found is None:
                        found = self._built(view, path)
                        self._keep(key, found)
            finally:
                with self._lock:
                    self._building.pop(key, None)
            return found

    def _get(self, key: Key) -> bytes | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: Key, found: bytes) -> None:
        with self._lock:
            self._kept[key] = found
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)

    def _built(self, view: View, path: str) -> bytes:
        content = router.page_at(view, path)
        page = to_json_plotly(content).encode()
        rest = to_json_plotly(
            {
                "navigation": navigation(path),
                "badges": badges(view),
                "state": state_of(view),
                "scripts": [self._grids] if _GRIDS in page else [],
            }
        ).encode()
        return gzip.compress(b'{"page":' + page + b"," + rest[1:], _LEVEL)


def state_of(view: View) -> str:
    """Published tables, ledger and runs as one word."""
    mart = None if view.mart is None else view.mart.stamp
    fault = None if view.verified is None else view.verified.fault
    known = (mart, len(view.events), fault, [(run.run_id, run.status) for run in view.runs])
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def install(server: Flask, contents: Contents) -> None:
    """Answer the browser's script (`static/pages.js`)."""

    @server.get("/content")
    def content() -> Response:
        packed = contents.packed(request.args.get("path", "/"), g.user)
        if "gzip" in request.accept_encodings:
            return Response(packed, mimetype="application/json", headers={"Content-Encoding": "gzip", "Vary": "Accept-Encoding"})
        return Response(gzip.decompress(packed), mimetype="application/json", headers={"Vary": "Accept-Encoding"})

    @server.get("/state")
    def newest() -> Response:
        return Response(contents.state(), mimetype="text/plain")
