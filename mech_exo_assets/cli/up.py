"""`mech-exo up`: the Dagster UI, the daemon, the dashboard and the MLflow UI of a home, on this machine only.

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
from dataclasses import dataclass
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
  mech-exo up --mlflow-port 0 --dashboard-port 0    without MLflow and dashboard
  mech-exo up --read-only                for reviewers: nothing can be launched or deleted
"""


def up(
    *,
    source: Source = None,
    home: Home = None,
    config: Config = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the UI.")] = 3000,
    dashboard_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the dashboard; 0: not served.")] = 8050,
    mlflow_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the MLflow UI; 0: not served.")] = 5000,
    read_only: Annotated[
        bool,
        typer.Option(
            "--read-only",
            help="A UI that cannot launch or delete, a dashboard without actions, no daemon, and no MLflow, which has no such mode.",
        ),
    ] = False,
) -> None:
    """Serve the Dagster UI, the daemon that runs schedules, sensors and automation, the dashboard and the MLflow UI, until Ctrl-C."""
    settings = settings_of_home(home, source, config)
    require_choices(settings)
    ports = Ports(port, dashboard_port, 0 if read_only else mlflow_port)
    ports.require_free()
    # What these processes link to is where they are served now, unless people reach them by other names.
    os.environ.setdefault("MECH_EXO_UI_URL", f"http://{HOST}:{port}")
    os.environ.setdefault("MECH_EXO_DASHBOARD_URL", f"http://{HOST}:{dashboard_port}")
    if read_only:
        dagster_instance(settings).dispose()
        _serve(settings, ports, read_only=True)
        return
    with only_server(settings):
        with dagster_instance(settings) as instance:
            close_abandoned_runs(settings, instance)
        _serve(settings, ports, read_only=False)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each server listens; 0: not at all."""

    dagster: int
    dashboard: int
    mlflow: int

    def require_free(self) -> None:
        """Refuse ports of which one is taken, or named twice.

        Raises
        ------
        InputError
            Naming the port and its option.
        """
        named = {
            "--port": self.dagster,
            "--dashboard-port (0: without the dashboard)": self.dashboard,
            "--mlflow-port (0: without MLflow)": self.mlflow,
        }
        seen: set[int] = set()
        for option, port in named.items():
            if port and port in seen:
                raise InputError(f"port {port} cannot serve two of them. Give another with {option}.")
            seen.add(port)
            if port:
                _require_free(port, option)


def _serve(settings: Settings, ports: Ports, *, read_only: bool) -> None:
    port = ports.dagster
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
        if ports.dashboard:
            page = [sys.executable, "-m", "mech_exo_assets.dashboard", "--port", str(ports.dashboard)]
            processes["the dashboard"] = _start([*page, "--read-only"] if read_only else page)
            _wait_until_served(ports.dashboard, processes, name="the dashboard", path="static/icon.svg")
            console.print(f"[bold]http://{HOST}:{ports.dashboard}[/]  dashboard", highlight=False)
        if ports.mlflow:
            # Not before: it would take the processor from the UI, which more people wait for.
            processes["MLflow"] = _start([sys.executable, "-m", "mech_exo_assets.cli.mlflow_server", str(ports.mlflow)])
            _wait_until_served(ports.mlflow, processes, name="MLflow", path="health")
            console.print(f"[bold]http://{HOST}:{ports.mlflow}[/]  MLflow", highlight=False)
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
