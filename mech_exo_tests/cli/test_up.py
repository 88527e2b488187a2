import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from mech_exo_assets.cli import up as up_module
from mech_exo_tests.cli.conftest import Command
from mech_exo_tests.e2e.browser import free_port, served

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
def test_up_serves_the_ui_and_the_daemon_and_both_end_with_it(finished_home: Path):
    with served(finished_home) as address:
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
    left = subprocess.run(["pgrep", "-f", str(os.fspath(finished_home))], capture_output=True, text=True, check=False)
    assert left.stdout == ""
