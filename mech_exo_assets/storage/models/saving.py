"""A trained model as MLflow stores it: in its library's own form, with a signature.

What belongs here: what differs between the kinds. What does not: where it is put (`registry`).
"""

from __future__ import annotations

import json
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mech_exo_assets.quant.models.fitted import LightGbm, Model, Ridge, XGBoost
from mech_exo_assets.storage.models.reach import load_pyfunc

if TYPE_CHECKING:
    from mlflow.models import Model as Description
    from mlflow.models import ModelSignature


def signature(model: Model) -> ModelSignature:
    """A column of numbers for each feature by its name, NaN where it is not known, and the sector's code last; one number comes out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    # Double and not float: MLflow takes single precision for it too, but refuses the reverse.
    return ModelSignature(Schema([ColSpec("double", name) for name in model.features.names]), Schema([ColSpec("double")]))


def save(model: Model, path: Path, description: Description) -> None:
    """Write a model into a new folder in the form of its own flavour.

    `mlflow.lightgbm` and `mlflow.xgboost` for these; for ridge `mlflow.pyfunc` with its numbers as JSON and the few lines that read them,
    so that no pickle is stored.

    Parameters
    ----------
    model : LightGbm, XGBoost or Ridge
    path : Path
        Must not exist.
    description : mlflow.models.Model
        Gets the flavours and the signature.

    Raises
    ------
    TypeError
        If the model is of another class.
    """
    load_pyfunc()
    import mlflow.pyfunc

    # Named requirements: to infer them, MLflow loads the model in a process of its own, which takes seconds.
    common: dict[str, Any] = {"mlflow_model": description, "signature": signature(model)}
    if isinstance(model, LightGbm):
        import mlflow.lightgbm

        mlflow.lightgbm.save_model(
            model.booster, str(path), serialization_format="skops", pip_requirements=_pinned("lightgbm", "pandas"), **common
        )
    elif isinstance(model, XGBoost):
        import mlflow.xgboost

        mlflow.xgboost.save_model(model.booster, str(path), pip_requirements=_xgboost_pinned(), **common)
    elif isinstance(model, Ridge):
        numbers = path.with_name("ridge.json")
        features = {"features": list(model.features.numeric)}
        numbers.write_text(json.dumps(features | json.loads(model.to_text())), encoding="utf-8")
        with warnings.catch_warnings():
            # MLflow would have an example of the input too; the signature says all that there is to say.
            warnings.filterwarnings("ignore", ".*An input example was not provided")
            mlflow.pyfunc.save_model(
                str(path),
                loader_module="mech_exo_ridge",
                data_path=str(numbers),
                code_paths=[str(Path(__file__).with_name("mech_exo_ridge.py"))],
                pip_requirements=_pinned("numpy", "pandas"),
                **common,
            )
    else:
        raise TypeError(f"a model of the class {type(model).__name__} has no form in MLflow")


def _pinned(*names: str) -> list[str]:
    return ["mlflow", *(f"{name}=={version(name)}" for name in names)]


def _xgboost_pinned() -> list[str]:
    import xgboost

    # The library comes as `xgboost` or as `xgboost-cpu`, which has no metadata under the other name.
    return [*_pinned("pandas"), f"xgboost=={xgboost.__version__}"]
