"""What the Dagster UI of `mech-exo up` asks its server, asked by a test: launching runs, and how they go.

What belongs here: requests over GraphQL. What does not: starting the server (`browser.served`).
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

PATIENCE = 900
"""Seconds that a test waits for what has to come."""
_LAUNCH = "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename ... on LaunchRunSuccess { run { runId } } } }"
_RUNS = "{ runsOrError { ... on Runs { results { runId jobName status startTime endTime assetSelection { path } tags { key value } } } } }"
_TERMINATE = "mutation($id: String!) { terminateRun(runId: $id) { __typename } }"


def ask(address: str, query: str, **variables: object) -> dict[str, Any]:
    """The data of an answer."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def launch(address: str, job: str, *, tags: Mapping[str, str] | None = None) -> str:
    """Put a run of a job into the queue, as a person does in the UI; its id."""
    selector = {"repositoryLocationName": "mech_exo_assets.definitions", "repositoryName": "__repository__", "jobName": job}
    metadata = {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]}
    params = {"selector": selector, "runConfigData": "{}", "mode": "default", "executionMetadata": metadata}
    return ask(address, _LAUNCH, p=params)["launchRun"]["run"]["runId"]


def runs(address: str) -> list[dict[str, Any]]:
    """All runs, newest first."""
    return ask(address, _RUNS)["runsOrError"]["results"]


def run_of(address: str, run_id: str) -> dict[str, Any]:
    """One run as it stands."""
    return next(run for run in runs(address) if run["runId"] == run_id)


def terminate(address: str, run_id: str) -> None:
    """Let a run end, as a person does in the UI."""
    assert ask(address, _TERMINATE, id=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Until something is so that will be; fails after `PATIENCE` seconds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"within {PATIENCE} seconds not so: {what}"
        time.sleep(1)
