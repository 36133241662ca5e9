"""The one list of tables: what migrations compare the house with."""

from piccolo.conf.apps import AppConfig
from piccolo.table import Table

from app.alerts import tables as alerts
from app.billing import tables as billing
from app.catalog import tables as catalog
from app.encounters import tables as encounters
from app.identity import tables as identity
from app.inpatient import tables as inpatient
from app.kernel import tables as kernel
from app.kernel.settings import ROOT
from app.laboratory import tables as laboratory
from app.orders import tables as orders
from app.organization import tables as organization
from app.outpatient import tables as outpatient
from app.patients import tables as patients
from app.pharmacy import tables as pharmacy
from app.queueing import tables as queueing
from app.rights import tables as rights
from notifications import tables as notifications

TABLES: list[type[Table]] = [
    *kernel.TABLES,
    *identity.TABLES,
    *organization.TABLES,
    *patients.TABLES,
    *catalog.TABLES,
    *encounters.TABLES,
    *alerts.TABLES,
    *billing.TABLES,
    *queueing.TABLES,
    *orders.TABLES,
    *outpatient.TABLES,
    *inpatient.TABLES,
    *laboratory.TABLES,
    *pharmacy.TABLES,
    *rights.TABLES,
    *notifications.TABLES,
]

APP_CONFIG = AppConfig(
    app_name="hospital",
    migrations_folder_path=str(ROOT / "migrations"),
    table_classes=TABLES,
    migration_dependencies=[],
    commands=[],
)
