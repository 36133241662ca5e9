"""What the outpatient clinic tells."""

from uuid import UUID

import msgspec

from app.kernel.events import fact


@fact(kind="appointment.held", aggregate="appointment", key="appointment_id")
class AppointmentHeld(msgspec.Struct, frozen=True, kw_only=True):
    appointment_id: UUID
    person_id: UUID
    session_id: UUID


@fact(kind="appointment.booked", aggregate="appointment", key="appointment_id")
class AppointmentBooked(msgspec.Struct, frozen=True, kw_only=True):
    appointment_id: UUID
    person_id: UUID
    session_id: UUID


@fact(kind="appointment.expired", aggregate="appointment", key="appointment_id")
class AppointmentExpired(msgspec.Struct, frozen=True, kw_only=True):
    """The hold ran out and its place went back."""

    appointment_id: UUID
    person_id: UUID
    session_id: UUID


@fact(kind="appointment.cancelled", aggregate="appointment", key="appointment_id")
class AppointmentCancelled(msgspec.Struct, frozen=True, kw_only=True):
    appointment_id: UUID
    person_id: UUID
    session_id: UUID
    was_paid: bool


@fact(kind="appointment.closed_late_pay", aggregate="appointment", key="appointment_id")
class AppointmentClosedLatePay(msgspec.Struct, frozen=True, kw_only=True):
    """Paid after the place was gone: the money goes back."""

    appointment_id: UUID
    person_id: UUID


@fact(kind="appointment.missed", aggregate="appointment", key="appointment_id")
class AppointmentMissed(msgspec.Struct, frozen=True, kw_only=True):
    """A no-show: booked, and never checked in before the session's end."""

    appointment_id: UUID
    person_id: UUID


@fact(kind="patient.arrived", aggregate="appointment", key="appointment_id")
class PatientArrived(msgspec.Struct, frozen=True, kw_only=True):
    appointment_id: UUID
    person_id: UUID
    encounter_id: UUID
    ticket_id: UUID


@fact(kind="consultation.started", aggregate="appointment", key="appointment_id")
class ConsultationStarted(msgspec.Struct, frozen=True, kw_only=True):
    appointment_id: UUID
    encounter_id: UUID
    person_id: UUID
    staff_id: UUID | None


@fact(kind="consultation.finished", aggregate="appointment", key="appointment_id")
class ConsultationFinished(msgspec.Struct, frozen=True, kw_only=True):
    appointment_id: UUID
    encounter_id: UUID
    person_id: UUID
