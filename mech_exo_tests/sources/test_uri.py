"""A URI opens a source, or is refused with what to write in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mech_exo_assets.errors import InputError
from mech_exo_assets.sources.uri import open_source


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("", ["source '': is empty; known are sample, files:PATH, yahoo:", "Give one of them"]),
        ("smple", ["'smple' is no kind of source; did you mean sample?"]),
        ("file:/data", ["'file' is no kind of source; did you mean files:PATH?"]),
        ("Yahoo:AAPL", ["'Yahoo' is no kind of source; did you mean yahoo:TICKER"]),
        ("bloomberg:x", ["'bloomberg' is no kind of source; known are sample, files:PATH, yahoo:", "simulator:KEY=VALUE"]),
        ("files:", ["source 'files:': cannot be understood; it is written files:PATH"]),
        ("files: ", ["cannot be understood; it is written files:PATH"]),
        ("yahoo:", ["it is written yahoo:TICKER,TICKER,… or yahoo:FILE"]),
        ("sample:x", ["source 'sample:x': cannot be understood; it is written sample."]),
    ],
)
def test_what_names_no_source_is_refused_with_what_to_write(uri: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        open_source(uri)
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert message.endswith("nothing was loaded.")
    assert "\n" not in message


def test_a_bare_folder_is_told_how_to_be_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"a folder is given as files:{tmp_path}"):
        open_source(str(tmp_path))
