"""The database of all searches: its studies, how many trials a family has seen, and how often its hold-outs were looked at.

What belongs here: the door to the database. What does not: what happens within one study (`store`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from mech_exo_assets.errors import InputError

if TYPE_CHECKING:
    import optuna

    from mech_exo_assets.storage.studies.opening import Opened
    from mech_exo_assets.storage.studies.store import StudyStore


class StudyDatabase:
    """Studies of searches in one database, which any Optuna user may open as well.

    A study belongs to a family by its user attribute `family`: all searches for one strategy. The deflated Sharpe ratio takes its
    number of trials from there.

    Parameters
    ----------
    url : str
        `sqlite:////path/studies.db`, whose folder is made on first use, or `postgresql://user:password@host/database`. Nothing is touched
        before first use.

    Raises
    ------
    InputError
        From each method: if the URL is wrong, the database is away or refuses, the file is none, may not be written or holds another
        version of Optuna's schema. One line that names the URL without its password.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._opened: Opened | None = None

    @property
    def shown_url(self) -> str:
        """The URL as `optuna-dashboard` takes it, but without its password."""
        from mech_exo_assets.storage import connection

        return connection.shown(connection.with_driver(connection.parse(self._url)))

    def open(self, name: str, *, directions: Sequence[str], attributes: Mapping[str, Any]) -> StudyStore:
        """The study of this name, made where there is none.

        Parameters
        ----------
        name : str
            Name of the study.
        directions : sequence of str
            `maximize` or `minimize`, one for each objective.
        attributes : mapping
            User attributes of the study, values that JSON holds: `family`, and `holdout_from` and `holdout_to` (ISO dates) where it has
            a hold-out. Those that the study lacks are added to it.

        Raises
        ------
        InputError
            If there is a study of this name with other directions or another value of an attribute: it was another search. Or if the
            database cannot be used.
        """
        from mech_exo_assets.storage.connection import in_words
        from mech_exo_assets.storage.studies.store import StudyStore

        wanted = json.loads(json.dumps(dict(attributes)))
        opened = self._open()
        with in_words(opened.url):
            study = _study(opened, name, directions)
            study_id = _attach(opened, name, wanted)
        return StudyStore(opened, study, study_id)

    def names(self, family: str) -> list[str]:
        """Names of the family's studies, oldest first."""
        import sqlalchemy as sa

        studies = self._open().tables.studies
        return list(
            self._read(lambda ids: sa.select(studies.c.study_name).where(studies.c.study_id.in_(ids)).order_by(studies.c.study_id), family)
        )

    def trial_count(self, family: str) -> int:
        """All trials that were ever run in the family's studies, failed ones too; one that only waits to be run does not count."""
        import sqlalchemy as sa

        trials = self._open().tables.trials
        count = sa.select(sa.func.count()).select_from(trials).where(trials.c.state != "WAITING")
        return self._read(lambda ids: count.where(trials.c.study_id.in_(ids)), family)[0]

    def record_look(self, name: str, at: datetime) -> int:
        """Note that somebody looked at the study's hold-out.

        Parameters
        ----------
        name : str
            Name of a study with the attributes `family`, `holdout_from` and `holdout_to`.
        at : datetime
            When, with its time zone.

        Returns
        -------
        int
            How many looks the study has had, this one included.

        Raises
        ------
        ValueError
            If there is no such study, it has no hold-out, or the time has no zone.
        """
        import sqlalchemy as sa

        from mech_exo_assets.storage.connection import in_words, writing

        if at.tzinfo is None:
            raise ValueError(f"the time of a look needs its zone; {at} has none")
        opened = self._open()
        looks, attributes, studies = opened.tables.looks, opened.tables.study_user_attributes, opened.tables.studies
        query = sa.select(attributes.c.key, attributes.c.value_json).join(studies, studies.c.study_id == attributes.c.study_id)
        with in_words(opened.url), writing(opened.engine) as connection:
            found = {key: json.loads(text) for key, text in connection.execute(query.where(studies.c.study_name == name))}
            lacking = [key for key in ("family", "holdout_from", "holdout_to") if key not in found]
            if lacking:
                raise ValueError(f"there is no study {name!r} with the attributes {lacking}")
            connection.execute(
                sa.insert(looks).values(
                    study_name=name,
                    family=found["family"],
                    holdout_from=date.fromisoformat(found["holdout_from"]),
                    holdout_to=date.fromisoformat(found["holdout_to"]),
                    looked_at=at.astimezone(UTC).replace(tzinfo=None),
                )
            )
            return connection.scalar(sa.select(sa.func.count()).where(looks.c.study_name == name)) or 0

    def looks(self, family: str, *, first: date, last: date) -> int:
        """Looks at hold-outs of the family that share a day with `first` to `last`, both included; also those of deleted studies."""
        import sqlalchemy as sa

        from mech_exo_assets.storage.connection import in_words, reading

        opened = self._open()
        table = opened.tables.looks
        overlapping = sa.and_(table.c.family == family, table.c.holdout_from <= last, table.c.holdout_to >= first)
        with in_words(opened.url), reading(opened.engine) as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(table).where(overlapping)) or 0

    def close(self) -> None:
        """Close the connections that are kept; the next use opens new ones."""
        with self._lock:
            if self._opened is not None:
                self._opened.engine.dispose()
                self._opened.storage.remove_session()
                self._opened.storage.engine.dispose()
                self._opened = None

    def _read(self, query: Any, family: str) -> Sequence[Any]:
        """First column of the query over the ids of the family's studies."""
        import sqlalchemy as sa

        from mech_exo_assets.storage.connection import in_words, reading

        opened = self._open()
        attributes = opened.tables.study_user_attributes
        ids = sa.select(attributes.c.study_id).where(attributes.c.key == "family", attributes.c.value_json == json.dumps(family))
        with in_words(opened.url), reading(opened.engine) as connection:
            return connection.scalars(query(ids)).all()

    def _open(self) -> Opened:
        from mech_exo_assets.storage.studies.opening import open_database

        with self._lock:
            if self._opened is None:
                self._opened = open_database(self._url)
            return self._opened


def _study(opened: Opened, name: str, directions: Sequence[str]) -> optuna.Study:
    """Optuna's study. It is looked for first: to make it anew and fail, as Optuna does, is a write, and waits for other writers."""
    import optuna
    import sqlalchemy as sa
    from optuna.study import StudyDirection

    from mech_exo_assets.quant.optuna_log import quietly
    from mech_exo_assets.storage.connection import reading, shown

    wanted = [StudyDirection[each.upper()] for each in directions]
    with reading(opened.engine) as connection:
        found = connection.scalar(sa.select(opened.tables.studies.c.study_id).where(opened.tables.studies.c.study_name == name))
    with quietly():
        if found is None:
            study = optuna.create_study(study_name=name, storage=opened.storage, directions=wanted, load_if_exists=True)
        else:
            study = optuna.load_study(study_name=name, storage=opened.storage)
    if study.directions != wanted:
        where = f"{shown(opened.url)}: the study {name!r} has the directions {[each.name.lower() for each in study.directions]}"
        raise InputError(f"{where}, this search {list(directions)}; give the search another name, or delete that study.")
    return study


def _attach(opened: Opened, name: str, wanted: dict[str, Any]) -> int:
    """Give the study the attributes that it lacks, all at once; its id."""
    import sqlalchemy as sa

    from mech_exo_assets.storage.connection import reading, shown, writing

    studies, attributes = opened.tables.studies, opened.tables.study_user_attributes
    # The first time only reads, which is enough where nothing lacks; the second time writes.
    for transaction in (reading, writing):
        with transaction(opened.engine) as connection:
            query = sa.select(studies.c.study_id).where(studies.c.study_name == name)
            study_id = connection.execute(query.with_for_update() if transaction is writing else query).scalar_one()
            stored = sa.select(attributes.c.key, attributes.c.value_json).where(attributes.c.study_id == study_id)
            found = {key: json.loads(text) for key, text in connection.execute(stored)}
            differing = next((key for key in wanted if key in found and found[key] != wanted[key]), None)
            if differing is not None:
                where = f"{shown(opened.url)}: the study {name!r} has {differing} {found[differing]!r}"
                raise InputError(f"{where}, this search {wanted[differing]!r}; give the search another name, or delete that study.")
            new = [{"study_id": study_id, "key": key, "value_json": json.dumps(value)} for key, value in wanted.items() if key not in found]
            if not new:
                break
            if transaction is writing:
                connection.execute(sa.insert(attributes), new)
    return study_id
