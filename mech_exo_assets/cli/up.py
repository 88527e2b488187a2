"""`mech-exo up`: the Dagster UI, the daemon and the MLflow UI of a home, on this machine only.

What belongs here: starting, watching and ending the processes. What does not: anything that they do.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from mech_exo_assets.cli.options import (
    Config,
    Home,
    Source,
    dagster_instance,
    only_server,
    require_choices,
    settings_of_home,
)
from mech_exo_assets.cli.runs_left import close_abandoned_runs
from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.settings import Settings

HOST = "127.0.0.1"
MODULE = "mech_exo_assets.definitions"
START_SECONDS = 120
STOP_SECONDS = 20
_PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2)."""

EXAMPLES = """
\b
Examples:
  mech-exo up
  mech-exo up --home mydata --port 3333 --mlflow-port 5555
  mech-exo up --mlflow-port 0            without MLflow
  mech-exo up --read-only                for reviewers: nothing can be launched or deleted
"""


def up(
    *,
    source: Source = None,
    home: Home = None,
    config: Config = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the MLflow UI; 0: not served.")] = 5000,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="A UI that cannot launch or delete, no daemon, and no MLflow, which has no such mode.")
    ] = False,
) -> None:
    """Serve the Dagster UI, with the daemon that runs schedules, sensors and automation, and the MLflow UI, until Ctrl-C."""
    settings = settings_of_home(home, source, config)
    require_choices(settings)
    _require_free(port, "--port")
    if mlflow_port and not read_only:
        if mlflow_port == port:
            raise InputError(f"port {port} cannot serve both UIs. Give another with --mlflow-port, or 0 for no MLflow.")
        _require_free(mlflow_port, "--mlflow-port (0: without MLflow)")
    if read_only:
        dagster_instance(settings).dispose()
        _serve(settings, port=port, mlflow_port=0, read_only=True)
        return
    with only_server(settings):
        with dagster_instance(settings) as instance:
            close_abandoned_runs(settings, instance)
        _serve(settings, port=port, mlflow_port=mlflow_port, read_only=False)


def _serve(settings: Settings, *, port: int, mlflow_port: int, read_only: bool) -> None:
    web = [sys.executable, "-m", "dagster_webserver", "-m", MODULE, "-h", HOST, "-p", str(port), "--log-level", "warning"]
    daemon = [sys.executable, "-m", "dagster._daemon", "run", "-m", MODULE, "--log-level", "warning"]
    commands = {"the UI": [*web, "--read-only"]} if read_only else {"the UI": web, "the daemon": daemon}
    console = Console(stderr=True)
    console.print(f"Starting {' and '.join(commands)} for {settings.home} …", highlight=False)
    # A shell starts a command behind `&` with Ctrl-C ignored, which the processes below would take over and then not end by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    processes = {name: _start(command) for name, command in commands.items()}
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        _wait_until_served(port, processes)
        console.print(f"[bold]http://{HOST}:{port}[/]{'  (read-only)' if read_only else ''}   Ctrl-C ends it.", highlight=False)
        if read_only:
            console.print("MLflow is not served: it has no read-only mode.", highlight=False)
        elif mlflow_port:
            # Not before: it would take the processor from the UI, which more people wait for.
            processes["MLflow"] = _start([sys.executable, "-m", "mech_exo_assets.cli.mlflow_server", str(mlflow_port)])
            _wait_until_served(mlflow_port, processes, name="MLflow", path="health")
            console.print(f"[bold]http://{HOST}:{mlflow_port}[/]  MLflow", highlight=False)
        _watch(processes)
    except KeyboardInterrupt:
        console.print("Ending …")
    finally:
        signal.signal(signal.SIGTERM, previous)
        _end(processes)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches this process only, which then ends the others in order.
    return subprocess.Popen(command, start_new_session=True, preexec_fn=_end_with_parent)  # noqa: S603, PLW1509 (ours; one thread)


def _end_with_parent() -> None:
    """Let the system end this process when `mech-exo up` is killed: a second daemon beside an orphan would do everything twice."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _require_free(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(f"port {port} is in use. Give another with {option}, or end what listens there.") from error


def _wait_until_served(
    port: int, processes: dict[str, subprocess.Popen[bytes]], *, name: str = "the UI", path: str = "server_info"
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        _raise_if_ended(processes)
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/{path}", timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.25)
    raise MechExoError(f"{name} did not answer on port {port} within {START_SECONDS} seconds; its messages stand above.")


def _watch(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    while True:
        _raise_if_ended(processes)
        time.sleep(0.5)


def _raise_if_ended(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            raise MechExoError(f"{name} ended by itself with code {process.returncode}; its messages stand above.")


def _end(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in processes.values():
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes.values():
        try:
            process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
