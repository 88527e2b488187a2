import base64
import datetime as dt

import polars as pl

from mech_exo_assets.reports.figures import equity_and_drawdown, ic_overview
from mech_exo_assets.schemas import BACKTEST, STATISTICS


def _picture(markdown: str) -> bytes:
    text, data = markdown.removeprefix("![").removesuffix(")").split("](data:image/png;base64,")
    assert text, "a picture has a text for those who cannot see it"
    return base64.b64decode(data)


def _statistics(**columns: object) -> pl.DataFrame:
    row = {
        "factor": ["a", "a", "b"],
        "horizon": [1, 5, 1],
        "mean_ic": [0.01, 0.02, -0.01],
        "icir": [0.1, 0.2, None],
        "t_hac": [2.0, 3.0, None],
        "p_value": [0.05, 0.01, None],
        "q_value": [0.2, 0.04, None],
        "n_sessions": [100, 100, 10],
        "first_date": [dt.date(2020, 1, 2)] * 3,
        "last_date": [dt.date(2021, 1, 4)] * 3,
    }
    absent = {name: [None] * 3 for name in STATISTICS.names if name not in row}
    return pl.DataFrame({**row, **absent, **columns}, schema_overrides=STATISTICS.dtypes()).select(STATISTICS.names)


def test_the_overview_is_a_picture_and_differs_with_its_numbers():
    one, other = ic_overview(_statistics()), ic_overview(_statistics(mean_ic=[0.01, -0.02, -0.01]))
    assert _picture(one).startswith(b"\x89PNG")
    assert _picture(one) != _picture(other)


def test_without_a_coefficient_the_overview_says_so():
    assert ic_overview(STATISTICS.empty()) == "No factor has an information coefficient yet."


def test_coefficients_that_are_all_zero_are_drawn():
    assert _picture(ic_overview(_statistics(mean_ic=[0.0, 0.0, 0.0]))).startswith(b"\x89PNG")


def test_the_equity_picture_follows_the_returns():
    returns = [0.0, 0.01, -0.02, 0.005]
    columns = {name: returns for name in BACKTEST.names if name != "date"}
    dates = [dt.date(2020, 1, 1 + day) for day in range(4)]
    up = equity_and_drawdown(pl.DataFrame({"date": dates, **columns}))
    down = equity_and_drawdown(pl.DataFrame({"date": dates, **columns, "net_return": [-0.1, -0.1, -0.1, -0.1]}))
    assert _picture(up) != _picture(down)
