"""The tables of the group `learning` that every refresh brings up to date, and what follows from them."""

from __future__ import annotations

import polars as pl
import pytest

from mech_exo_assets.quant.composite import composite_score, composite_table, factor_weights
from mech_exo_assets.quant.factor_names import ML_ALPHA
from mech_exo_assets.quant.panel import Panel
from mech_exo_assets.schemas import TABLES, factor_columns
from mech_exo_assets.storage.lake import Lake
from mech_exo_tests.defs.learned import Home
from mech_exo_tests.learned import TRAINED

FOLLOWS = ("learning/predictions", "learning/scores", "learning/comparison", "learning/blend", "strategy/composite")
"""What is made of the models by a refresh, up to the composite."""
WATCHED = ("decay/ic", "decay/residual_ic", "decay/lagged_ic", "decay/sector_ic", "decay/quintile_returns")


def of_factors_alone(lake: Lake) -> pl.DataFrame:
    """The composite as it was before there was anything to learn."""
    scores = lake.read("factors/scores")
    factors = factor_columns(scores.columns)
    panel = Panel.from_frame(scores, factors)
    return composite_table(composite_score(panel, factor_weights("equal", factors), min_coverage=0.5), panel)


def same(lake: Lake, key: str, before: pl.DataFrame) -> bool:
    order = list(TABLES[key].unique)
    return lake.read(key).select(before.columns).sort(order).equals(before.sort(order), null_equal=True)


def test_the_page_of_the_dataset_says_what_is_learned_from_what(learned: Home) -> None:
    run = learned.run("learning/dataset")
    page, table = run.metadata["learning/dataset"], run.lake.read("learning/dataset")
    assert run.success
    assert run.errors == []
    assert page["features"] == len(table.columns) - 4
    assert page["rows_with_label"] == table["label"].count() > 0
    assert page["label"] == "return over 5 sessions from 1 after the score on, less market and sector, as rank"
    assert {table.schema[name] for name in table.columns if name not in ("date", "symbol", "sector")} == {pl.Float32}


def test_the_last_year_alone_gives_what_all_years_together_gave_and_touches_no_other(learned: Home) -> None:
    keys = ("learning/dataset", *FOLLOWS, *WATCHED)
    before, files = ({key: read(key) for key in keys} for read in (learned.lake.read, learned.lake.files))
    last = learned.years[1]
    assert learned.run(*keys, years=(last, last)).success
    for key, table in before.items():
        assert same(learned.lake, key, table), key
        changed = {year for year, paths in learned.lake.files(key).items() if paths != files[key].get(year)}
        # A table without rows has no files: no sector has ten names.
        assert changed == (set() if table.is_empty() else {last} if TABLES[key].time_column else {None}), key


def test_while_ml_alpha_has_no_weight_the_composite_is_that_of_the_factors_to_the_last_bit(learned: Home) -> None:
    # A confidence that nothing on so short a history reaches.
    run = learned.run("learning/comparison", "learning/blend", "strategy/composite", gate={"sessions": 10_000})
    assert run.success
    assert run.lake.read("learning/blend")["weight"].unique().to_list() == [0.0]
    assert run.lake.read("learning/scores")[ML_ALPHA].count() > 0
    assert run.metadata["strategy/composite"]["ml_alpha_weight"] == 0.0
    assert same(run.lake, "strategy/composite", of_factors_alone(run.lake))
    assert not run.checks["learning/blend", "gate"].passed
    assert run.errors == []


def test_a_weight_that_was_earned_moves_the_composite_from_its_decision_on(learned: Home) -> None:
    blend = learned.lake.read("learning/blend").sort("date")
    since = blend["date"][1]
    earned = pl.when(pl.col("date") >= since).then(0.3).otherwise(0.0)
    learned.lake.write(TABLES["learning/blend"], blend.with_columns(weight=earned))
    run = learned.run("strategy/composite")
    found, alone = (table.sort("date", "symbol") for table in (run.lake.read("strategy/composite"), of_factors_alone(run.lake)))
    before = pl.col("date") < since
    assert found.filter(before).equals(alone.filter(before))
    assert not found.filter(~before).equals(alone.filter(~before))
    assert run.metadata["strategy/composite"]["ml_alpha_weight"] == 0.3
    assert run.checks["strategy/composite", "standardised"].passed


def test_without_any_model_all_that_follows_is_computed_and_says_why_it_is_empty(learned: Home) -> None:
    learned.without(*TRAINED)
    run = learned.run(*FOLLOWS, *WATCHED)
    assert run.success, run.failure
    assert run.errors == []
    for key in FOLLOWS[:-1]:
        assert run.lake.read(key).is_empty()
    for key in ("learning/predictions", "learning/comparison"):
        assert run.metadata[key]["why"] == "No model has been trained yet. `mech-exo learn` trains them."
    assert "No model has been trained yet" in run.metadata["learning/blend"]["reason"]
    for check in (("learning/predictions", "models_fit"), ("learning/comparison", "judged"), ("learning/blend", "gate")):
        assert not run.checks[check].passed
    assert same(run.lake, "strategy/composite", of_factors_alone(run.lake))
    for key in WATCHED:
        assert ML_ALPHA not in run.lake.read(key)["factor"].to_list()


@pytest.mark.parametrize(
    ("features", "told"),
    [
        (["scores", "market", "ranks"], "is in the dataset now, and the models do not know it. Run `mech-exo learn`"),
        (["scores"], "is not in the dataset any more. Run `mech-exo learn`"),
    ],
)
def test_models_on_other_features_predict_nothing_until_they_are_trained_anew(learned: Home, features: list[str], told: str) -> None:
    run = learned.run("learning/dataset", *FOLLOWS, features=features)
    assert run.success, run.failure
    assert run.errors == []
    assert told in run.metadata["learning/predictions"]["why"]
    check = run.checks["learning/predictions", "models_fit"]
    assert not check.passed
    assert check.metadata["why"].value == run.metadata["learning/predictions"]["why"]
    assert run.lake.read("learning/predictions").is_empty()
    assert same(run.lake, "strategy/composite", of_factors_alone(run.lake))


def test_the_page_of_the_worth_has_the_figures_of_its_table(learned: Home) -> None:
    run = learned.run("learning/comparison", "learning/blend")
    page, table = run.metadata["learning/comparison"], run.lake.read("learning/comparison").filter(fold=0)
    assert page["why"] == "complete"
    assert {name.removeprefix("ic_"): value for name, value in page.items() if name.startswith("ic_")} == dict(
        table.select("model", "ic").iter_rows()
    )
    assert page["picture"].startswith("![")
    ahead = dict(table.select("model", "ic").iter_rows())
    check = run.checks["learning/comparison", "beats_composite"]
    assert check.passed == (ahead["ensemble"] > ahead["composite"])
    last = run.lake.read("learning/blend").sort("date").row(-1, named=True)
    assert (run.metadata["learning/blend"]["weight"], run.metadata["learning/blend"]["reason"]) == (last["weight"], last["reason"])
    assert run.checks["learning/blend", "gate"].passed == last["gate_passed"]
    assert run.checks["learning/blend", "within_limits"].passed


def test_ml_alpha_has_a_page_that_tells_its_status(learned: Home) -> None:
    run = learned.run("decay/ml_alpha")
    status = dict(run.lake.read("decay/status").select("factor", "status").iter_rows())
    assert run.metadata["decay/ml_alpha"]["status"] == status[ML_ALPHA]
    assert run.checks["decay/ml_alpha", "alpha_alive"].severity == run.checks["decay/ml_alpha", "alpha_alive"].severity.WARN
    assert (ML_ALPHA, 5) in set(run.lake.read("decay/statistics").select("factor", "horizon").iter_rows())
