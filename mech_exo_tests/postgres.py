"""A throw-away PostgreSQL server for tests, on a free port of the loopback, in a folder of its own.

What belongs here: starting, killing and stopping it, and new databases in it. What does not: what is tested on it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from mech_exo_tests.ports import free_port

USER = "mech"
PASSWORD = "hush p@ss/{word}"  # noqa: S105 - of a server that lives as long as the test; with all that a URL has to escape
_ESCAPED = "hush%20p%40ss%2F%7Bword%7D"


def find_programs() -> Path | None:
    """The folder with initdb and postgres: on PATH, or where Debian puts them; the newest version where there are several."""
    on_path = shutil.which("initdb")
    if on_path and shutil.which("postgres"):
        return Path(on_path).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parent.parent.name))
    return versions[-1].parent if versions else None


class PostgresServer:
    """A cluster in a folder of its own. It ends with this process, also where that is killed: it lives while a pipe from here is open."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Not in pytest's folder, which other users may not enter; PostgreSQL refuses to run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="mech-exo-postgres-"))
        self._identity = _unprivileged()
        self._keeper: subprocess.Popen[bytes] | None = None
        self._names = itertools.count()
        password_file = self._folder / "password"
        password_file.write_text(PASSWORD, encoding="utf-8")
        if self._identity:
            for path in (self._folder, password_file):
                os.chown(path, self._identity["user"], self._identity["group"])
        options = ["--no-sync", "--encoding=UTF8", "--locale=C", f"--username={USER}", f"--pwfile={password_file}"]
        arguments = [str(programs / "initdb"), "-D", str(self._data), "--auth=scram-sha-256", *options]
        subprocess.run(arguments, check=True, capture_output=True, cwd=self._folder, **self._identity)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """Start, or start again on the same data and port."""
        if not hasattr(self, "port"):
            self.port = free_port()
        options = [
            "-p",
            str(self.port),
            "-k",
            str(self._folder),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
            "-c",
            "full_page_writes=off",
        ]
        # `read` returns when the pipe is closed, by `stop` or by the end of this process. QUIT: what it holds is not to be kept, and to
        # write it down takes half a minute.
        script = '"$@" & server=$!; read line; kill -QUIT $server 2> /dev/null; wait $server'
        with (self._folder / "log").open("ab") as log:
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", script, "sh", str(self._programs / "postgres"), "-D", str(self._data), *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self._folder,
                start_new_session=True,
                **self._identity,
            )
        self._wait_until_it_answers()

    def kill(self) -> None:
        """End all its processes at once, as when the machine is switched off; no transaction is finished."""
        self._end()

    def stop(self) -> None:
        """End it, and remove its folder."""
        self._end()
        shutil.rmtree(self._folder)

    def new_database(self) -> str:
        """URL of a database that was not there before."""
        name = f"test_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str, *, user: str = USER, password: str = _ESCAPED) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, *, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Rows of a statement that runs as the server's administrator, outside of a transaction."""
        with contextlib.closing(self._connect(database)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def _connect(self, database: str) -> Any:
        import psycopg2

        return psycopg2.connect(host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname=database, connect_timeout=5)

    def _wait_until_it_answers(self) -> None:
        import psycopg2

        assert self._keeper is not None
        deadline = time.monotonic() + 60
        while True:
            try:
                self._connect("postgres").close()
            except psycopg2.OperationalError:
                if self._keeper.poll() is not None or time.monotonic() > deadline:
                    said = (self._folder / "log").read_text(encoding="utf-8", errors="replace")
                    raise RuntimeError(f"PostgreSQL did not start:\n{said}") from None
                time.sleep(0.05)
            else:
                return

    def _end(self) -> None:
        if self._keeper is None:
            return
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(timeout=60)
        self._keeper = None


def _unprivileged() -> dict[str, Any]:
    """What makes a subprocess run as somebody else, where we are root."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = known.get("postgres") or known["nobody"]
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
