"""The file of a backup: a compressed tar in which every member has its SHA-256 in a manifest.

What belongs here: writing and reading the file. What does not: what is in it (`taking`, `restoring`).

The manifest is the last member but one, and its own hash the last: a file that was cut off has none. Any `tar` opens it. It is for reading
by one user only: what it holds may be secret.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mech_exo_assets.errors import InputError, MechExoError

FORMAT = 1
ENDINGS = {".tar.zst": "zstd", ".tar.gz": "gzip"}
"""Endings of file names, and how Arrow calls their compression."""

MANIFEST = "manifest.json"
_SEAL = "manifest.sha256"
_CHUNK = 1 << 20


def compression_of(path: Path) -> str:
    """How a file is compressed, by its name.

    Raises
    ------
    InputError
        If its ending is none of `ENDINGS`.
    """
    found = next((method for ending, method in ENDINGS.items() if path.name.endswith(ending)), None)
    if found is None:
        raise InputError(f"{path}: its name must end in {' or '.join(ENDINGS)}.")
    return found


class Writer:
    """The members of a backup, one after another."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._hashes: dict[str, str] = {}

    @property
    def members(self) -> int:
        """How many there are so far."""
        return len(self._hashes)

    def add(self, name: str, content: bytes, *, mode: int = 0o600) -> None:
        """A member that is in memory."""
        self._add(name, io.BytesIO(content), len(content), mode=mode, changed=None)

    def add_file(self, name: str, path: Path) -> None:
        """A file as long as it is now; what is appended meanwhile is not in the backup.

        Raises
        ------
        FileNotFoundError
            If it is gone.
        MechExoError
            If it becomes shorter meanwhile.
        """
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            self._add(name, file, found.st_size, mode=found.st_mode & 0o777, changed=found.st_mtime)

    def finish(self, facts: Mapping[str, object]) -> None:
        """The manifest, which says what else there is to know."""
        content = json.dumps({"format": FORMAT, **facts, "members": self._hashes}, indent=1).encode()
        self.add(MANIFEST, content)
        self.add(_SEAL, hashlib.sha256(content).hexdigest().encode())

    def _add(self, name: str, file: IO[bytes], size: int, *, mode: int, changed: float | None) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, mode, changed or 0
        hashing = _Hashing(file)
        try:
            self._tar.addfile(info, hashing)
        except OSError as error:
            if hashing.read_bytes == size or error.errno is not None:
                raise
            raise MechExoError(f"{name} became shorter while it was read. Take the backup again.") from error
        self._hashes[name] = hashing.digest.hexdigest()


class _Hashing(io.RawIOBase):
    """A file whose content is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.digest = hashlib.sha256()
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        found = self._file.read(size)
        self.digest.update(found)
        self.read_bytes += len(found)
        return found


@contextmanager
def writing(path: Path) -> Generator[Writer]:
    """A new file, in place when the block ends without an error, and not before.

    Raises
    ------
    InputError
        If it is there already, or cannot be written.
    """
    import pyarrow as pa

    method = compression_of(path)
    if path.exists():
        raise InputError(f"{path} is there already. Name another file, or a folder; nothing was written.")
    staged = path.with_name(f".{path.name}.building")
    try:
        staged.unlink(missing_ok=True)
        with (
            os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            pa.CompressedOutputStream(pa.PythonFile(file, mode="w"), method) as stream,
            tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            yield Writer(tar)
        # Arrow closes what it was given to write to; the file itself is flushed by its name.
        _flush(staged)
        staged.replace(path)
        _flush(path.parent)
    except OSError as error:
        if error.filename not in (None, str(staged), str(path)):
            raise
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}). Name a file in a folder that you may write to."
        ) from error
    finally:
        if staged.exists():
            staged.unlink()


def _flush(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def unpack(path: Path, folder: Path) -> dict[str, Any]:
    """Write all members below a folder, and compare each with the manifest.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    InputError
        If the file is not a whole backup, or of a newer release. What was unpacked until then stays, for the caller to remove.
    MechExoError
        If the folder cannot be written.
    """
    import pyarrow as pa

    method = compression_of(path)
    if not path.is_file():
        raise InputError(f"{path} is not there.")
    hashes: dict[str, str] = {}
    with path.open("rb") as file, _told(path, folder):
        stream = _Source(pa.CompressedInputStream(pa.PythonFile(file, mode="r"), method), path)
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                name = _inside(member, path)
                hashes[name] = _unpack_one(tar, member, folder)
        # What comes after the last member: the compression's own checks.
        while stream.read(_CHUNK):
            pass
    return _checked(path, folder, hashes)


class _Source(io.RawIOBase):
    """The tar under the compression; what cannot be read is told as a damage of the file."""

    def __init__(self, stream: Any, path: Path) -> None:
        super().__init__()
        self._stream = stream
        self._path = path

    def read(self, size: int = -1) -> bytes:
        try:
            return self._stream.read(None if size < 0 else size)
        except (OSError, ValueError) as error:
            raise _damaged(self._path, str(error)) from error


@contextmanager
def _told(path: Path, folder: Path) -> Generator[None]:
    try:
        yield
    except tarfile.TarError as error:
        raise _damaged(path, str(error)) from error
    except OSError as error:
        raise MechExoError(f"{folder}: cannot be written ({error.strerror or error}). Nothing was restored.") from error


def _damaged(path: Path, why: str) -> InputError:
    told = " ".join(why.split())[:200].rstrip(".")
    return InputError(f"{path} is not a whole backup ({told}): it was cut off or changed. Take another one; nothing was restored.")


def _inside(member: tarfile.TarInfo, path: Path) -> str:
    """The name of a member, which must be a file below the folder that it is unpacked to."""
    name = PurePosixPath(member.name)
    if not member.isreg() or name.is_absolute() or ".." in name.parts or str(name) != member.name:
        raise _damaged(path, f"it holds {member.name!r}, which no backup does")
    return member.name


def _unpack_one(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> str:
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # noqa: S101 (a regular file has content)
    digest = hashlib.sha256()
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, member.mode & 0o777), "wb") as file:
        while part := content.read(_CHUNK):
            digest.update(part)
            file.write(part)
    if member.mtime:
        # Delta looks a version up by time, and takes that from its files.
        os.utime(target, (member.mtime, member.mtime))
    return digest.hexdigest()


def _checked(path: Path, folder: Path, hashes: Mapping[str, str]) -> dict[str, Any]:
    manifest, seal = folder / MANIFEST, folder / _SEAL
    if _SEAL not in hashes or MANIFEST not in hashes:
        raise _damaged(path, "its end is missing")
    if seal.read_text(encoding="ascii", errors="replace") != hashes[MANIFEST]:
        raise _damaged(path, "its manifest is not as it was written")
    facts = json.loads(manifest.read_bytes())
    if facts["format"] > FORMAT:
        raise InputError(f"{path} was made by a newer release ({facts['release']}). Install that one; nothing was restored.")
    written, found = facts.pop("members"), {name: value for name, value in hashes.items() if name not in (MANIFEST, _SEAL)}
    differs = next((name for name in sorted({*written, *found}) if written.get(name) != found.get(name)), None)
    if differs is not None:
        raise _damaged(path, f"{differs} is not as it was written")
    manifest.unlink()
    seal.unlink()
    return facts
