import pytest

from mech_exo_assets.reports.rendering import external_references


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ('<script src="https://cdn.example/x.js"></script>', ["https://cdn.example/x.js"]),
        ("<link href='//fonts.example/a.css'>", ["//fonts.example/a.css"]),
        (
            "<style>@import 'https://a.example/b.css'; p { background: url(http://c.example/d.png) }</style>",
            ["https://a.example/b.css", "http://c.example/d.png"],
        ),
        ('<a href="#months">months</a><img src="data:image/png;base64,AA==">', []),
        ('<script>const link = "https://plotly.example"; x.src="https://y.example";</script>', []),
    ],
)
def test_what_a_browser_would_fetch_is_found(markup: str, found: list[str]):
    assert external_references(markup) == found
