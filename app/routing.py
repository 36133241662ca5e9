"""Every router, in the order of the house: staff by context, then the patients' channels, then the rest."""

from litestar.types import ControllerRouterHandler

from app.alerts import routes as alerts
from app.billing import notice_routes as pay_notices
from app.billing import routes as billing
from app.catalog import routes as catalog
from app.clock_routes import router as clock_router
from app.identity import device_routes as device_door
from app.identity import login_routes
from app.identity import oauth_routes as oauth
from app.identity import staff_routes as staff_login
from app.inpatient import routes as inpatient
from app.laboratory import routes as laboratory
from app.letters import routes as letters
from app.orders import routes as orders
from app.organization import device_routes as devices
from app.organization import routes as organization
from app.outpatient import routes as outpatient
from app.pages import pages_router
from app.patients import desk_routes as patient_desk
from app.patients import glass_routes as break_glass
from app.patients import routes as patients
from app.pharmacy import routes as pharmacy
from app.queueing import routes as queueing
from app.rights import routes as rights_desk
from app.traces import access_routes as access_log
from app.traces import record_routes as records
from bedside_terminal import routes as bedside
from guide_kiosk import visits as kiosk
from mini_program_api import (
    appointments,
    bills,
    consents,
    departments,
    family,
    login,
    messages,
    payments,
    prescriptions,
    queue,
    reports,
    rights,
    sharing,
    timeline,
)
from notifications import tickets
from notifications.endpoint import realtime

STAFF: list[ControllerRouterHandler] = [
    alerts.router,
    billing.router,
    catalog.router,
    clock_router,
    devices.router,
    inpatient.router,
    laboratory.router,
    letters.router,
    orders.router,
    organization.router,
    outpatient.router,
    patients.router,
    patient_desk.router,
    break_glass.router,
    access_log.router,
    pharmacy.router,
    queueing.router,
    records.router,
    rights_desk.router,
    staff_login.router,
    login_routes.router,
]

CHANNELS: list[ControllerRouterHandler] = [
    login.router,
    family.router,
    consents.router,
    sharing.router,
    rights.router,
    departments.router,
    appointments.router,
    bills.router,
    payments.router,
    queue.router,
    reports.router,
    prescriptions.router,
    timeline.router,
    messages.router,
    kiosk.router,
    bedside.router,
]


def routers() -> list[ControllerRouterHandler]:
    return [
        *STAFF,
        *CHANNELS,
        oauth.router,
        device_door.router,
        pay_notices.router,
        tickets.router,
        realtime,
        pages_router(),
    ]
