from __future__ import annotations

import datetime as dt
import io

import polars as pl
from PIL import Image

from mech_exo_assets.reports.learning_trained import trainings, trainings_png
from mech_exo_assets.schemas import LIGHTGBM, RIDGE


def table(schema, rounds):
    day = dt.date(2020, 1, 2)
    rows = [
        {
            **dict.fromkeys(("train_from", "train_to", "validation_from"), day),
            "fold": number,
            "train_sessions": 100,
            "train_rows": 1000,
            "test_from": dt.date(2020 + number, 1, 2),
            "test_to": None,
            "rounds": rounds,
            "train_ic": 0.2,
            "validation_ic": 0.05,
            "test_ic": None if number == 3 else 0.01 * number,
            "parameters": "{}",
            "trained_at": dt.datetime(2026, 1, 2, tzinfo=dt.UTC),
            "mlflow_run": None,
            "digest": str(number),
        }
        for number in (1, 2, 3)
    ]
    return pl.DataFrame(rows, schema=schema.dtypes())


def test_a_training_whose_test_has_just_begun_and_a_model_without_rounds_are_drawn():
    for schema, rounds in ((LIGHTGBM, 30), (RIDGE, None)):
        kind = schema.key.partition("/")[2]
        assert trainings(table(schema, rounds), kind).startswith(f"![Information coefficients of each training of {kind}")
        picture = Image.open(io.BytesIO(trainings_png(table(schema, rounds), kind)))
        assert picture.width > 800


def test_without_a_training_the_page_says_so():
    assert trainings(LIGHTGBM.empty(), "lightgbm") == "No model has been trained: see `why`."
