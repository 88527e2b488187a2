"""`python -m mech_exo_assets.dashboard`: the dashboard of the home in the environment, until it is ended.

What belongs here: listening. What does not: options for people (`mech-exo dashboard`).
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys

from waitress.server import create_server

from mech_exo_assets.dashboard.access.guard import LOOPBACK
from mech_exo_assets.dashboard.server import build_server
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.settings import Settings, load_settings

THREADS = 8
_NICE = 5
"""Steps of priority that it gives way to runs by."""


def require_users(settings: Settings, host: str) -> None:
    """Refuse to be reached from elsewhere without knowing who asks.

    Raises
    ------
    InputError
        If there is no file of users, and the host is not loopback.
    """
    if host not in LOOPBACK and settings.auth is None:
        raise InputError(
            f"--host {host}: other machines could read everything. Make users first (mech-exo user add NAME), and set MECH_EXO_AUTH to "
            "their file; or listen on 127.0.0.1, with a proxy in front that asks who comes."
        )


def main() -> int:
    """Listen until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m mech_exo_assets.dashboard")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8050)
    parser.add_argument("--read-only", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICE)
    try:
        settings = load_settings()
        require_users(settings, options.host)
        application = build_server(settings, loopback=options.host in LOOPBACK, read_only=options.read_only)
        server = create_server(application, host=options.host, port=options.port, threads=THREADS, ident=None)
    except (MechExoError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, InputError) else 1
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
