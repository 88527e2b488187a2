"""Where this installation reads and writes: every MECH_EXO_* variable, validated once.

What belongs here: `Settings`. What does not: research choices (`strategy`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mech_exo_assets.errors import InputError
from mech_exo_assets.settings.faults import reason
from mech_exo_assets.settings.lake_root import lake_root


def _default_home() -> Path:
    """`data/` of a checkout; without one (an installed wheel), a folder of the user's."""
    checkout = Path(__file__).resolve().parent.parent.parent
    return checkout / "data" if (checkout / "pyproject.toml").is_file() else Path.home() / ".mech-exo"


_REFUSED_IN_HOME = frozenset("%[]?*^|\\")
"""deltalake reads these in a path as parts of a URL, and DuckDB as wildcards."""

_SQLITE = "sqlite:///"

_DATABASE_URL = re.compile(r"(?P<base>[\w+]+://(?:[^:/]*(?::[^@]*)?@)?[^?]*)(?:\?(?P<query>.*))?")
"""As SQLAlchemy takes it apart, whose import would cost every command a third of a second."""

_SCHEDULER = re.compile(r"(?:tcp|tls|ws|wss)://[^/@]+:\d+")
_NAMESPACE = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Settings(BaseSettings):
    """Where this installation reads and writes, from MECH_EXO_* variables; options of the command line go before them.

    Attributes
    ----------
    home : Path
        Everything a run leaves behind (MECH_EXO_HOME). Default: `data/` of the checkout.
    lake : str or None
        Root of the Delta tables (MECH_EXO_LAKE): a folder, or `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, whose
        credentials stand in the variables of the store. Default: `lake` in the home (`lake_uri`).
    source : str
        URI of the market data (MECH_EXO_SOURCE): `sample`, `files:PATH`, `yahoo:…` or `simulator:…`.
    config : Path or None
        A YAML file that overrides keys of `strategy.yaml` (MECH_EXO_CONFIG). Where none is named, the home's own, `strategy.yaml` in the
        home: a complete run with a file of choices leaves a copy there, so that what comes later has the same choices.
    executor : str
        Where the steps of a run are executed (MECH_EXO_EXECUTOR): `in_process` (default: a step costs milliseconds) or
        `multiprocess` (a step is a process of its own, and costs seconds).
    slack_webhook : SecretStr or None
        Address of an incoming webhook to which alerts go (MECH_EXO_SLACK_WEBHOOK); without one they stand in the log only.
    alert_urls : SecretStr or None
        Other channels to which alerts go (MECH_EXO_ALERT_URLS): addresses as apprise takes them, with blanks between them.
    ui_url : str
        Address of the Dagster UI for people who get an alert (MECH_EXO_UI_URL). Default: where `mech-exo up` serves it.
    dashboard_url : str
        Address of the dashboard for people (MECH_EXO_DASHBOARD_URL); assets in the Dagster UI link to it. Default: where `mech-exo up`
        serves it.
    auth : Path or None
        File of the dashboard's users (MECH_EXO_AUTH), as `mech-exo user add` writes it; with one, everybody has to sign in.
    dashboard_hosts : str
        Names, with blanks between them, under which the dashboard may be asked besides those of this machine itself
        (MECH_EXO_DASHBOARD_HOSTS); the name that a proxy in front of it is reached by.
    keep_days : int
        For how many days old versions of tables, and old runs of Dagster, are kept by maintenance (MECH_EXO_KEEP_DAYS); at least 1,
        default 30. What the ledger names is kept for ever.
    db_url : SecretStr or None
        Database (MECH_EXO_DB_URL): `sqlite:////path/studies.db` for weight searches, MLflow and ledger, or
        `postgresql://user:password@host/database` for these and Dagster's runs, events and schedules, which several machines may share.
        Default: SQLite files in the home (`studies_url`, `mlflow_url`, `ledger_url`; Dagster's in `dagster_home`).
    namespace : str
        Begins the names of the schemas in a PostgreSQL database (MECH_EXO_NAMESPACE), so that several homes, as of two researchers, share
        one without touching each other's tables. Lower-case letters, digits and underscores.
    dask : str
        Address of a Dask scheduler (MECH_EXO_DASK), as in `tcp://scheduler:8786`, on whose workers the steps of runs are computed; they
        have to reach the home, or the lake, and the database. Default: none, and steps run as `executor` says.
    """

    # A value that is refused may hold a secret, and an error is printed.
    model_config = SettingsConfigDict(env_prefix="MECH_EXO_", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True)

    home: Path = Field(default_factory=_default_home)
    lake: str | None = None
    source: str = "sample"
    config: Path | None = None
    executor: Literal["in_process", "multiprocess"] = "in_process"
    slack_webhook: SecretStr | None = None
    alert_urls: SecretStr | None = None
    db_url: SecretStr | None = None
    namespace: str = ""
    dask: str = ""
    ui_url: str = "http://127.0.0.1:3000"
    dashboard_url: str = "http://127.0.0.1:8050"
    auth: Path | None = None
    dashboard_hosts: str = ""
    keep_days: int = Field(default=30, ge=1)

    @field_validator("home", "config", "auth")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return None if path is None else path.expanduser().absolute()

    @field_validator("lake")
    @classmethod
    def _root(cls, lake: str | None) -> str | None:
        return None if lake is None else lake_root(lake)

    @field_validator("home", "lake")
    @classmethod
    def _storable(cls, place: Path | str | None) -> Path | str | None:
        refused = next((each for each in str(place or "") if each in _REFUSED_IN_HOME or not each.isprintable()), None)
        if refused is not None:
            raise ValueError(f"the tables cannot be stored under a path with {refused!r}; choose another folder")
        return place

    @field_validator("db_url")
    @classmethod
    def _known_database(cls, url: SecretStr | None) -> SecretStr | None:
        scheme, separator, _ = (_SQLITE if url is None else url.get_secret_value()).partition("://")
        if not separator or scheme.split("+")[0] not in {"sqlite", "postgresql"}:
            raise ValueError("it must begin with sqlite:// or postgresql://, as in postgresql://user:password@host/database")
        return url

    @field_validator("dask")
    @classmethod
    def _scheduler(cls, address: str) -> str:
        if address and not _SCHEDULER.fullmatch(address):
            raise ValueError("it must be the address of a Dask scheduler, as in tcp://scheduler:8786")
        return address

    @field_validator("namespace")
    @classmethod
    def _name_of_schemas(cls, namespace: str) -> str:
        if namespace and not _NAMESPACE.fullmatch(namespace):
            raise ValueError(f"{namespace!r} cannot begin a schema's name; take up to 40 lower-case letters, digits and underscores")
        return namespace

    @model_validator(mode="after")
    def _choices_of_the_home(self) -> Settings:
        if self.config is None and self.choices_path.is_file():
            self.config = self.choices_path
        return self

    @property
    def choices_path(self) -> Path:
        """The home's own file of choices; there is none where the defaults are its choices."""
        return self.home / "strategy.yaml"

    @property
    def lake_uri(self) -> str:
        """Root of the Delta tables: an absolute path, or the URI of a prefix in an object store."""
        return str(self.home / "lake") if self.lake is None else self.lake

    @property
    def lake_folder(self) -> Path | None:
        """The root of the Delta tables where it is a folder; None where it is in an object store."""
        return None if "://" in self.lake_uri else Path(self.lake_uri)

    @property
    def lake_elsewhere(self) -> str:
        """The root of the Delta tables where it is not the home's own; empty where it is."""
        return "" if self.lake_uri == str(self.home / "lake") else self.lake_uri

    @property
    def mart_path(self) -> Path:
        """The published DuckDB file."""
        return self.home / "mech_exo.duckdb"

    @property
    def reports_path(self) -> Path:
        """The tear sheet and the QuantStats report."""
        return self.home / "reports"

    @property
    def studies_url(self) -> str:
        """URL of the database of the weight searches, with its password."""
        return self._database("studies") if self.on_server and self.namespace else self._file("studies", beside=False)

    @property
    def mlflow_url(self) -> str:
        """URL of MLflow's database, with its password.

        Without MECH_EXO_DB_URL, `mlflow.db` in the home. Beside a SQLite file of MECH_EXO_DB_URL, a file of its own whose name ends in
        `.mlflow.db` (`studies.mlflow.db` beside `studies.db`): two programs would wait for each other in one. In a PostgreSQL
        database of MECH_EXO_DB_URL, the schema `mlflow`: MLflow and Optuna both have a table `alembic_version`, with other contents.
        """
        return self._database("mlflow") if self.on_server else self._file("mlflow")

    @property
    def ledger_url(self) -> str:
        """URL of the ledger's database, with its password.

        Without MECH_EXO_DB_URL, `ledger.db` in the home; beside a SQLite file of MECH_EXO_DB_URL, a file of its own whose name ends in
        `.ledger.db`. In a PostgreSQL database of MECH_EXO_DB_URL it has a schema of its own.
        """
        return self._database("ledger") if self.on_server else self._file("ledger")

    @property
    def dagster_url(self) -> str | None:
        """URL of Dagster's runs, events and schedules in PostgreSQL, with its password; None where they are files in `dagster_home`."""
        return self._database("dagster", driver="+psycopg2") if self.on_server else None

    @property
    def on_server(self) -> bool:
        """Whether MECH_EXO_DB_URL names a PostgreSQL database."""
        return self.db_url is not None and self.db_url.get_secret_value().startswith("postgresql")

    def _file(self, name: str, *, beside: bool = True) -> str:
        """URL of a SQLite file: in the home, or beside the one that MECH_EXO_DB_URL names."""
        if self.db_url is None:
            return f"{_SQLITE}{self.home}/{name}.db"
        given = self.db_url.get_secret_value()
        parts = _DATABASE_URL.fullmatch(given)
        _, _, path = (given if parts is None else parts["base"]).partition("///")
        if not beside or path in {"", ":memory:"}:
            # What cannot be used is refused in words where it is.
            return given
        return f"{_SQLITE}{Path(path.removeprefix('file:')).absolute().with_suffix(f'.{name}.db')}"

    def _database(self, schema: str, *, driver: str = "") -> str:
        """URL of the PostgreSQL database, with a schema that what is asked and made there stands in."""
        given = "" if self.db_url is None else self.db_url.get_secret_value()
        parts = _DATABASE_URL.fullmatch(given)
        if parts is None:
            return given
        query = dict(parse_qsl(parts["query"] or ""))
        named = f"{self.namespace}_{schema}" if self.namespace else schema
        query["options"] = f"{query.get('options', '')} -csearch_path={named}".strip()
        scheme, _, rest = parts["base"].partition("://")
        return f"{scheme if '+' in scheme else scheme + driver}://{rest}?{urlencode(query)}"

    @property
    def ledger_head_path(self) -> Path:
        """The head of the ledger, kept apart from it."""
        return self.home / "ledger.head"

    @property
    def mlflow_artifacts(self) -> Path:
        """Models and figures of MLflow's runs."""
        return self.home / "mlflow"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own storage: runs, events, schedules."""
        return self.home / "dagster"


_SECRETS = frozenset({"slack_webhook", "alert_urls", "db_url", "lake"})
"""They have no option, since a command line is seen by all users of a machine; nor has the lake, and one that is refused may hold a key."""


def load_settings(**options: object) -> Settings:
    """The settings of the environment, with the options that are not None put over them.

    Raises
    ------
    InputError
        If a MECH_EXO_* variable or an option is not accepted.
    """
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})  # ty: ignore[invalid-argument-type]
    except ValidationError as error:
        name = str(error.errors()[0]["loc"][0])
        if name in _SECRETS:
            # Neither shown nor kept as the cause, whose text shows it.
            raise InputError(f"MECH_EXO_{name.upper()}: {error.errors()[0]['msg'].removeprefix('Value error, ')}.") from None
        raise InputError(f"MECH_EXO_{name.upper()} (--{name}): {reason(error.errors()[:1])}.") from error
