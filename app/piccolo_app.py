"""The one list of tables: what migrations compare the house with."""

from piccolo.conf.apps import AppConfig
from piccolo.table import Table

from app.catalog import tables as catalog
from app.encounters import tables as encounters
from app.identity import tables as identity
from app.kernel import tables as kernel
from app.kernel.settings import ROOT
from app.organization import tables as organization
from app.patients import tables as patients
from notifications import tables as notifications

TABLES: list[type[Table]] = [
    *kernel.TABLES,
    *identity.TABLES,
    *organization.TABLES,
    *patients.TABLES,
    *catalog.TABLES,
    *encounters.TABLES,
    *notifications.TABLES,
]

APP_CONFIG = AppConfig(
    app_name="hospital",
    migrations_folder_path=str(ROOT / "migrations"),
    table_classes=TABLES,
    migration_dependencies=[],
    commands=[],
)
