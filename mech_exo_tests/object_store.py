"""A throw-away server of the S3 protocol (SeaweedFS, as PyPI ships it) for tests, on free ports of the loopback, in a folder of its own.

What belongs here: starting and stopping it, new buckets in it, and the variables that lead to it. What does not: what is tested on it.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from mech_exo_tests.ports import free_ports

ACCESS_KEY = "MECHEXOACCESSKEY"
SECRET = "hush/Secret+Word=0123456789"  # noqa: S105 - of a server that lives as long as the test
OF_STORES = ("AWS_", "GOOGLE_", "AZURE_")
"""Beginnings of the variables that deltalake, Polars and obstore read."""

_PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc")
_OPTIONS = (
    *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", "-s3.autoCreateBucket=false", "-s3.iam=false"),
    *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=0"),
    *("-volume.minFreeSpace=0", "-volume.preStopSeconds=0"),
)
_MAY = ["Admin", "Read", "List", "Write"]
_OPEN = [f"{may}:open" for may in ("Read", "List", "Write")]
_SECONDS = 60


class ObjectStore:
    """A server of its own. It ends with this process, also where that is killed: it lives while a pipe from here is open."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mech-exo-objects-"))
        self._names = itertools.count()
        identities = [
            {"name": "mech", "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET}], "actions": _MAY},
            # Of one bucket, for what has to change requests on the way, which a signature forbids.
            {"name": "anonymous", "actions": _OPEN},
        ]
        users = self._folder / "users.json"
        users.write_text(json.dumps({"identities": identities}), encoding="utf-8")
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self.endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        places = [f"-dir={self._folder}", f"-s3.config={users}", *(f"-{name}={port}" for name, port in ports.items())]
        # `read` returns when the pipe is closed, by `stop` or by the end of this process.
        script = '"$@" & server=$!; read line; kill -KILL $server 2> /dev/null; wait $server'
        with (self._folder / "log").open("ab") as log:
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", script, "sh", str(Path(sys.executable).parent / "weed"), "server", *_OPTIONS, *places],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
            )
        self._wait_until_it_answers()
        self.new_bucket("open")

    def stop(self) -> None:
        """End it, and remove its folder."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(timeout=_SECONDS)
        shutil.rmtree(self._folder)

    def new_bucket(self, name: str | None = None) -> str:
        """Name of a bucket that was not there before."""
        from pyarrow.fs import S3FileSystem

        found = name or f"bucket-{next(self._names)}"
        administrator = S3FileSystem(
            access_key=ACCESS_KEY, secret_key=SECRET, endpoint_override=self.endpoint, region="us-east-1", allow_bucket_creation=True
        )
        administrator.create_dir(found)
        return found

    def variables(self) -> dict[str, str]:
        """What a process needs to reach it."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                urllib.request.urlopen(f"{self.endpoint}/healthz", timeout=5).close()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if self._keeper.poll() is not None or time.monotonic() > deadline:
                    said = (self._folder / "log").read_text(encoding="utf-8", errors="replace")
                    raise RuntimeError(f"the object store did not start:\n{said}") from None
                time.sleep(0.05)
            else:
                return


def without_stores() -> dict[str, str]:
    """The environment of this process without any variable of an object store."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OF_STORES)}
