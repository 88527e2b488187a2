"""Where the columns of a table come from that has one for each factor or feature, and why others are not there.

What belongs here: this record, and joining it over years. What does not: the tables (`factors.tables`, `features.tables`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, eq=False, kw_only=True)
class Origin:
    """How the columns of a table came about.

    Attributes
    ----------
    absent : mapping of str to str
        Each factor, or kind of feature, that could not be computed, and why.
    lineage : mapping of str to tuple of str
        The columns, as `group/table.column`, that each column was computed from.
    """

    absent: Mapping[str, str]
    lineage: Mapping[str, tuple[str, ...]]


def joined(parts: Sequence[Origin]) -> Origin:
    """Of several years as one: absent is what no year has."""
    reasons: dict[str, str] = {}
    for part in parts:
        reasons |= part.absent
    absent = {name: reason for name, reason in reasons.items() if all(name in part.absent for part in parts)}
    return Origin(absent=absent, lineage={name: columns for part in parts for name, columns in part.lineage.items()})
