"""What pydantic found wrong, in words for the person who wrote the value.

What belongs here: messages about settings of either kind. What does not: what is accepted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError


def first_fault(error: ValidationError, given: dict[str, Any]) -> str:
    """The key that lies deepest in the file, and all that was found wrong with it; a value with several forms has one fault for each."""
    faults: dict[str, list[Any]] = {}
    for each in error.errors():
        faults.setdefault(".".join(_keys(each["loc"], given)), []).append(each)
    key = max(faults, key=lambda name: name.count("."))
    return f"{key}: {reason(faults[key])}" if key else reason(faults[key])


def _keys(location: tuple[int | str, ...], given: Any) -> list[str]:
    """The parts of pydantic's location that are keys or positions in the file; others name a form that the value might have had."""
    keys = []
    for part in location:
        if isinstance(given, dict):
            # pydantic names a key that is a date by its repr.
            found = [key for key in given if part in (key, repr(key))]
        else:
            # Of a list that is too short, pydantic names the position that is missing.
            found = [part] if isinstance(given, list) and isinstance(part, int) and part < len(given) else []
        if found:
            keys.append(str(found[0]))
            given = given[found[0]]
    return keys


def reason(faults: Sequence[Any]) -> str:
    """All that was found wrong with one value, and the value where it is short."""
    said = " or ".join(each["msg"].removeprefix("Value error, ") for each in faults)
    given = repr(faults[0]["input"])
    return f"{said} (got {given})" if len(given) <= 200 else said
