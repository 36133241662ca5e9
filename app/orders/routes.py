"""The doctor's desk: ordering, signing, stopping, and hearing dangerous values."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.kernel.actor import Actor
from app.kernel.http import PAGE_MAX
from app.kernel.idempotency import Command, once
from app.orders.critical import acknowledge_critical, handle_critical
from app.orders.paying import stop_order
from app.orders.placing import cancel_draft, order_panel, submit_orders, withdraw_submission
from app.orders.prescribing import DrugAsked, extend_validity, prescribe, register_controlled_use
from app.orders.queries import (
    CriticalValueView,
    OrderView,
    PrescriptionView,
    SubmissionView,
    critical_value,
    critical_values,
    order_view,
    orders_of,
    prescription_view,
    submission_view,
)
from app.orders.tables import ControlledUse


class OrderPanel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    panel_id: UUID


class Prescribe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`forced_reason` is the second signature under an allergy or a duplicate ingredient."""

    lines: Annotated[list[DrugAsked], msgspec.Meta(max_length=20)]
    emergency: bool = False
    longer_reason: Annotated[str, msgspec.Meta(max_length=200)] = ""
    forced_reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


class StopOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ExtendValidity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days counted from the one it was signed on."""

    days: int


class RegisterUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    use: ControlledUse
    valid_to: date


class Acknowledge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    read_back: Annotated[str, msgspec.Meta(max_length=40)]


class Handle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    handling: Annotated[str, msgspec.Meta(max_length=500)]


class Orders(msgspec.Struct, frozen=True):
    items: list[OrderView]


class CriticalValues(msgspec.Struct, frozen=True):
    items: list[CriticalValueView]


class Registered(msgspec.Struct, frozen=True):
    id: UUID


@get("/encounters/{encounter_id:uuid}/orders", permission="order.read")
async def list_orders(encounter_id: FromPath[UUID], actor: NamedDependency[Actor]) -> Orders:
    return Orders(await orders_of(actor, encounter_id=encounter_id))


@post("/encounters/{encounter_id:uuid}/lab-orders", permission="order.place")
async def add_lab_order(
    encounter_id: FromPath[UUID],
    data: JSONBody[OrderPanel],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> OrderView:
    order_id = await once(asked, order_panel, actor, encounter_id=encounter_id, panel_id=data.panel_id)
    return await order_view(actor, order_id=order_id)


@post("/encounters/{encounter_id:uuid}/prescriptions", permission="order.place")
async def add_prescription(
    encounter_id: FromPath[UUID],
    data: JSONBody[Prescribe],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> PrescriptionView:
    order_id = await once(
        asked,
        prescribe,
        actor,
        encounter_id=encounter_id,
        lines=data.lines,
        emergency=data.emergency,
        longer_reason=data.longer_reason,
        forced_reason=data.forced_reason,
    )
    return await prescription_view(actor, prescription_id=order_id)


@post("/encounters/{encounter_id:uuid}/submit", permission="order.submit")
async def submit(
    encounter_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> SubmissionView:
    submission_id = await once(asked, submit_orders, actor, encounter_id=encounter_id)
    return await submission_view(actor, submission_id=submission_id)


@post("/submissions/{submission_id:uuid}/withdraw", permission="order.withdraw", status_code=200)
async def withdraw(
    submission_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> SubmissionView:
    await once(asked, withdraw_submission, actor, submission_id=submission_id)
    return await submission_view(actor, submission_id=submission_id)


@post("/orders/{order_id:uuid}/cancel", permission="order.cancel", status_code=200)
async def cancel(
    order_id: FromPath[UUID], actor: NamedDependency[Actor], asked: NamedDependency[Command]
) -> OrderView:
    await once(asked, cancel_draft, actor, order_id=order_id)
    return await order_view(actor, order_id=order_id)


@post("/orders/{order_id:uuid}/stop", permission="order.stop", status_code=200)
async def stop(
    order_id: FromPath[UUID],
    data: JSONBody[StopOrder],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> OrderView:
    await once(asked, stop_order, actor, order_id=order_id, reason=data.reason)
    return await order_view(actor, order_id=order_id)


@get("/prescriptions/{prescription_id:uuid}", permission="prescription.read")
async def read_prescription(
    prescription_id: FromPath[UUID], actor: NamedDependency[Actor]
) -> PrescriptionView:
    return await prescription_view(actor, prescription_id=prescription_id)


@post("/prescriptions/{prescription_id:uuid}/extend", permission="prescription.extend", status_code=200)
async def extend(
    prescription_id: FromPath[UUID],
    data: JSONBody[ExtendValidity],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> PrescriptionView:
    await once(asked, extend_validity, actor, prescription_id=prescription_id, days=data.days)
    return await prescription_view(actor, prescription_id=prescription_id)


@post("/persons/{person_id:uuid}/controlled-uses", permission="controlled_use.register")
async def register_use(
    person_id: FromPath[UUID],
    data: JSONBody[RegisterUse],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> Registered:
    return Registered(
        await once(
            asked, register_controlled_use, actor, person_id=person_id, use=data.use, valid_to=data.valid_to
        )
    )


@get("/critical-values", permission="critical_value.read")
async def list_critical_values(
    actor: NamedDependency[Actor], limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX)] = 50
) -> CriticalValues:
    return CriticalValues(await critical_values(actor, limit=limit))


@post(
    "/critical-values/{critical_value_id:uuid}/acknowledge",
    permission="critical_value.acknowledge",
    status_code=200,
)
async def acknowledge(
    critical_value_id: FromPath[UUID],
    data: JSONBody[Acknowledge],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> CriticalValueView:
    await once(
        asked, acknowledge_critical, actor, critical_value_id=critical_value_id, read_back=data.read_back
    )
    return await critical_value(actor, critical_value_id=critical_value_id)


@post(
    "/critical-values/{critical_value_id:uuid}/handle",
    permission="critical_value.handle",
    status_code=200,
)
async def handle(
    critical_value_id: FromPath[UUID],
    data: JSONBody[Handle],
    actor: NamedDependency[Actor],
    asked: NamedDependency[Command],
) -> CriticalValueView:
    await once(asked, handle_critical, actor, critical_value_id=critical_value_id, handling=data.handling)
    return await critical_value(actor, critical_value_id=critical_value_id)


router = Router(
    path="/api/staff/v1",
    route_handlers=[
        list_orders,
        add_lab_order,
        add_prescription,
        submit,
        withdraw,
        cancel,
        stop,
        read_prescription,
        extend,
        register_use,
        list_critical_values,
        acknowledge,
        handle,
    ],
)
