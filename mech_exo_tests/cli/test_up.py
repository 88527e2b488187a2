import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from mech_exo_assets.cli import up as up_module
from mech_exo_assets.settings import load_settings
from mech_exo_assets.storage.models import ModelRegistry
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.e2e.browser import answers, served, wait_until_answered
from mech_exo_tests.ports import free_port
from mech_exo_tests.storage.trainings import PNG, training

SLEEP = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); time.sleep(60)"]
STUBBORN = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"]


def test_a_port_in_use_is_refused_before_anything_is_started(mech_exo: Command, tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = mech_exo("up", "--home", tmp_path, "--port", port)
    assert said.code == 2
    assert f"port {port} is in use. Give another with --port" in said.err


def test_the_port_of_mlflow_is_looked_at_too_unless_it_is_not_served(mech_exo: Command, tmp_path: Path):
    port = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = mech_exo("up", "--home", tmp_path, "--port", port, "--dashboard-port", 0, "--mlflow-port", taken.getsockname()[1])
        assert said.code == 2
        assert "is in use. Give another with --mlflow-port (0: without MLflow), or end what listens there." in said.err
    said = mech_exo("up", "--home", tmp_path, "--port", port, "--dashboard-port", 0, "--mlflow-port", port)
    assert said.code == 2
    assert f"port {port} cannot serve two of them. Give another with --mlflow-port (0: without MLflow)." in said.err
    assert not (tmp_path / "dagster").exists()


def test_mlflow_that_cannot_reach_its_database_ends_with_one_line_without_the_password(tmp_path: Path):
    url = f"postgresql://me:hush@127.0.0.1:{free_port()}/base"
    environment = {**os.environ, "MECH_EXO_HOME": str(tmp_path), "MECH_EXO_DB_URL": url}
    command = [sys.executable, "-m", "mech_exo_assets.cli.mlflow_server", str(free_port())]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 1
    assert said.stderr.count("\n") == 1
    assert "the database cannot be used" in said.stderr
    assert "mech-exo up --mlflow-port 0 does without MLflow." in said.stderr
    assert "hush" not in said.stderr


def test_a_port_that_is_none_is_wrong_usage(mech_exo: Command, tmp_path: Path):
    assert mech_exo("up", "--home", tmp_path, "--port", "70000").code == 2


def test_a_process_that_ends_by_itself_ends_the_command_with_a_message():
    with (
        subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"]) as process,
        pytest.raises(up_module.MechExoError, match="the daemon ended by itself with code 3"),
    ):
        up_module._watch({"the daemon": process})


def test_a_ui_that_never_answers_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(up_module, "START_SECONDS", 0.6)
    with subprocess.Popen(SLEEP, start_new_session=True) as process:
        with pytest.raises(up_module.MechExoError, match=r"did not answer on port \d+ within 0.6 seconds"):
            up_module._wait_until_served(free_port(), {"the UI": process})
        up_module._end({"the UI": process})
    assert process.returncode == -signal.SIGINT


def test_a_process_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(up_module, "STOP_SECONDS", 0.5)
    with subprocess.Popen(STUBBORN, start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        up_module._end({"the UI": process})
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_up_serves_the_ui_the_daemon_and_the_dashboard_and_all_end_with_it(finished_home: Path):
    port = free_port()
    with served(finished_home, dashboard_port=port) as address:
        with urllib.request.urlopen(f"{address}/server_info", timeout=10) as answer:
            assert "dagster_webserver_version" in json.load(answer)
        health = "{ instance { daemonHealth { allDaemonStatuses { daemonType healthy } } } }"
        deadline = time.monotonic() + 60
        healthy: set[str] = set()
        while time.monotonic() < deadline and not {"ASSET", "SCHEDULER", "SENSOR"} <= healthy:
            request = urllib.request.Request(
                f"{address}/graphql", json.dumps({"query": health}).encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                statuses = json.load(answer)["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
            healthy = {status["daemonType"] for status in statuses if status["healthy"]}
            time.sleep(1)
        assert {"SCHEDULER", "SENSOR"} <= healthy
        wait_until_answered(f"http://127.0.0.1:{port}/health")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
            assert json.load(answer)["champion"]["version"]
        # It leads to this UI, and not to the one of the default port.
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_dash-layout", timeout=30) as answer:
            assert address in answer.read().decode().replace("\\u002f", "/")
    _none_is_left(finished_home, f"mech_exo_assets.dashboard --port {port}")


@pytest.mark.slow
def test_up_serves_mlflow_with_what_was_recorded_to_this_machine_only_and_it_ends_too(tmp_path: Path):
    settings = load_settings(home=tmp_path)
    run = ModelRegistry(settings.mlflow_url, settings.mlflow_artifacts).record(training("lightgbm"))
    port = free_port()
    mlflow = f"http://127.0.0.1:{port}"
    with served(tmp_path, mlflow_port=port):
        wait_until_answered(f"{mlflow}/health")
        with urllib.request.urlopen(f"{mlflow}/api/2.0/mlflow/runs/get?run_id={run}", timeout=30) as answer:
            found = json.load(answer)["run"]
        assert found["info"]["status"] == "FINISHED"
        assert {"key": "num_leaves", "value": "7"} in found["data"]["params"]
        with urllib.request.urlopen(f"{mlflow}/get-artifact?path=figures%2Ftrainings.png&run_id={run}", timeout=30) as answer:
            assert answer.read() == PNG
        with urllib.request.urlopen(f"{mlflow}/api/2.0/mlflow/registered-models/alias?name=mech-exo-lightgbm&alias=challenger") as answer:
            assert json.load(answer)["model_version"]["run_id"] == run
        for host in ("evil.example", "10.0.0.1"):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(urllib.request.Request(f"{mlflow}/", headers={"Host": host}), timeout=30)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{mlflow}/ajax-api/3.0/mlflow/assistant/providers", timeout=30)
    _none_is_left(tmp_path, f"mlflow_server {port}")


@pytest.mark.slow
def test_a_read_only_ui_says_that_mlflow_is_not_served(tmp_path: Path):
    port, mlflow_port = free_port(), free_port()
    command = [
        sys.executable,
        "-m",
        "mech_exo_assets.cli",
        "up",
        "--home",
        str(tmp_path),
        "--read-only",
        "--port",
        str(port),
        "--dashboard-port",
        "0",
    ]
    with subprocess.Popen([*command, "--mlflow-port", str(mlflow_port)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if "MLflow is not served: it has no read-only mode." in line:
                break
        assert f"http://127.0.0.1:{port}  (read-only)" in said
        assert not answers(f"http://127.0.0.1:{mlflow_port}/health")
        process.send_signal(signal.SIGTERM)
        # Read to the end: a pipe that is closed at once breaks the last word of the process.
        process.communicate(timeout=60)
    assert process.returncode == 0


def _none_is_left(home: Path, *marks: str) -> None:
    for mark in (str(home), *marks):
        left = subprocess.run(["pgrep", "-af", mark], capture_output=True, text=True, check=False)
        assert left.stdout == ""
