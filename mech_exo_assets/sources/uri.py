"""From the URI of a source to the source.

What belongs here: the schemes, and what is said about a URI that names none of them. What does not: anything that reads data.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from mech_exo_assets.errors import InputError
from mech_exo_assets.sources.files import FilesSource
from mech_exo_assets.sources.protocol import Source
from mech_exo_assets.sources.sample import SampleSource
from mech_exo_assets.sources.simulator import SimulatorSource
from mech_exo_assets.sources.yahoo import YahooSource

FORMS = {
    "sample": "sample",
    "files": "files:PATH",
    "yahoo": "yahoo:TICKER,TICKER,… or yahoo:FILE",
    "simulator": "simulator:KEY=VALUE,…",
}
"""Each scheme and how it is written."""


def open_source(uri: str) -> Source:
    """Open the source that a URI names; nothing is read yet.

    Parameters
    ----------
    uri : str
        `sample`, `files:PATH`, `yahoo:TICKER,TICKER,…`, `yahoo:FILE` or `simulator:KEY=VALUE,…`.

    Returns
    -------
    Source
        Its `uri` opens the same source, from any working directory.

    Raises
    ------
    InputError
        If the scheme is not known, or what follows it cannot be understood.
    """
    scheme, colon, rest = (part.strip() for part in uri.partition(":"))
    if scheme == "sample" and not colon:
        return SampleSource()
    if scheme == "files" and rest:
        return FilesSource(Path(rest))
    if scheme == "yahoo" and rest:
        return YahooSource.parse(rest)
    if scheme == "simulator":
        return SimulatorSource.parse(rest)
    raise _misunderstood(uri, scheme)


def _misunderstood(uri: str, scheme: str) -> InputError:
    if not scheme:
        return InputError(f"source '{uri}': is empty; known are {', '.join(FORMS.values())}. Give one of them; nothing was loaded.")
    if scheme in FORMS:
        return InputError(
            f"source '{uri}': cannot be understood; it is written {FORMS[scheme]}. Correct it and run again; nothing was loaded."
        )
    close = difflib.get_close_matches(scheme.lower(), list(FORMS), n=1)
    if close:
        hint = f"did you mean {FORMS[close[0]]}?"
    elif Path(uri).expanduser().exists():
        hint = f"a folder is given as files:{uri}."
    else:
        hint = f"known are {', '.join(FORMS.values())}."
    return InputError(f"source '{uri}': '{scheme}' is no kind of source; {hint} Correct it and run again; nothing was loaded.")
