"""The file of a backup: what was cut off, changed, or made by somebody else is refused."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.storage.backup import archive


@pytest.fixture(params=["b.tar.zst", "b.tar.gz"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return written(tmp_path / request.param)


def written(path: Path) -> Path:
    tmp_path = path.parent
    (tmp_path / "secret.yaml").write_bytes(b"x" * 100_000)
    (tmp_path / "secret.yaml").chmod(0o600)
    with archive.writing(path) as writer:
        writer.add("home/ledger.head", b"head", mode=0o644)
        writer.add_file("home/secret.yaml", tmp_path / "secret.yaml")
        writer.finish({"release": "1", "made_at": "now"})
    return path


def test_what_was_written_is_read_with_its_mode_and_time(file: Path, tmp_path: Path):
    facts = archive.unpack(file, tmp_path / "out")
    assert facts == {"format": archive.FORMAT, "release": "1", "made_at": "now"}
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert names == ["home/ledger.head", "home/secret.yaml"]
    old, new = tmp_path / "secret.yaml", tmp_path / "out" / "home" / "secret.yaml"
    assert new.read_bytes() == old.read_bytes()
    assert new.stat().st_mode == old.stat().st_mode
    assert new.stat().st_mtime == pytest.approx(old.stat().st_mtime, abs=1e-3)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(file: Path, tmp_path: Path, share: float):
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match="not a whole backup"):
        archive.unpack(file, tmp_path / "out")


def test_a_file_with_any_byte_changed_is_refused_or_read_as_it_was(file: Path, tmp_path: Path):
    content = file.read_bytes()
    refused = 0
    for number, place in enumerate(range(0, len(content), max(1, len(content) // 60))):
        file.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        out = tmp_path / str(number)
        try:
            archive.unpack(file, out)
        except InputError:
            refused += 1
        else:
            # A byte that means nothing, such as the time in the head of a gzip.
            assert (out / "home" / "secret.yaml").read_bytes() == b"x" * 100_000
    assert refused > 40


Members = list[tuple[tarfile.TarInfo, bytes]]


def replace(members: Members, name: str, content: bytes) -> Members:
    return [(info, content if info.name == name else held) for info, held in members]


def without(members: Members, name: str) -> Members:
    return [(info, held) for info, held in members if info.name != name]


def with_link(members: Members) -> Members:
    link = tarfile.TarInfo("home/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    return [(link, b""), *members]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda members: replace(members, "home/ledger.head", b"HEAD"), "home/ledger.head is not as it was written"),
        (lambda members: without(members, "home/ledger.head"), "home/ledger.head is not as it was written"),
        (lambda members: [(tarfile.TarInfo("home/more"), b"more"), *members], "home/more is not as it was written"),
        (lambda members: [(tarfile.TarInfo("../more"), b"more"), *members], "which no backup does"),
        (lambda members: [(tarfile.TarInfo("/tmp/more"), b"more"), *members], "which no backup does"),  # noqa: S108
        (with_link, "which no backup does"),
        (lambda members: without(members, "manifest.json"), "its end is missing"),
        (lambda members: without(members, "manifest.sha256"), "its end is missing"),
        (lambda members: replace(members, "manifest.json", b"{}"), "its manifest is not as it was written"),
    ],
)
def test_a_file_that_was_packed_anew_is_refused(tmp_path: Path, change: Callable[[Members], Members], why: str):
    file = written(tmp_path / "b.tar.gz")
    with tarfile.open(file) as old:
        members = [(info, old.extractfile(info).read()) for info in old.getmembers()]  # ty: ignore[unresolved-attribute]
    with tarfile.open(file, "w:gz") as new:
        for info, content in change(members):
            info.size = len(content)
            new.addfile(info, io.BytesIO(content))
    with pytest.raises(InputError, match=why):
        archive.unpack(file, tmp_path / "out")
    assert not (tmp_path / "more").exists()


def test_a_backup_of_a_newer_release_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as newer:
        newer.setattr(archive, "FORMAT", archive.FORMAT + 1)
        with archive.writing(tmp_path / "b.tar.gz") as writer:
            writer.finish({"release": "9.9"})
    with pytest.raises(InputError, match=r"made by a newer release \(9.9\)"):
        archive.unpack(tmp_path / "b.tar.gz", tmp_path / "out")


def test_what_is_no_backup_is_told(tmp_path: Path):
    with pytest.raises(InputError, match="is not there"):
        archive.unpack(tmp_path / "b.tar.zst", tmp_path)
    (tmp_path / "b.tar.zst").write_text("hello")
    with pytest.raises(InputError, match="not a whole backup"):
        archive.unpack(tmp_path / "b.tar.zst", tmp_path / "out")


def test_a_file_that_fails_in_its_middle_is_not_there(tmp_path: Path):
    def broken() -> None:
        with archive.writing(tmp_path / "b.tar.zst") as writer:
            writer.add("home/a", b"a")
            raise MechExoError("no")

    with pytest.raises(MechExoError, match="no"):
        broken()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_grows_is_taken_as_long_as_it_was_and_one_that_shrinks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    log = tmp_path / "log"
    log.write_bytes(b"line\n")
    real = archive.os.fstat

    def longer(number: int) -> object:
        found = real(number)
        return type("Found", (), {"st_size": found.st_size + 5, "st_mode": found.st_mode, "st_mtime": found.st_mtime})

    with archive.writing(tmp_path / "b.tar.gz") as writer:
        writer.add_file("home/log", log)
        writer.finish({"release": "1"})
    assert archive.unpack(tmp_path / "b.tar.gz", tmp_path / "out")
    monkeypatch.setattr(archive.os, "fstat", longer)

    def shrinking() -> None:
        with archive.writing(tmp_path / "c.tar.gz") as writer:
            writer.add_file("home/log", log)

    with pytest.raises(MechExoError, match="home/log became shorter"):
        shrinking()
