"""`python -m mech_exo_assets.cli.mlflow_server PORT`: MLflow's own server on a home's database, as `mech-exo up` starts it.

What belongs here: what has to be there before the server, how it is set up, and what of it is not served. What does not: watching it
(`up`).
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from mech_exo_assets.cli.options import settings_from
from mech_exo_assets.errors import MechExoError
from mech_exo_assets.storage.models import reach

if TYPE_CHECKING:
    from mech_exo_assets.settings import Settings

HOST = "127.0.0.1"
REFUSED = ("/ajax-api/3.0/mlflow/assistant", "/ajax-api/3.0/jobs", "/api/3.0/jobs", "/gateway")
"""Parts of MLflow that run shell commands for a language model, run jobs, or pass calls on to other hosts; it has no switch for them."""

Message: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]


def main() -> None:
    """Serve until interrupted, or end with 1 and one line that says why that cannot be."""
    port = int(sys.argv[1])
    settings = settings_from(None, None, None)
    try:
        reach.require_database(settings.mlflow_url)
        reach.require_folder(settings.mlflow_artifacts)
        reach.load_mlflow()
        reach.prepare_database(settings.mlflow_url)
    except MechExoError as error:
        raise SystemExit(f"{error} mech-exo up --mlflow-port 0 does without MLflow.") from error
    os.environ.update(_environment(settings, port))
    import uvicorn

    with warnings.catch_warnings():
        # MLflow's own use of what Starlette is about to give up.
        warnings.filterwarnings("ignore", "starlette.middleware.wsgi is deprecated")
        from mlflow.server.fastapi_app import app
    uvicorn.run(without(app, REFUSED), host=HOST, port=port, log_level="warning", timeout_graceful_shutdown=5)


def without(app: Application, refused: tuple[str, ...]) -> Application:
    """An ASGI application that answers 403 to all paths with these beginnings, and hands everything else on."""

    async def served(scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        if scope["type"] != "lifespan" and scope["path"].startswith(refused):
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"application/json")]})
            await send({"type": "http.response.body", "body": b'{"detail": "mech-exo up does not serve this part of MLflow."}'})
            return
        await app(scope, receive, send)

    return served


def _environment(settings: Settings, port: int) -> dict[str, str]:
    """What `mlflow server` would set from its options, on which a password would be seen by all users of a machine."""
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR, REGISTRY_STORE_URI_ENV_VAR

    address = reach.patient(settings.mlflow_url)
    return {
        BACKEND_STORE_URI_ENV_VAR: address,
        REGISTRY_STORE_URI_ENV_VAR: address,
        ARTIFACT_ROOT_ENV_VAR: settings.mlflow_artifacts.as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # A page of another site could otherwise reach it through a name that leads to this machine.
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{HOST}:{port},localhost:{port}",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port}",
    }


if __name__ == "__main__":
    main()
