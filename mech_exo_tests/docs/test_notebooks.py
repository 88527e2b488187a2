import re
import sys
from pathlib import Path

import nbformat
import pytest

from mech_exo_tests.docs.notebooks import complaints, executed, notebooks, outputs

MACHINE_PATH = re.compile(r"(/(home|root|tmp|work|Users|opt|var|usr|mnt)/\w)|([A-Z]:\\\w)")

each_notebook = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.name)


def texts(notebook):
    """Everything that the outputs show as text; the bytes of pictures apart."""
    for number, output in outputs(notebook):
        shown = {"stream": output.get("text", ""), **output.get("data", {})}
        yield from ((number, text) for kind, text in shown.items() if "image" not in kind)


def test_there_is_a_notebook():
    assert notebooks()


@each_notebook
def test_every_code_cell_is_stored_with_what_it_shows_in_the_order_of_the_page(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert [cell.source for cell in cells if not cell.outputs] == []


@each_notebook
def test_a_stored_notebook_holds_no_error_and_no_warning(path):
    assert complaints(nbformat.read(path, as_version=4)) == []


@each_notebook
def test_a_stored_notebook_names_no_path_of_a_machine(path):
    here = {str(Path.home()), sys.prefix}
    shown = texts(nbformat.read(path, as_version=4))
    named = [(number, text) for number, text in shown if MACHINE_PATH.search(text) or any(each in text for each in here)]
    assert named == []


@each_notebook
def test_a_stored_notebook_is_small_and_holds_no_timings(path):
    notebook = nbformat.read(path, as_version=4)
    assert path.stat().st_size < 500_000
    assert [dict(cell.metadata) for cell in notebook.cells if cell.metadata] == []
    assert "version" not in notebook.metadata["language_info"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@each_notebook
def test_a_notebook_runs_in_an_empty_folder_without_error_or_warning(path, tmp_path):
    notebook = executed(path, tmp_path)
    assert complaints(notebook) == []
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.source for cell in cells if not cell.outputs] == []
