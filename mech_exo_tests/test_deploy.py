"""What stands in `deploy/` agrees with the package: settings that are carried over, commands that are there, versions that are one."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from mech_exo_assets.settings import Settings
from mech_exo_tests.cli.conftest import call

REPOSITORY = Path(__file__).resolve().parent.parent
DEPLOY = REPOSITORY / "deploy"
UNITS = sorted(DEPLOY.glob("systemd/*.service"))


def values() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text(encoding="utf-8"))


def pinned(name: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+==[^ ;]+)", (REPOSITORY / name).read_text(encoding="utf-8"), flags=re.MULTILINE))


def test_kubernetes_has_all_that_our_dagster_yaml_says():
    ours = yaml.safe_load(resources.files("mech_exo_assets").joinpath("dagster.yaml").read_text(encoding="utf-8"))
    chart, daemon = values(), values()["dagsterDaemon"]
    more = chart["additionalInstanceConfig"]
    carried = {
        "telemetry": chart["telemetry"],
        "nux": more["nux"],
        "python_logs": {"managed_python_loggers": chart["pythonLogs"]["managedPythonLoggers"]},
        "concurrency": {
            "pools": {
                "granularity": chart["concurrency"]["pools"]["granularity"],
                "default_limit": chart["concurrency"]["pools"]["defaultLimit"],
            },
            "runs": {"max_concurrent_runs": chart["concurrency"]["runs"]["maxConcurrentRuns"]},
        },
        "run_monitoring": {
            "enabled": daemon["runMonitoring"]["enabled"],
            "start_timeout_seconds": daemon["runMonitoring"]["startTimeoutSeconds"],
        },
        "run_retries": more["run_retries"],
        "sensors": {"use_threads": daemon["sensors"]["useThreads"], "num_workers": daemon["sensors"]["numWorkers"]},
        "retention": {
            "schedule": {"purge_after_days": chart["retention"]["schedule"]["purgeAfterDays"]},
            "sensor": {"purge_after_days": {**chart["retention"]["sensor"]["purgeAfterDays"]}},
        },
    }
    # The chart wants all four; -1 is Dagster's own for those that have only begun.
    assert carried["retention"]["sensor"]["purge_after_days"].pop("started") == -1
    assert carried == ours
    # Twice in one file would be no YAML.
    assert daemon["runRetries"] == {"enabled": False}
    # The chart writes `concurrency` only where it is enabled, and refuses limits of the run coordinator beside it.
    assert chart["concurrency"]["enabled"] is True
    assert daemon["runCoordinator"] == {"enabled": True, "type": "QueuedRunCoordinator"}


def test_kubernetes_looks_for_dagsters_tables_where_ours_are(tmp_path: Path):
    url = Settings(home=tmp_path, db_url="postgresql://mech:x@host/mech").dagster_url  # ty: ignore[invalid-argument-type]
    assert url is not None
    options = values()["postgresql"]["postgresqlParams"]["options"]
    assert url.endswith(f"options={options.replace('=', '%3D')}")
    assert url.startswith(values()["postgresql"]["postgresqlScheme"] + "://")


def test_the_image_has_what_the_product_is_tested_with():
    server = pinned("requirements-server.lock")
    assert pinned("requirements.lock") <= server
    (dagster,) = (each for each in server if each.startswith("dagster=="))
    for name in ("README.md", "kubernetes/values.yaml"):
        assert f"--version {dagster.partition('==')[2]}" in (DEPLOY / name).read_text(encoding="utf-8"), name
    for extra in ("dagster-postgres==", "dagster-dask==", "dagster-k8s=="):
        assert any(each.startswith(extra) for each in server), extra


def commands() -> list[list[str]]:
    """What units, containers and pods call."""
    found = [
        shlex.split(line.partition("mech-exo/.venv/bin/mech-exo ")[2])
        for unit in UNITS
        for line in unit.read_text(encoding="utf-8").splitlines()
        if line.startswith("ExecStart=") and "bin/mech-exo " in line
    ]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    found += [service["command"] for service in compose["services"].values() if "command" in service]
    for part in yaml.safe_load_all((DEPLOY / "kubernetes" / "mech-exo.yaml").read_text(encoding="utf-8")):
        spec = part["spec"]
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        found += [each["args"] for each in spec.get("template", {}).get("spec", {}).get("containers", [])]
    return found


@pytest.mark.parametrize("command", commands(), ids=lambda command: " ".join(command[:3]))
def test_commands_and_their_options_are_there(capsys: pytest.CaptureFixture[str], command: list[str]):
    said = call(capsys, *[word for word in command if not word.startswith("-")][: 2 if command[0] == "db" else 1], "--help")
    assert said.code == 0
    for word in command:
        assert not word.startswith("--") or word in said.out, word


def test_no_secret_is_in_the_image_and_only_what_it_copies_is_sent():
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    sent = [line[1:] for line in (DEPLOY / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")]
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+)$", text, flags=re.MULTILINE) for word in line.split()[:-1]]
    assert sorted(copied) == sorted(sent)
    assert all((REPOSITORY / name).exists() for name in copied)
    assert "MECH_EXO_DB_URL" not in text
    assert text.index("\nUSER 10001") < text.index("\nENTRYPOINT")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there; on Debian: apt install systemd")
def test_systemd_understands_the_units(tmp_path: Path):
    paths = []
    for unit in sorted(DEPLOY.glob("systemd/*")):
        # It looks whether the programs are there; where they will be is another question.
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
        path = tmp_path / unit.name.replace("@.", "@1.")
        path.write_text(text, encoding="utf-8")
        paths.append(str(path))
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
