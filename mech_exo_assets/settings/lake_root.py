"""Where the tables may lie: what `MECH_EXO_LAKE` accepts.

What belongs here: the form of the text, before anything is asked of a store. What does not: reaching a store (`storage.place`).
"""

from __future__ import annotations

import re
from pathlib import Path

SCHEMES = ("s3", "gs", "az")
"""Of the object stores that deltalake and Polars reach with the variables of each store."""
_FORM = "give a folder, or s3://bucket/prefix, gs://bucket/prefix or az://container/prefix"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PREFIX = re.compile(r"[A-Za-z0-9._=-]+")
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>/.*)?")


def lake_root(text: str) -> str:
    """An absolute path or the URI of a prefix, without a slash at its end.

    Parameters
    ----------
    text : str
        A path, or `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`; the prefix may be left out.

    Raises
    ------
    ValueError
        If it is neither, or holds credentials. The message does not repeat the text, which may hold a secret.
    """
    found = _SCHEME.fullmatch(text)
    if found is None:
        return str(Path(text).expanduser().absolute())
    scheme, rest = found["scheme"], found["rest"] or ""
    if scheme not in SCHEMES or not rest.startswith("//"):
        raise ValueError(f"the tables cannot be stored at a URI that begins with {scheme}:{rest[:2]}; {_FORM}")
    bucket, _, prefix = rest[2:].partition("/")
    if "@" in bucket or ":" in bucket:
        raise ValueError(f"a URI with credentials or a port is not accepted; give them in the variables of the store, and {_FORM}")
    if "?" in rest or "#" in rest:
        raise ValueError(f"a URI with a query is not accepted; give options in the variables of the store, and {_FORM}")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"the URI names no bucket; {_FORM}")
    parts = prefix.removesuffix("/").split("/") if prefix.removesuffix("/") else []
    if not all(_PREFIX.fullmatch(part) and part.strip(".") for part in parts):
        raise ValueError("the prefix may hold letters, digits and . _ = - between single slashes; choose another one")
    return "/".join([f"{scheme}://{bucket}", *parts])
