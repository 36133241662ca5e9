"""The one list of tables: what migrations compare the house with."""

from piccolo.conf.apps import AppConfig
from piccolo.table import Table

from app.alerts import tables as alerts
from app.kernel import tables as kernel
from app.kernel.settings import ROOT

TABLES: list[type[Table]] = [
    *kernel.TABLES,
    *alerts.TABLES,
]

APP_CONFIG = AppConfig(
    app_name="hospital",
    migrations_folder_path=str(ROOT / "migrations"),
    table_classes=TABLES,
    migration_dependencies=[],
    commands=[],
)
