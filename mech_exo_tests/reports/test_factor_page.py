"""The page of one factor: what its picture and its headline show."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from mech_exo_assets.reports import factor_page
from mech_exo_assets.reports.factor_page import COLOURS, ROLLING, alarm_list, factor_figure, headline, history_list, horizon_table
from mech_exo_assets.reports.markdown_image import as_markdown, new_figure, with_palette
from mech_exo_assets.schemas import ALARMS, MONITOR, STATISTICS, STATUS, STATUS_HISTORY
from mech_exo_tests.reports.decay_tables import STATUSES, decay_tables

TABLES = decay_tables()


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Figure]]:
    """The figures that are made, as matplotlib has them before they become a picture."""
    figures: list[Figure] = []

    def kept(width: float, height: float) -> Figure:
        figures.append(new_figure(width, height))
        return figures[-1]

    monkeypatch.setattr(factor_page, "new_figure", kept)
    yield figures
    for figure in figures:
        figure.clear()


def _of(factor: str, *, sessions: int | None = None) -> dict[str, pl.DataFrame]:
    tables = TABLES if sessions is None else decay_tables(sessions)
    return {
        name: tables[schema.key].filter(factor=factor)
        for name, schema in (("monitor", MONITOR), ("alarms", ALARMS), ("history", STATUS_HISTORY))
    }


def _axes(figure: Figure) -> tuple[Axes, Axes]:
    above, below = figure.axes
    return above, below


def _keys(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def _dotted_and_full(axes: Axes) -> tuple[int, int]:
    """Vertical lines of estimated changes and of alarms."""
    upright = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]]
    dotted = sum(line.get_linestyle() == ":" for line in upright)
    return dotted, len(upright) - dotted


@pytest.mark.parametrize("rows", [0, 1])
def test_a_series_that_is_too_short_is_a_sentence(rows: int) -> None:
    parts = _of("good") | {"monitor": _of("good")["monitor"].head(rows)}
    assert factor_figure("good", **parts) == "good has no series of information coefficients yet."


@pytest.mark.parametrize("factor", STATUSES)
def test_every_factor_has_a_picture_whose_text_says_its_status(factor: str, drawn: list[Figure]) -> None:
    markdown = factor_figure(factor, **_of(factor))
    text = f"Rolling information coefficient of {factor}, and the statistic that watches it; it is {STATUSES[factor]}"
    assert markdown.startswith(f"![{text}](data:image/png;base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(markdown.split("base64,")[1].removesuffix(")"))))
    assert picture.size == (950, 560)
    assert len(markdown) < 100_000, "it stands in the event log"
    (figure,) = drawn
    last = TABLES[MONITOR.key]["date"].max()
    since = _of(factor)["history"]["date"].max()
    assert _axes(figure)[0].get_title(loc="left") == f"{factor}: {STATUSES[factor]} since {since}, as of {last}"


@pytest.mark.parametrize(("factor", "alarms"), [("good", 0), ("dead", 1), ("back", 2)])
def test_alarms_and_recoveries_are_drawn_with_their_change_points_in_both_parts(factor: str, alarms: int, drawn: list[Figure]) -> None:
    factor_figure(factor, **_of(factor))
    for axes in _axes(drawn[0]):
        assert _dotted_and_full(axes) == (alarms, alarms)
    assert [key for key in _keys(drawn[0]) if key == "alarm" or "change" in key] == (
        ["alarm", "estimated change, with its 95 % interval"] if alarms else []
    )


def test_the_interval_of_a_change_is_a_bracket_that_hides_no_status(drawn: list[Figure]) -> None:
    parts = _of("back")
    factor_figure("back", **parts)
    above, below = _axes(drawn[0])
    brackets = [line for line in above.lines if line.get_marker() == "|"]
    ends = [[str(np.datetime64(end, "D")) for end in line.get_xdata()] for line in brackets]
    assert ends == [
        [str(low), str(high)] for low, high in parts["alarms"].sort("alarm_date").select("change_low", "change_high").iter_rows()
    ]
    assert len({line.get_ydata()[0] for line in brackets}) == 2, "neighbours stand at two heights"
    assert not [line for line in below.lines if line.get_marker() == "|"]


def test_alarms_and_history_are_lists_oldest_first() -> None:
    parts = _of("back")
    alarms = alarm_list(parts["alarms"].sort("alarm_date", descending=True)).splitlines()
    first = parts["alarms"].sort("alarm_date").row(0, named=True)
    assert len(alarms) == 2
    assert alarms[0].startswith(
        f"- **{first['alarm_date']}, {first['kind']}**: IC {first['ic_before']:.4f} → {first['ic_after']:.4f} since "
    )
    assert alarm_list(_of("good")["alarms"]) == "none"
    history = history_list(parts["history"].sort("date", descending=True)).splitlines()
    assert history == [
        f"- **{row['date']}, {row['status']}**: {row['reason']}" for row in parts["history"].sort("date").iter_rows(named=True)
    ]


def test_the_key_names_each_status_that_the_factor_ever_had_and_no_other(drawn: list[Figure]) -> None:
    factor_figure("back", **_of("back"))
    assert [key for key in _keys(drawn[0]) if key in COLOURS] == ["healthy", "recovered", "decayed", "unproven"]
    assert {"alarm threshold", "watch threshold"} <= set(_keys(drawn[0]))


def test_the_colours_of_the_key_are_those_of_the_statuses_in_the_picture_too() -> None:
    markdown = factor_figure("back", **_of("back"))
    picture = Image.open(io.BytesIO(base64.b64decode(markdown.split("base64,")[1].removesuffix(")")))).convert("RGB")
    pixels = np.unique(np.asarray(picture, dtype=np.int64).reshape(-1, 3), axis=0)
    for status in ("healthy", "decayed", "recovered", "unproven"):
        colour = np.array([int(COLOURS[status][at : at + 2], 16) for at in (1, 3, 5)])
        pale = 255 - 0.25 * (255 - colour)
        assert np.abs(pixels - pale).max(axis=1).min() <= 0.04 * 255, f"{status} is shifted so far that it is seen"


def test_without_a_judged_session_the_lower_part_says_so(drawn: list[Figure]) -> None:
    factor_figure("new", **_of("new"))
    below = _axes(drawn[0])[1]
    assert [text.get_text() for text in below.texts] == ["Not judged yet: too few sessions."]
    assert list(below.get_yticks()) == []
    factor_figure("good", **_of("good"))
    assert list(_axes(drawn[1])[1].texts) == []


def test_the_statistic_is_drawn_as_a_share_of_its_threshold(drawn: list[Figure]) -> None:
    parts = _of("good")
    factor_figure("good", **parts)
    below = _axes(drawn[0])[1]
    monitor = parts["monitor"].sort("date")
    share, watched = (line.get_ydata() for line in below.lines[:2])
    np.testing.assert_allclose(share, monitor["statistic"] / 8.0)
    np.testing.assert_allclose(watched, 0.5)


def test_the_rolling_mean_and_its_band_are_those_of_the_last_year(drawn: list[Figure]) -> None:
    parts = _of("good", sessions=900)
    factor_figure("good", **parts)
    above = _axes(drawn[0])[0]
    ic = parts["monitor"].sort("date")["ic"].to_numpy()
    (line,) = [line for line in above.lines if len(line.get_xdata()) == 900]
    assert np.isnan(line.get_ydata()[: ROLLING - 1]).all()
    assert line.get_ydata()[-1] == pytest.approx(ic[-ROLLING:].mean())
    assert above.get_ylabel().startswith("IC, mean of 252\n")
    (band,) = [each for each in above.collections if len(each.get_paths()[0].vertices) > 900]
    highest = band.get_paths()[0].vertices[:, 1].max()
    means = np.convolve(ic, np.ones(ROLLING) / ROLLING, "valid")
    errors = np.array([ic[t : t + ROLLING].std(ddof=1) for t in range(len(means))]) / np.sqrt(ROLLING)
    assert highest == pytest.approx((means + 2 * errors).max())


@pytest.mark.parametrize(("sessions", "width"), [(120, 40), (300, 100), (755, 251), (760, 252)])
def test_a_short_series_has_a_mean_over_a_third_of_it(sessions: int, width: int, drawn: list[Figure]) -> None:
    parts = _of("new", sessions=sessions)
    factor_figure("new", **parts)
    assert _axes(drawn[0])[0].get_ylabel().startswith(f"IC, mean of {width}\n")


def test_two_observations_are_drawn(drawn: list[Figure]) -> None:
    parts = _of("new")
    assert factor_figure("new", **parts | {"monitor": parts["monitor"].head(2)}).startswith("![")
    assert len(drawn) == 1


def test_the_order_of_the_rows_does_not_matter() -> None:
    parts = _of("back")
    shuffled = {name: table.sample(fraction=1, shuffle=True, seed=1) for name, table in parts.items()}
    assert factor_figure("back", **parts) == factor_figure("back", **shuffled)


def _headline(factor: str, **changed: object) -> str:
    return headline(TABLES[STATUS.key].filter(factor=factor).row(0, named=True) | changed)


def test_the_headline_says_since_when_and_how_sure() -> None:
    dead = TABLES[STATUS.key].filter(factor="dead").row(0, named=True)
    assert _headline("dead") == (
        f"decayed since {dead['since']}; IC 0.0600 → 0.0100 at its last change, {dead['change_date']} "
        f"(95 %: {dead['change_low']} to {dead['change_high']})"
    )
    good = TABLES[STATUS.key].filter(factor="good").row(0, named=True)
    assert _headline("good") == (
        f"healthy since {good['since']}; mean IC 0.0500; a loss of the whole IC would be told after 25 sessions in the mean"
    )
    assert _headline("new") == f"unproven since {good['since']}"
    assert _headline("back").endswith("; a loss of the whole IC would be told after 25 sessions in the mean")


def test_the_table_of_horizons_is_sorted_and_has_names_for_people() -> None:
    table = horizon_table(TABLES[STATISTICS.key].filter(factor="good").sort("horizon", descending=True))
    assert table["horizon (sessions)"].to_list() == [1, 5]
    assert table["residual IC"].to_list() == [0.032, 0.036]
    assert table.columns[-2:] == ["half-life (sessions)", "calendar half-life (sessions)"]


def test_a_figure_as_markdown_is_the_same_picture_each_time() -> None:
    def one() -> str:
        figure = new_figure(3, 2)
        figure.subplots().plot([0, 1], [1, 0])
        return as_markdown(figure, "A falling line")

    first = one()
    assert first == one()
    assert first.startswith("![A falling line](data:image/png;base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(first.split("base64,")[1].removesuffix(")"))))
    assert (picture.size, picture.mode) == ((300, 200), "P")


def test_a_palette_keeps_pale_areas_side_by_side_and_the_hue_of_a_thin_line() -> None:
    rng = np.random.default_rng(3)
    pixels = np.full((200, 300, 4), 255, np.uint8)
    pixels[:, 100:] = (250, 250, 250, 255)
    pixels[:, 200:] = (246, 247, 246, 255)
    pixels[:60, :, :3] = rng.integers(0, 120, (60, 300, 1))
    pixels[150, 7] = (255, 120, 0, 255)
    kept = np.asarray(with_palette(pixels).convert("RGB"))
    np.testing.assert_array_equal(kept[60:], pixels[60:, :, :3])
    assert len(np.unique(kept.reshape(-1, 3), axis=0)) <= 128


def test_a_picture_of_one_colour_has_a_palette_of_one() -> None:
    image = with_palette(np.full((2, 3, 4), 255, np.uint8))
    assert (image.size, image.mode, image.convert("RGB").getcolors()) == ((3, 2), "P", [(6, (255, 255, 255))])
