from pathlib import Path

import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.reports.files import write_in_one_step


def test_the_file_is_there_whole_and_nothing_beside_it(tmp_path: Path):
    path = tmp_path / "reports" / "page.html"
    write_in_one_step(path, b"first")
    write_in_one_step(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named_and_the_old_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "page.html"
    write_in_one_step(path, b"first")

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"page\.html: cannot be written \(No space left on device\)"):
        write_in_one_step(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path):
    (tmp_path / "page.html").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_in_one_step(tmp_path / "page.html", b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
