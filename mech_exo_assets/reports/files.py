"""Reports as files: where they stand, and how one is put there in one step.

What belongs here: putting finished bytes in place. What does not: making them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mech_exo_assets.errors import InputError


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where the reports of a home stand.

    Attributes
    ----------
    folder : Path
        `Settings.reports_path`.
    """

    folder: Path

    @property
    def tear_sheet(self) -> Path:
        """The page of `reporting/tear_sheet`."""
        return self.folder / "tear_sheet.html"

    @property
    def quantstats(self) -> Path:
        """The document of `reporting/quantstats_report`."""
        return self.folder / "quantstats.pdf"

    @property
    def search(self) -> Path:
        """The page of `mech-exo report search`."""
        return self.folder / "weight_search.html"


def write_in_one_step(path: Path, content: bytes) -> None:
    """Write beside the file and rename, so that a reader sees the file before or after, never half of it.

    The folder is made when it is not there.

    Raises
    ------
    InputError
        If the file cannot be written; what stood there before still does.
    """
    staged = path.with_name(f".{path.name}.building")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged.write_bytes(content)
        staged.replace(path)
    except OSError as error:
        with suppress(OSError):
            staged.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror}). Name a file in a folder that you may write to.") from error
