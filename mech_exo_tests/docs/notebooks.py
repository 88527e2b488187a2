"""Run the notebooks of docs/ and write them back with what they show: `python -m mech_exo_tests.docs.notebooks`.

What belongs here: where the notebooks are, and how one is executed and stored. What does not: what must hold for one (`test_notebooks`).
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from unittest import mock

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
SECONDS = 300
"""A cell that takes longer has failed; all cells together take half a minute on two cores."""
LANGUAGE = {"name": "python"}
"""All that is stored about the kernel: its exact version differs from machine to machine."""


def notebooks() -> list[Path]:
    """The notebooks of docs/, by name."""
    return sorted(FOLDER.glob("*.ipynb"))


def executed(path: Path, folder: Path) -> NotebookNode:
    """The notebook after all its cells were run in `folder`, ready to be stored.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises.
    """
    # Where matplotlib has not listed the machine's fonts before, it does so at its first import, and says in stderr that it takes long.
    import matplotlib.font_manager  # noqa: F401

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        # No word on how the kernel's ports are guarded: they are open to this machine only, for half a minute.
        extra_arguments=["--HistoryManager.enabled=False", "--log-level=ERROR"],
        record_timing=False,
    )
    # Nothing is written to the user's home.
    own = {"IPYTHONDIR": str(folder / "ipython"), "JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "TMPDIR": str(folder)}
    with mock.patch.dict(os.environ, own):
        client.execute()
    notebook.metadata["language_info"] = LANGUAGE
    return notebook


def outputs(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    """All outputs, with the number of their cell."""
    return [(number, output) for number, cell in enumerate(notebook.cells) for output in cell.get("outputs", [])]


def complaints(notebook: NotebookNode) -> list[str]:
    """What must not stand in a notebook: errors, and whatever was written to stderr, warnings above all."""
    found = []
    for number, output in outputs(notebook):
        if output.output_type == "error":
            found.append(f"cell {number}: {output.ename}: {output.evalue}")
        elif output.output_type == "stream" and output.name == "stderr":
            found.append(f"cell {number}: {output.text}")
    return found


def main() -> None:
    """Execute every notebook in a folder of its own and store it.

    Raises
    ------
    SystemExit
        If a notebook complains; it is then not stored.
    """
    for path in notebooks():
        with tempfile.TemporaryDirectory() as folder:
            notebook = executed(path, Path(folder))
        if found := complaints(notebook):
            raise SystemExit(f"{path.name} is not stored: {'; '.join(found)}")
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
