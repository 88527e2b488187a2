"""Where a lake lies: a folder of this machine, or a prefix in an object store.

What belongs here: all that differs between the two, and what a store refused, in words. What does not: tables (`lake`).

Nothing here holds a credential. deltalake, Polars and obstore all take them, and the endpoint, from the variables of the store (`AWS_…`,
`GOOGLE_…`, `AZURE_…`). deltalake commits by a conditional put (`If-None-Match: *`), so that of two writers of one version one is refused.
A store that takes the header and ignores it would lose commits without a word: it is tried once, before the first table is made there.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import obstore
import polars as pl
from deltalake.exceptions import DeltaError
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore

from mech_exo_assets.errors import InputError, MechExoError

_VARIABLES = {
    "s3": ("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT", "GOOGLE_BASE_URL"),
    "az": ("AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ENDPOINT"),
}
"""Of each store: those that hold its credentials, and the one that holds its address where it is not the provider's own."""

_FAULTS = (
    # What a store or the way to it says, what that is in words, and what mends it; in the order in which they are looked for.
    ("NoSuchBucket", "there is no such bucket", "create it, or correct MECH_EXO_LAKE"),
    ("ContainerNotFound", "there is no such container", "create it, or correct MECH_EXO_LAKE"),
    ("InvalidAccessKeyId", "it does not know this access key", "correct AWS_ACCESS_KEY_ID"),
    ("SignatureDoesNotMatch", "the secret key is not that of the access key", "correct AWS_SECRET_ACCESS_KEY"),
    ("ExpiredToken", "the credentials have expired", "renew {credentials}"),
    ("AccessDenied", "access was denied", "let this user list, read and write there"),
    ("PermanentRedirect", "the bucket is in another region", "correct AWS_REGION"),
    ("redirect without LOCATION", "the bucket is in another region", "correct AWS_REGION"),
    ("NotImplemented", "it does not know conditional puts", "take a store that honours If-None-Match"),
    # Without keys, the machine's own service of credentials is asked.
    ("/latest/api/token", "there are no credentials", "set {credentials}"),
    ("169.254.169.254", "there are no credentials", "set {credentials}"),
    ("metadata.google.internal", "there are no credentials", "set {credentials}"),
    ("Account must be specified", "there are no credentials", "set {credentials}"),
    ("URL scheme is not allowed", "the endpoint is not encrypted", "give an https:// address, or set AWS_ALLOW_HTTP=true"),
    ("BadScheme", "the endpoint is not encrypted", "give an https:// address, or set AWS_ALLOW_HTTP=true"),
    ("Connection refused", "nobody answers there", "see that the store runs and that {endpoint} names it"),
    ("ConnectionRefused", "nobody answers there", "see that the store runs and that {endpoint} names it"),
    ("dns error", "the name of its host is not known", "correct {endpoint}, or see that there is a network"),
    ("timed out", "it did not answer in time", "see that the store runs and that {endpoint} names it"),
    ("403 Forbidden", "access was denied", "let this user list, read and write there"),
    ("Generic Config error", "one of its variables cannot be read", "correct those that begin with {beginning}"),
    ("401 Unauthorized", "access was denied", "correct {credentials}"),
)

_CHUNK = 8 << 20
"""Bytes of a file that are copied at once."""
_SECRET_NAME = re.compile(r"(AWS|AZURE|GOOGLE)_.*(KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL|SAS|ACCOUNT)")
_COLOUR = re.compile(r"\x1b\[\d*m")
_IN_A_STORE = re.compile(
    r"object.store|Generic (S3|GCS|MicrosoftAzure) error|Error performing|lacked the necessary privileges|HTTP error|Generic Config error",
    re.IGNORECASE,
)


class Place:
    """A folder or a prefix, and what lies below it.

    Parameters
    ----------
    root : Path or str
        A path, or a URI as `settings.lake_root` accepts it.
    """

    def __init__(self, root: Path | str) -> None:
        self.uri = str(root).rstrip("/") or "/"
        scheme, separator, _ = self.uri.partition("://")
        self.scheme = scheme if separator else ""
        self._is_safe = False

    def __str__(self) -> str:
        return self.uri

    @property
    def is_remote(self) -> bool:
        """Whether it is in an object store."""
        return bool(self.scheme)

    def below(self, name: str) -> str:
        """Path or URI of what lies below, by its name with slashes."""
        return f"{self.uri}/{name}"

    def put(self, name: str, file: Path) -> str:
        """Copy a file of this machine here, whole: a reader sees the one before or this one. Returns where it lies.

        Raises
        ------
        MechExoError
            If the store refused; what was there is unchanged.
        """
        with self.in_words():
            obstore.put(self._store(), name, file)
        return self.below(name)

    def fetch(self, name: str, file: Path) -> None:
        """Copy what lies here to a file of this machine, in one step.

        Raises
        ------
        MechExoError
            If it is not there, or the store refused; the file is unchanged.
        """
        staged = file.with_name(f".{file.name}.fetching")
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.in_words(), staged.open("wb") as target:
                target.writelines(obstore.get(self._store(), name).stream(min_chunk_size=_CHUNK))
        except FileNotFoundError:
            staged.unlink()
            raise MechExoError(f"{self.below(name)} is not there yet. Run `mech-exo run` with this lake first.") from None
        staged.replace(file)

    def holds(self, name: str) -> bool:
        """Whether there is any object below a name."""
        with self.in_words():
            return next(iter(obstore.list(self._store(), name, chunk_size=1)), None) is not None

    def listed(self, name: str) -> list[tuple[str, int, dt.datetime]]:
        """Path below a name, bytes, and time of change (UTC) of all that lies there, by path."""
        with self.in_words():
            found = [each for part in obstore.list(self._store(), f"{name}/") for each in part]
        return sorted((each["path"].removeprefix(f"{name}/"), each["size"], each["last_modified"]) for each in found)

    def read(self, name: str) -> bytes:
        """What lies here; `FileNotFoundError` where nothing does."""
        with self.in_words():
            return bytes(obstore.get(self._store(), name).bytes())

    def delete(self, name: str) -> None:
        """Let something go; nothing happens where it is gone already."""
        try:
            with self.in_words():
                obstore.delete(self._store(), name)
        except FileNotFoundError:
            return

    def require_conditional_puts(self) -> None:
        """Refuse an object store in which two writers could both commit one version; asked once, by putting one object twice.

        Raises
        ------
        InputError
            If the second put was not refused.
        """
        if self._is_safe or not self.is_remote:
            return
        name = f"_mart/{uuid.uuid4().hex}"
        with self.in_words():
            store = self._store()
            obstore.put(store, name, b"", mode="create")
            try:
                obstore.put(store, name, b"", mode="create")
            except AlreadyExistsError:
                self._is_safe = True
            finally:
                obstore.delete(store, name)
        if not self._is_safe:
            raise InputError(
                f"{self}: the object store ignores conditional puts (If-None-Match), so that two writers would lose each other's commits; "
                "take one that honours them. Nothing was written."
            )

    @contextmanager
    def in_words(self) -> Generator[None]:
        """Tell what an object store refused as one line, without what it repeats of the request. Errors of a folder stay as they are.

        Raises
        ------
        InputError
            If the setting, the credentials or the endpoint are wrong.
        MechExoError
            If the store failed otherwise.
        """
        try:
            yield
        except (OSError, DeltaError, BaseError, pl.exceptions.ComputeError) as error:
            text = _COLOUR.sub("", str(error))
            absent = isinstance(error, FileNotFoundError) and "NoSuchBucket" not in text
            if not self.is_remote or absent or not _IN_A_STORE.search(text):
                raise
            # Not kept as the cause: stores repeat the access key and the signed request.
            raise self._refusal(text) from None

    def _refusal(self, text: str) -> MechExoError:
        credentials, endpoint = _VARIABLES[self.scheme]
        names = {"credentials": credentials, "endpoint": endpoint, "beginning": f"{endpoint.partition('_')[0]}_"}
        for sign, what, mend in _FAULTS:
            if sign in text:
                return InputError(f"{self}: the object store cannot be used: {what}; {mend.format(**names)}.")
        return MechExoError(
            f"{self}: the object store failed ({_shown(text)}). Try again; tables are as they were before or after a commit."
        )

    def _store(self) -> ObjectStore:
        return obstore.store.from_url(self.uri) if self.is_remote else LocalStore(self.uri)


def _shown(text: str) -> str:
    """The innermost reason of an error, without addresses of requests and without any secret of the environment."""
    # What stands behind is obstore's own picture of the error.
    text = text.partition("\n\nDebug source:")[0]
    parts = [found[1] for name in ("Code", "Message") if (found := re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL))]
    lines = [line.strip(" ↳|\t") for line in text.splitlines() if line.strip()]
    said = " ".join(": ".join(parts or lines[-1:]).split()).rstrip(".")
    for name, value in os.environ.items():
        if _SECRET_NAME.fullmatch(name) and len(value) > 3:
            said = said.replace(value, "***")
    return re.sub(r"(https?://)\S+", r"\1…", said)
