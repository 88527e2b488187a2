"""The tables: Optuna's own, as the database has them, and ours beside them.

What belongs here: which rows a trial is, and how a batch of them is written at once. What does not: who may write when (`store`).

Optuna writes a trial through its object mapper, a query or two for each parameter. The rows are few and plain, so they are inserted here
in bulk, for a whole batch in one statement a table. This holds for the schema that it was written for (`BULK_SCHEMA`), by test.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from optuna.distributions import BaseDistribution, check_distribution_compatibility, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, create_trial
from sqlalchemy.dialects.postgresql import REGCLASS

BULK_SCHEMA = "v3.2.0.a"
"""Revision of Optuna's schema whose rows are known here. Its `version_info` is no guide: Optuna leaves it at 12 for ever."""

BULK_OPTUNA = 5
"""Major version of Optuna whose rows are known here: version 5 began to store datetimes in UTC under the same revision."""

_OPTUNA_TABLES = (
    "studies",
    "study_user_attributes",
    "trials",
    "trial_params",
    "trial_values",
    "trial_user_attributes",
    "trial_system_attributes",
    "trial_intermediate_values",
)


@dataclass(frozen=True)
class Tables:
    """Optuna's tables that are read or written here, and ours."""

    studies: sa.Table
    study_user_attributes: sa.Table
    trials: sa.Table
    trial_params: sa.Table
    trial_values: sa.Table
    trial_user_attributes: sa.Table
    trial_system_attributes: sa.Table
    trial_intermediate_values: sa.Table
    batches: sa.Table
    looks: sa.Table


def reflect(connection: sa.Connection) -> Tables:
    """Optuna's tables as they stand in the database, and ours as they are to be."""
    metadata = sa.MetaData()
    metadata.reflect(connection, only=_OPTUNA_TABLES)
    batches = sa.Table(
        "mech_exo_search_batches",
        metadata,
        sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.study_id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        sa.Column("batch", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.String(512), nullable=False, comment="host:pid:start of the process that holds or completed it"),
        sa.Column("lease_until", sa.DateTime, nullable=False, comment="UTC; a claim that is not renewed may then be taken over"),
        sa.Column("completed", sa.Boolean, nullable=False),
    )
    # A look has happened, whatever becomes of the study: so this table repeats what it needs of it, and does not refer to it.
    looks = sa.Table(
        "mech_exo_holdout_looks",
        metadata,
        sa.Column("look_id", sa.Integer, primary_key=True),
        sa.Column("study_name", sa.String(512), nullable=False, index=True),
        sa.Column("family", sa.Text, nullable=False),
        sa.Column("holdout_from", sa.Date, nullable=False),
        sa.Column("holdout_to", sa.Date, nullable=False),
        sa.Column("looked_at", sa.DateTime, nullable=False, comment="UTC"),
    )
    return Tables(**{name: metadata.tables[name] for name in _OPTUNA_TABLES}, batches=batches, looks=looks)


def are_there(connection: sa.Connection, tables: Tables) -> bool:
    """Whether ours have been made; asked first, so that a database that may only be read can be read."""
    inspector = sa.inspect(connection)
    return inspector.has_table(tables.batches.name) and inspector.has_table(tables.looks.name)


def create(connection: sa.Connection, tables: Tables) -> None:
    """Make ours, where they are missing."""
    tables.batches.metadata.create_all(connection, tables=[tables.batches, tables.looks])
    if connection.dialect.name == "sqlite":
        # SQLite heeds foreign keys only where each connection asks for it, and gives the number of a deleted study to the next one.
        connection.exec_driver_sql(
            "CREATE TRIGGER IF NOT EXISTS mech_exo_forget_batches AFTER DELETE ON studies "
            "BEGIN DELETE FROM mech_exo_search_batches WHERE study_id = OLD.study_id; END"
        )


def check_trials(trials: Sequence[FrozenTrial], objectives: int) -> None:
    """What Optuna asks of a trial that is added.

    Raises
    ------
    ValueError
        If a value is missing or NaN, a parameter lies outside of its distribution, or the number of values is not that of the study.
    """
    for trial in trials:
        if trial.values is not None and len(trial.values) != objectives:
            raise ValueError(f"a trial has {len(trial.values)} values, the study {objectives} objectives")
        if trial.datetime_start is None or trial.datetime_complete is None:
            raise ValueError("a finished trial has the times at which it started and was completed")
        # Makes the same trial by Optuna's public door, for the checks that stand there.
        create_trial(state=trial.state, values=trial.values, params=trial.params, distributions=trial.distributions)


def check_distributions(
    connection: sa.Connection, tables: Tables, study: int, trials: Sequence[FrozenTrial], known: dict[str, BaseDistribution]
) -> None:
    """What Optuna asks of a parameter that the study has already: the same kind, and for categories the same choices.

    `known` are distributions of the study by name of parameter; those that it lacks are read and put into it.

    Raises
    ------
    ValueError
        If a distribution is of another kind than the study's.
    """
    new = {name: distribution for trial in trials for name, distribution in trial.distributions.items() if name not in known}
    if new:
        params = tables.trial_params
        query = (
            sa.select(params.c.param_name, sa.func.min(params.c.distribution_json))
            .join(tables.trials, tables.trials.c.trial_id == params.c.trial_id)
            .where(tables.trials.c.study_id == study)
            .group_by(params.c.param_name)
        )
        stored = {name: json_to_distribution(text) for name, text in connection.execute(query)}
        known.update(new | stored)
    for trial in trials:
        for name, distribution in trial.distributions.items():
            check_distribution_compatibility(known[name], distribution)


def insert_trials(connection: sa.Connection, tables: Tables, study: int, trials: Sequence[FrozenTrial]) -> tuple[range, list[int]]:
    """Write the trials behind those of the study, in the transaction of `connection`, which has locked the study.

    Returns
    -------
    tuple of range and list
        Their numbers within the study, without a hole, and the database's ids of them, ascending.
    """
    count = connection.scalar(sa.select(sa.func.count()).where(tables.trials.c.study_id == study))
    numbers = range(count or 0, (count or 0) + len(trials))
    ids = _new_ids(connection, tables, len(trials))
    rows = [
        {
            "trial_id": trial_id,
            "number": number,
            "study_id": study,
            "state": trial.state.name,
            "datetime_start": _utc(trial.datetime_start),
            "datetime_complete": _utc(trial.datetime_complete),
        }
        for trial_id, number, trial in zip(ids, numbers, trials, strict=True)
    ]
    connection.execute(sa.insert(tables.trials), rows)
    texts = {
        distribution: distribution_to_json(distribution)
        for distribution in {id(each): each for trial in trials for each in trial.distributions.values()}.values()
    }
    pairs = list(zip(ids, trials, strict=True))
    for table, details in (
        (
            tables.trial_params,
            [
                {
                    "trial_id": trial_id,
                    "param_name": name,
                    # A number of NumPy's is written by its repr, which no database reads.
                    "param_value": float(trial.distributions[name].to_internal_repr(value)),
                    "distribution_json": texts[trial.distributions[name]],
                }
                for trial_id, trial in pairs
                for name, value in trial.params.items()
            ],
        ),
        (
            tables.trial_values,
            [
                {"trial_id": trial_id, "objective": objective, **_stored(value, "value", "value_type")}
                for trial_id, trial in pairs
                for objective, value in enumerate(trial.values or ())
            ],
        ),
        (tables.trial_user_attributes, [row for trial_id, trial in pairs for row in _attributes(trial_id, trial.user_attrs)]),
        (tables.trial_system_attributes, [row for trial_id, trial in pairs for row in _attributes(trial_id, trial.system_attrs)]),
        (
            tables.trial_intermediate_values,
            [
                {"trial_id": trial_id, "step": step, **_stored(value, "intermediate_value", "intermediate_value_type")}
                for trial_id, trial in pairs
                for step, value in trial.intermediate_values.items()
            ],
        ),
    ):
        if details:
            connection.execute(sa.insert(table), details)
    return numbers, ids


def _new_ids(connection: sa.Connection, tables: Tables, count: int) -> list[int]:
    """Ids for new trials, ascending as their numbers will: Optuna orders trials by id.

    They are taken beforehand, since ids that an insert of many rows makes come back in no order that is promised.
    """
    if connection.dialect.name == "sqlite":
        # The file is locked, and this is the id that SQLite itself would give.
        last = connection.scalar(sa.select(sa.func.max(tables.trials.c.trial_id))) or 0
        return list(range(last + 1, last + 1 + count))
    # As with every sequence, a transaction that fails leaves a gap in the ids, not in the numbers.
    sequence = sa.func.pg_get_serial_sequence("trials", "trial_id")
    query = sa.select(sa.func.nextval(sa.cast(sequence, REGCLASS))).select_from(sa.func.generate_series(1, count))
    return sorted(connection.scalars(query))


def _attributes(trial_id: int, attributes: dict[str, object]) -> list[dict[str, object]]:
    return [{"trial_id": trial_id, "key": key, "value_json": json.dumps(value)} for key, value in attributes.items()]


def _stored(value: float, column: str, kind_column: str) -> dict[str, object]:
    """A number as Optuna keeps it: what no column of numbers holds on every database is kept as a word."""
    if math.isfinite(value):
        return {column: float(value), kind_column: "FINITE"}
    return {column: None, kind_column: "NAN" if math.isnan(value) else "INF_POS" if value > 0 else "INF_NEG"}


def _utc(time: datetime | None) -> datetime | None:
    """Optuna's trials have local times without a zone, its tables UTC without a zone."""
    return None if time is None else time.astimezone(UTC).replace(tzinfo=None)
