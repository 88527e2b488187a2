"""Who holds a claim, and whether that process is still there.

What belongs here: the identity of a process across machines, containers, restarts and reused pids. What does not: leases (`store`).
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

_PROCESSES = Path("/proc")


def this_process() -> str:
    """`host:pid:start`, the same for the whole life of this process, and never another's."""
    pid = os.getpid()
    return f"{_host()}:{pid}:{_start(pid)}"


def is_gone(owner: str) -> bool:
    """Whether the owner was a process of this host that has ended; False where it lives, or where that cannot be seen from here.

    A process that has ended but that its parent has not yet asked for counts as gone, as does a pid that was given to another process.
    """
    host, pid, start = owner.rsplit(":", 2)
    return host == _host() and _start(int(pid)) != start


def _host() -> str:
    """The machine's name; on Linux with its boot and the namespace of its pids, since containers may share a name but not their pids."""
    name = socket.gethostname()
    if not _PROCESSES.is_dir():
        return name
    boot = (_PROCESSES / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    namespace = (_PROCESSES / "self/ns/pid").readlink().name.strip("pid:[]")
    return f"{name}/{boot}/{namespace}"


def _start(pid: int) -> str | None:
    """When the process started, in the system's own unit; None where there is no such process, or only what is left of it."""
    if not _PROCESSES.is_dir():
        return _start_by_ps(pid)
    try:
        # The name in brackets may hold anything, brackets too. After it come state (field 3) … start (field 22, ticks since boot).
        fields = (_PROCESSES / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def _start_by_ps(pid: int) -> str | None:
    """The same where there is no /proc (macOS, BSD)."""
    found = subprocess.run(  # noqa: S603 - a number is all that is passed
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607 - ps stands elsewhere on each system
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    ).stdout.split(maxsplit=1)
    if not found or found[0].startswith("Z"):
        return None
    return found[1].strip().replace(":", ".")
