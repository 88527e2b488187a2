"""The door to MLflow: trainings are recorded, models registered, aliases moved.

What belongs here: `ModelRegistry`. What does not: how its database is reached (`reach`), how a model is stored (`saving`).
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mech_exo_assets.errors import InputError, MechExoError
from mech_exo_assets.storage.models import reach, saving
from mech_exo_assets.storage.models.training import Training, require_kind

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

EXPERIMENT = "mech-exo"
CHAMPION, CHALLENGER = "champion", "challenger"

_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""The UI shows the pages for models then, and not those for language models."""

_BATCH = 100
"""MLflow takes 1000 metrics at once, and 100 parameters or tags."""


class ModelRegistry:
    """Runs of trainings in MLflow's database, and the registered models `mech-exo-<kind>` with the aliases champion and challenger.

    Parameters
    ----------
    url : str
        Of the database, as `Settings.mlflow_url` has it. Nothing is touched before first use.
    artifacts : Path
        Folder of models and figures; made on first use.

    Raises
    ------
    InputError
        From each method: if the database is away or refuses, or the folder cannot be written. One line, without the password.
    """

    def __init__(self, url: str, artifacts: Path) -> None:
        self._url = url
        self._artifacts = artifacts

    def require(self) -> None:
        """See that a training can be recorded, before it is begun; makes what is missing. Takes seconds at most where it cannot."""
        # All that can be away is looked at before anything is made.
        reach.require_database(self._url)
        reach.require_folder(self._artifacts)
        reach.load_mlflow()
        reach.prepare_database(self._url)

    def record(self, training: Training) -> str:
        """Put a training on record: a run, its model as a new version of the registered model, and the alias challenger on it.

        Returns
        -------
        str
            The id of the run.

        Raises
        ------
        MechExoError
            If MLflow fails in the middle: the run has the status FAILED then, and no version of the registered model stands for it.
        """
        self.require()
        client = self._client()
        with self._told(f"the training of {training.kind}"):
            experiment = self._experiment(client)
            run = client.create_run(experiment, run_name=training.name, tags=_run_tags(training)).info.run_id
        undo = _Undo(client, run)
        try:
            self._fill(client, run, training)
            self._register(client, experiment, run, training, undo)
        except BaseException as error:
            left = undo.everything()
            if not isinstance(error, Exception):
                raise
            raise MechExoError(
                f"MLflow run {run} of {training.kind} ({self._shown}): not recorded ({_one_line(error)}); "
                f"{left} See that the database and {self._artifacts} can be written, and train again."
            ) from error
        return run

    def promote(self, kind: str, run_id: str) -> None:
        """Put the alias champion on the version that a run made; twice is as once.

        Raises
        ------
        InputError
            If that run has made no version of this model.
        """
        require_kind(kind)
        client = self._ready()
        with self._told(f"the champion of {kind}"):
            found = client.search_model_versions(f"name = '{_registered(kind)}' and run_id = '{run_id}'")
            if not found:
                raise InputError(f"run '{run_id}' has made no version of {_registered(kind)} in {self._shown}. Nothing was changed.")
            client.set_registered_model_alias(_registered(kind), CHAMPION, found[0].version)

    def aliases(self, kind: str) -> dict[str, str]:
        """The run behind each alias of a kind's model; empty where no training was recorded yet."""
        from mlflow.exceptions import MlflowException

        require_kind(kind)
        client = self._ready()
        with self._told(f"the aliases of {kind}"):
            try:
                named = client.get_registered_model(_registered(kind)).aliases
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return {}
            return {alias: str(client.get_model_version(_registered(kind), number).run_id) for alias, number in sorted(named.items())}

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int) -> None:
        """Add figures to a run, as those out of sample that are known later; a figure that the run has at that step already is left.

        Parameters
        ----------
        run_id : str
        metrics : mapping of str to float
        step : int
            Number of the fold.
        """
        client = self._ready()
        with self._told(f"figures of the run '{run_id}'"):
            new = {}
            for name, value in metrics.items():
                there = [each for each in client.get_metric_history(run_id, name) if each.step == step]
                newest = max(there, key=lambda each: each.timestamp).value if there else None
                if newest is None or not (newest == value or (math.isnan(newest) and math.isnan(value))):
                    new[name] = value
            _log(client, run_id, _metrics({step: new}))

    @property
    def _shown(self) -> str:
        from mech_exo_assets.storage import connection as way

        return way.shown(way.parse(self._url))

    def _client(self) -> MlflowClient:
        from mlflow.tracking import MlflowClient

        # Addresses of its own: the process's tracking URI would go to subprocesses by an environment variable, with the password.
        address = reach.patient(self._url)
        return MlflowClient(tracking_uri=address, registry_uri=address)

    def _ready(self) -> MlflowClient:
        reach.require_database(self._url)
        reach.load_mlflow()
        reach.prepare_database(self._url)
        return self._client()

    @contextmanager
    def _told(self, what: str) -> Generator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            raise MechExoError(f"{self._shown}: MLflow refused {what} ({_one_line(error)}). Nothing was changed.") from error

    def _experiment(self, client: MlflowClient) -> str:
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            try:
                return client.create_experiment(EXPERIMENT, self._artifacts.absolute().as_uri(), tags=_EXPERIMENT_TAGS)
            except MlflowException as error:
                # Another process has made it between.
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = client.get_experiment_by_name(EXPERIMENT)
        if found is None or found.lifecycle_stage != "active":
            raise InputError(
                f"{self._shown}: the experiment '{EXPERIMENT}' was deleted; restore it (mlflow experiments restore). Nothing was recorded."
            )
        return found.experiment_id

    def _fill(self, client: MlflowClient, run: str, training: Training) -> None:
        from mlflow.entities import Param

        parameters = [Param(name, str(value)) for name, value in training.parameters.items()]
        for first in range(0, len(parameters), _BATCH):
            client.log_batch(run, params=parameters[first : first + _BATCH])
        last = max(training.metrics_by_fold, default=0)
        _log(client, run, [*_metrics(training.metrics_by_fold), *_metrics({last: training.summary()})])
        with tempfile.TemporaryDirectory() as folder:
            for name, picture in training.figures.items():
                path = Path(folder) / name
                path.write_bytes(picture)
                client.log_artifact(run, str(path), "figures")

    def _register(self, client: MlflowClient, experiment: str, run: str, training: Training, undo: _Undo) -> None:
        from mlflow.entities import LoggedModelOutput
        from mlflow.exceptions import MlflowException
        from mlflow.models import Model as Description

        name = _registered(training.kind)
        last = max(training.metrics_by_fold, default=0)
        model = client.create_logged_model(experiment, name=name, source_run_id=run)
        undo.model = model.model_id
        description = Description(artifact_path=model.artifact_location, model_uuid=model.model_id, run_id=run, model_id=model.model_id)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            saving.save(training.model, path, description)
            client.log_model_artifacts(model.model_id, str(path))
        client.log_outputs(run, [LoggedModelOutput(model.model_id, step=last)])
        client.finalize_logged_model(model.model_id, "READY")
        try:
            client.create_registered_model(name, description=f"Mech-Exo's {training.kind}: one version for each training.")
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = client.create_model_version(
            name, model.artifact_location, run_id=run, model_id=model.model_id, await_creation_for=0
        ).version
        undo.version = (name, version)
        client.set_terminated(run, "FINISHED")
        # The last step: until here nobody who asks for the challenger sees anything new.
        client.set_registered_model_alias(name, CHALLENGER, version)


class _Undo:
    """What a training has made so far, to be taken back where it fails."""

    def __init__(self, client: MlflowClient, run: str) -> None:
        self._client = client
        self._run = run
        self.model: str | None = None
        self.version: tuple[str, str] | None = None

    def everything(self) -> str:
        """Take back what can be; says in words how things stand."""
        from mlflow.exceptions import MlflowException

        try:
            if self.version is not None:
                self._client.delete_model_version(*self.version)
            if self.model is not None:
                self._client.finalize_logged_model(self.model, "FAILED")
            self._client.set_terminated(self._run, "FAILED")
        except MlflowException as error:
            return f"the run stays unfinished, since that was refused too ({_one_line(error)})."
        return "the run is marked FAILED, and no version was registered."


def _registered(kind: str) -> str:
    return f"mech-exo-{kind}"


def _run_tags(training: Training) -> dict[str, str]:
    told = f"Figures of {len(training.metrics_by_fold)} folds; the model is that of the last."
    return {"mlflow.source.name": "mech-exo", "mlflow.note.content": told, "kind": training.kind, **training.tags}


def _metrics(by_step: Mapping[int, Mapping[str, float]]) -> list[Metric]:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    return [Metric(name, float(value), now, step) for step, metrics in by_step.items() for name, value in metrics.items()]


def _log(client: MlflowClient, run: str, metrics: Sequence[Metric]) -> None:
    for first in range(0, len(metrics), _BATCH):
        client.log_batch(run, metrics=metrics[first : first + _BATCH])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".") or type(error).__name__
