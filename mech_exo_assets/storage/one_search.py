"""Whether the tables that a weight search writes are of one search, by what their commits note of each other.

What belongs here: comparing the versions that were read with those that are there. What does not: what is done where they differ (`mart`
leaves such tables as they were published, `reports.search_page` refuses them).

A search writes its tables one after the other, over hours, and other runs go on meanwhile. Each table but those of its first step was
computed from others of them; once the last is written, every version that was read is the one that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mech_exo_assets.schemas import TABLES
from mech_exo_assets.storage.lake import Lake

SEARCH_TABLES = tuple(key for key in TABLES if key.startswith("weights/"))
"""What a search writes."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A table of a search that was computed from another version of a table than the one that is there.

    Attributes
    ----------
    key : str
        The table.
    other : str
        What it was computed from.
    read, there : int
        Version that was read, and version that is there.
    """

    key: str
    other: str
    read: int
    there: int


def difference(lake: Lake, versions: Mapping[str, int]) -> Difference | None:
    """The first table of these versions that was not computed from the others of them; None where all are of one search."""
    for key, version in versions.items():
        for other, read in lake.reads(key, version).items():
            if other != key and other in versions and read != versions[other]:
                return Difference(key, other, read, versions[other])
    return None


def versions_to_show(lake: Lake, keys: Iterable[str]) -> dict[str, int]:
    """Those of the tables that people are to see, each with its newest version: all but those of a search that is not finished.

    The versions are asked for once, so that what is shown of a search is of one search, even where it goes on meanwhile.
    """
    versions = {key: lake.version(key) for key in keys}
    of_search = {key: versions[key] for key in SEARCH_TABLES if key in versions}
    if len(of_search) < len(SEARCH_TABLES) or difference(lake, of_search) is not None:
        return {key: version for key, version in versions.items() if key not in of_search}
    return versions
