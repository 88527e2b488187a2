"""What is written in bulk is what Optuna would have written, and any Optuna user reads it back, on both databases."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import optuna
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial

from mech_exo_assets.storage.studies import tables
from mech_exo_assets.storage.studies.store import StudyStore
from mech_exo_tests.storage.searches import DIRECTIONS, failed, open_store, stored, trial, trials

INFINITE = [math.inf, -math.inf, 0.0]


def bare(found: list[FrozenTrial]) -> list[dict]:
    """All fields but the database's id, which is its own business."""
    return [{name: value for name, value in vars(each).items() if name != "_trial_id"} for each in found]


def as_numbered(given: list[FrozenTrial], first: int = 0) -> list[FrozenTrial]:
    expected = copy.deepcopy(given)
    for number, each in enumerate(expected, first):
        each.number = number
    return expected


def rows(store: StudyStore) -> dict[str, list]:
    """Every row of the study's trials in Optuna's tables, with numbers in place of ids."""
    found = {}
    every = store._opened.tables
    with store._opened.engine.connect() as connection:
        own = sa.select(every.trials).where(every.trials.c.study_id == store._id).order_by(every.trials.c.trial_id)
        head = connection.execute(own).mappings().all()
        numbers = {row["trial_id"]: row["number"] for row in head}
        found["trials"] = [{k: v for k, v in row.items() if k not in {"trial_id", "study_id"}} for row in head]
        for name in ("params", "values", "user_attributes", "system_attributes", "intermediate_values"):
            table = getattr(every, f"trial_{name}")
            key = table.primary_key.columns.values()[0].name
            query = sa.select(table).where(table.c.trial_id.in_(numbers)).order_by(table.c.trial_id, table.c[key])
            found[name] = [
                {k: v for k, v in row.items() if k not in {"trial_id", key}} | {"number": numbers[row["trial_id"]]}
                for row in connection.execute(query).mappings()
            ]
    return found


def mixed(batch: int) -> list[FrozenTrial]:
    return [
        trial(batch, 0),
        failed(batch, 1),
        trial(batch, 2, values=INFINITE),
        trial(batch, 3, params={}, distributions={}),
        trial(batch, 4, intermediate_values={1: 0.5, 7: math.inf, 8: -math.inf}),
    ]


def test_an_optuna_user_reads_back_exactly_what_was_stored(url):
    store = open_store(url)
    given = [mixed(0), mixed(1), trials(2)]
    for batch, each in enumerate(given):
        assert store.complete(batch, each)
    expected = as_numbered(list(itertools.chain(*given)))
    found = stored(url)
    assert bare(found) == bare(expected)
    assert [each.number for each in found] == list(range(14))
    assert [each._trial_id for each in store.trials()] == [each._trial_id for each in found]
    assert store.trials() == found
    assert open_store(url).trials() == found


def test_the_rows_are_those_that_optuna_itself_would_write(url):
    bulk, slow = open_store(url, "bulk"), open_store(url, "slow")
    given = [*mixed(0), *trials(1)]
    bulk.complete(0, given[:5])
    bulk.complete(1, given[5:])
    slow.study.add_trials(given)
    written = rows(bulk)
    assert written == rows(slow)
    assert {name: len(found) for name, found in written.items()} == {
        "trials": 9, "params": 32, "values": 24, "user_attributes": 43, "system_attributes": 8, "intermediate_values": 3
    }  # fmt: skip


def test_the_best_trials_are_those_of_the_same_study_in_memory(url):
    store = open_store(url)
    for batch in range(4):
        store.complete(batch, mixed(batch))
    memory = optuna.create_study(directions=DIRECTIONS)
    memory.add_trials([each for batch in range(4) for each in mixed(batch)])
    study = optuna.load_study(study_name="search", storage=store._opened.storage)
    assert bare(study.best_trials) == bare(memory.best_trials)
    assert 0 < len(study.best_trials) < 20
    # Slots with an even number break their first constraint.
    assert all(each.user_attrs["slot"] % 2 == 1 or not each.system_attrs for each in study.best_trials)


def test_the_best_trial_of_one_objective_is_found_by_the_database(url):
    store = open_store(url)
    single = type(store)(store._opened, optuna.create_study(storage=store._opened.storage, direction="maximize"), 0)
    single._id = single.study._study_id
    values = [1.0, math.inf, -math.inf, 2.0]
    single.complete(0, [trial(0, slot, values=[value], system_attrs={}) for slot, value in enumerate(values)])
    assert single.study.best_trial.number == 1
    assert single.study.best_value == math.inf


def test_others_may_go_on_with_the_study_and_numbers_have_no_hole(url):
    store = open_store(url)
    store.complete(0, trials(0))
    study = optuna.load_study(study_name="search", storage=store._opened.storage, sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(lambda each: (each.suggest_float("momentum", 0, 1), 1.0, 2.0), n_trials=2)
    store.complete(1, trials(1))
    study.add_trial(trial(9, 0, user_attrs={}))
    found = stored(url)
    assert [each.number for each in found] == list(range(11))
    assert [each._trial_id for each in found] == sorted(each._trial_id for each in found)
    # What others added belongs to no batch.
    assert [(each.user_attrs["batch"], each.user_attrs["slot"]) for each in store.trials()] == [(b, s) for b in (0, 1) for s in range(4)]


def test_numbers_of_numpy_are_stored_as_numbers(url):
    store = open_store(url)
    given = trial(0, 0, values=[np.float64(0.1), np.float32(0.5), np.int64(3)], params={"momentum": np.float64(0.3)})
    given.distributions = {"momentum": FloatDistribution(0.0, 1.0)}
    store.complete(0, [given])
    assert stored(url)[0].values == [0.1, 0.5, 3.0]
    assert stored(url)[0].params == {"momentum": 0.3}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda: trial(0, 0, values=[1.0, 2.0]), "2 values"),
        (lambda: trial(0, 0, values=[1.0, math.nan, 2.0]), "NaN"),
        (lambda: trial(0, 0, params=trial(0, 0).params | {"momentum": 1.5}), "isn't contained"),
        (lambda: trial(0, 0, datetime_start=None), "times"),
        (lambda: trial(0, 0, user_attrs={"batch": 0}), "slots"),
        (lambda: trial(0, 0, params={"names": 0.5}, distributions={"names": FloatDistribution(0, 1)}), "different distribution kind"),
        (lambda: trial(0, 0, user_attrs={"batch": 0, "slot": 0, "bad": {1}}), "JSON"),
    ],
)
def test_a_trial_that_optuna_would_refuse_is_refused_and_nothing_is_written(tmp_path, wrong, why):
    url = f"sqlite:///{tmp_path}/studies.db"
    open_store(url).complete(7, trials(7))
    store = open_store(url)
    with pytest.raises((ValueError, TypeError), match=why):
        store.complete(0, [wrong(), trial(0, 1)])
    assert len(stored(url)) == 4
    assert not store.finished(1)
    assert store.complete(0, trials(0))


class TestUnknownSchema:
    """Where Optuna's tables are not those that are known here, its public interface is used."""

    @pytest.fixture(autouse=True)
    def _another_schema(self, monkeypatch):
        monkeypatch.setattr(tables, "BULK_SCHEMA", "v9.9.9.a")

    def test_it_stores_the_same(self, url):
        store = open_store(url)
        assert not store._opened.bulk
        for batch in range(2):
            assert store.claim(2) == batch
            assert store.complete(batch, mixed(batch))
        assert bare(stored(url)) == bare(as_numbered([*mixed(0), *mixed(1)]))
        assert store.trials() == stored(url)
        assert not store.complete(1, mixed(1))
        assert store.finished(2)

    def test_a_batch_that_was_stored_in_part_is_not_seen_and_then_finished(self, url):
        store = open_store(url)
        store.study.add_trials(mixed(0)[:2])
        assert store.trials() == []
        assert store.claim(1) == 0
        assert store.complete(0, mixed(0))
        assert bare(store.trials()) == bare(as_numbered(mixed(0)))

    def test_only_the_owner_of_the_claim_stores_it(self, url):
        first, second = open_store(url), open_store(url)
        second._owner = "elsewhere:1:1"
        assert first.claim(1) == 0
        assert not second.complete(0, mixed(0))
        assert stored(url) == []


NUMBERS = st.floats(allow_nan=False)
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)


@pytest.fixture
def growing(url):
    return open_store(url), url, itertools.count()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(NUMBERS, min_size=3, max_size=3),
    weights=st.dictionaries(TEXTS.filter(bool), st.floats(0, 1), max_size=5),
    notes=st.dictionaries(TEXTS.filter(bool), st.one_of(TEXTS, NUMBERS, st.none(), st.booleans()), max_size=4),
)
def test_any_trial_reads_back_as_it_is(growing, values, weights, notes):
    store, url, counter = growing
    batch = next(counter)
    place = {"batch": batch, "slot": 0}
    unit = dict.fromkeys(weights, FloatDistribution(0.0, 1.0))
    given_trial = trial(batch, 0, values=values, params=weights, distributions=unit, user_attrs=notes | place)
    assert store.complete(batch, [given_trial])
    assert bare(stored(url)[-1:]) == bare(as_numbered([given_trial], batch))
