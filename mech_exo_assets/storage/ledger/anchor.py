"""The head of the chain, kept apart from it: a chain whose end was cut is whole in itself, and only the head tells.

What belongs here: reading and writing that file. What does not: what a head that is not in the chain means (`verification`).
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

from mech_exo_assets.errors import MechExoError


@dataclass(frozen=True, slots=True)
class Head:
    """The newest event that was anchored."""

    id: int
    hash: str


def read(path: Path) -> Head | None:
    """The anchored head; None where there is no file.

    Raises
    ------
    MechExoError
        If the file is not one of a head.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Head(int(content["id"]), str(content["hash"]))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise MechExoError(
            f"{path}: not the head of a ledger ({error}). Compare with a head from elsewhere: mech-exo ledger verify --head HASH."
        ) from error


def advance(path: Path, head: Head) -> None:
    """Write the head, unless a later one stands there; by rename, so that a reader sees one or the other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a+", encoding="utf-8") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        now = read(path)
        if now is not None and now.id >= head.id:
            return
        staged = path.with_name(f".{path.name}.building")
        with staged.open("w", encoding="utf-8") as file:
            file.write(json.dumps({"id": head.id, "hash": head.hash}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
