"""`mech-exo dashboard`: the dashboard of a home, by itself.

What belongs here: options, and ending it. What does not: the pages (`dashboard`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Annotated

import typer

from mech_exo_assets.cli.options import Config, Home, Source, settings_of_home
from mech_exo_assets.errors import MechExoError

EXAMPLES = """
\b
Examples:
  mech-exo dashboard
  mech-exo dashboard --home mydata --port 8051
  MECH_EXO_AUTH=users.yaml MECH_EXO_DASHBOARD_HOSTS=desk.example mech-exo dashboard --host 0.0.0.0
"""


def dashboard(
    *,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8050,
    host: Annotated[str, typer.Option(help="Address to listen on. Beyond this machine only with users (`mech-exo user`).")] = "127.0.0.1",
    home: Home = None,
    source: Source = None,
    config: Config = None,
) -> None:
    """Serve the dashboard, /health and /metrics of a home until Ctrl-C. It reads only; `mech-exo up` serves it, too."""
    settings_of_home(home, source, config)
    command = [sys.executable, "-m", "mech_exo_assets.dashboard", "--host", host, "--port", str(port)]
    sys.stderr.write(f"http://{host}:{port}   Ctrl-C ends it.\n")
    try:
        code = subprocess.run(command, env=os.environ, check=False).returncode  # noqa: S603 (ours)
    except KeyboardInterrupt:
        return
    if code == 2:
        raise typer.Exit(2)
    if code:
        raise MechExoError(f"the dashboard ended with code {code}; its message stands above.")
