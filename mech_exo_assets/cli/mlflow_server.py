"""`python -m mech_exo_assets.cli.mlflow_server PORT`: MLflow's own server on a home's database, as `mech-exo up` starts it.

What belongs here: what has to be there before the server, and how it is called. What does not: watching it (`up`).
"""

from __future__ import annotations

import os
import sys

from mech_exo_assets.cli.options import settings_from
from mech_exo_assets.errors import MechExoError
from mech_exo_assets.storage.models import reach

HOST = "127.0.0.1"


def main() -> None:
    """Become MLflow's server, or end with 1 and one line that says why that cannot be."""
    port = int(sys.argv[1])
    settings = settings_from(None, None, None)
    try:
        reach.require_database(settings.mlflow_url)
        reach.require_folder(settings.mlflow_artifacts)
        reach.prepare_schema(settings.mlflow_url)
    except MechExoError as error:
        raise SystemExit(f"{error} mech-exo up --mlflow-port 0 does without MLflow.") from error
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    # A page of another site could otherwise reach it through a name that leads to this machine.
    hosts = ["--allowed-hosts", f"{HOST}:{port},localhost:{port}", "--cors-allowed-origins", f"http://{HOST}:{port}"]
    artifacts = ["--default-artifact-root", settings.mlflow_artifacts.as_uri(), "--no-serve-artifacts"]
    address = reach.patient(settings.mlflow_url)
    environment = {
        **os.environ,
        **reach.NO_TELEMETRY,
        # Not on the command line, which all users of a machine see.
        "MLFLOW_BACKEND_STORE_URI": address,
        "MLFLOW_REGISTRY_STORE_URI": address,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "PYTHONWARNINGS": "ignore",
    }
    os.execve(sys.executable, [*command, *hosts, *artifacts, "--uvicorn-opts", "--log-level warning"], environment)  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
