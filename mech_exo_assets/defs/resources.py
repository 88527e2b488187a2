"""What assets are given besides their inputs, as Dagster *resources*.

What belongs here: the market data of this home's source, the strategy, the lake, the mart, the reports, the database of searches,
MLflow's registry of models, the cluster, the channel of alerts, maintenance. What does not: the Dagster-free classes behind them.
"""

from __future__ import annotations

from collections.abc import Mapping

from dagster_duckdb import DuckDBResource

from mech_exo_assets.defs.cluster import Cluster
from mech_exo_assets.reports.alerts import Alerts
from mech_exo_assets.reports.files import ReportFiles
from mech_exo_assets.settings import Settings, load_strategy
from mech_exo_assets.sources.protocol import MarketData
from mech_exo_assets.sources.uri import open_source
from mech_exo_assets.storage.io_manager import LakeIOManager
from mech_exo_assets.storage.lake import Lake
from mech_exo_assets.storage.ledger import Ledger
from mech_exo_assets.storage.maintenance import Upkeep
from mech_exo_assets.storage.mart import Mart
from mech_exo_assets.storage.models import ModelRegistry
from mech_exo_assets.storage.studies import StudyDatabase


class MarketSource:
    """The source of market data, read once for as long as it does not change.

    All assets of one process see the same reading, so that prices and universe belong together.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._stamp: Mapping[str, str] | None = None
        self._data: MarketData | None = None

    def read(self) -> MarketData:
        """The validated data; an `InputError` if the source is wrong."""
        source = open_source(self.uri)
        stamp = source.stamp()
        if self._data is None or stamp != self._stamp:
            self._data = source.load()
            self._stamp = stamp
        return self._data


def build_resources(settings: Settings) -> dict[str, object]:
    """The resources of a home, by the names under which assets ask for them."""
    lake, strategy = Lake(settings.lake_uri), load_strategy(settings.config)
    mart = Mart(settings.mart_path)
    return {
        "io_manager": LakeIOManager(lake, choices=strategy.model_dump_json(), source=settings.source),
        "lake": lake,
        "mart": mart,
        "duckdb": DuckDBResource(database=str(mart.staging_path)),
        "market_source": MarketSource(settings.source),
        "strategy": strategy,
        "report_files": ReportFiles(settings.reports_path),
        "models": ModelRegistry(settings.mlflow_url, settings.mlflow_artifacts),
        "studies": StudyDatabase(settings.studies_url),
        "ledger": Ledger(settings.ledger_url, settings.ledger_head_path),
        "cluster": Cluster(settings.dask),
        "upkeep": Upkeep(settings.home, keep_days=settings.keep_days),
        "alerts": Alerts(settings.slack_webhook, settings.ui_url, settings.alert_urls),
    }
