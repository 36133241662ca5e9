"""Who hears which event: the whole map on one page. Names are stable, they are receipts."""

from app.alerts.events import AlertAccepted, AlertCancelled, AlertEscalated, AlertHandled, AlertRaised
from app.billing import story as billing_story
from app.billing.events import BillExpired, BillPaid, BillPaidLate, RefundRequested, RefundSucceeded
from app.encounters import story as encounters_story
from app.encounters.events import DiagnosisRecorded, EncounterClosed, EncounterOpened
from app.inpatient import story as inpatient_story
from app.inpatient.events import PatientAdmitted, PatientDischarged, PatientMoved, StayCharged
from app.kernel.events import Subscription
from app.laboratory import story as laboratory_story
from app.laboratory.events import ResultReleased, SpecimenCollected, SpecimenRejected
from app.orders import paying as orders_paying
from app.orders import story as orders_story
from app.orders.events import OrdersPaid, OrdersSubmitted, OrderStopped, ReportRead
from app.outpatient import paying as outpatient_paying
from app.outpatient import story as outpatient_story
from app.outpatient.events import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentClosedLatePay,
    AppointmentExpired,
    AppointmentMissed,
    ConsultationFinished,
    ConsultationStarted,
    PatientArrived,
)
from app.patients.events import (
    BreakGlassOpened,
    BreakGlassReviewed,
    CameOfAge,
    PersonUnbound,
    ProxyGranted,
)
from app.pharmacy import story as pharmacy_story
from app.pharmacy import waiting as pharmacy_waiting
from app.pharmacy.events import PrescriptionDispensed, PrescriptionReady, PrescriptionReturned
from app.queueing.events import QueueChanged, TicketCalled, WindowQueueChanged
from app.rights.events import RequestAnswered
from notifications import access as told_access
from notifications import alerts as told_alerts
from notifications import bedside as told_bedside
from notifications import queueing as told_queues
from notifications import rights as told_rights
from notifications import visits as told_visits

SUBSCRIPTIONS: list[Subscription] = [
    # What must follow.
    Subscription("outpatient.book_when_paid", BillPaid, outpatient_paying.book_when_paid),
    Subscription("outpatient.settle_late_payment", BillPaidLate, outpatient_paying.settle_late_payment),
    Subscription("encounters.tell_opened", EncounterOpened, encounters_story.tell_opened),
    Subscription("encounters.tell_diagnosed", DiagnosisRecorded, encounters_story.tell_diagnosed),
    Subscription("encounters.tell_closed", EncounterClosed, encounters_story.tell_closed),
    Subscription("encounters.tell_glass_broken", BreakGlassOpened, encounters_story.tell_glass_broken),
    Subscription("encounters.tell_glass_reviewed", BreakGlassReviewed, encounters_story.tell_glass_reviewed),
    Subscription("laboratory.tell_collected", SpecimenCollected, laboratory_story.tell_collected),
    Subscription("laboratory.tell_rejected", SpecimenRejected, laboratory_story.tell_rejected),
    Subscription("laboratory.tell_released", ResultReleased, laboratory_story.tell_released),
    Subscription("orders.make_executable", BillPaid, orders_paying.make_executable),
    Subscription("orders.cancel_when_expired", BillExpired, orders_paying.cancel_when_expired),
    Subscription("orders.follow_refund", RefundRequested, orders_paying.follow_refund),
    Subscription("orders.note_refund", RefundSucceeded, orders_paying.note_refund),
    Subscription("pharmacy.queue_when_paid", OrdersPaid, pharmacy_waiting.queue_when_paid),
    Subscription("pharmacy.leave_when_stopped", OrderStopped, pharmacy_waiting.leave_when_stopped),
    # The patient's timeline.
    Subscription("outpatient.tell_booked", AppointmentBooked, outpatient_story.tell_booked),
    Subscription("outpatient.tell_cancelled", AppointmentCancelled, outpatient_story.tell_cancelled),
    Subscription("outpatient.tell_closed", AppointmentClosedLatePay, outpatient_story.tell_closed),
    Subscription("outpatient.tell_expired", AppointmentExpired, outpatient_story.tell_expired),
    Subscription("outpatient.tell_missed", AppointmentMissed, outpatient_story.tell_missed),
    Subscription("outpatient.tell_arrived", PatientArrived, outpatient_story.tell_arrived),
    Subscription("outpatient.tell_started", ConsultationStarted, outpatient_story.tell_started),
    Subscription("outpatient.tell_called", TicketCalled, outpatient_story.tell_called),
    Subscription("outpatient.tell_finished", ConsultationFinished, outpatient_story.tell_finished),
    Subscription("inpatient.tell_admitted", PatientAdmitted, inpatient_story.tell_admitted),
    Subscription("inpatient.tell_discharged", PatientDischarged, inpatient_story.tell_discharged),
    Subscription("billing.tell_paid", BillPaid, billing_story.tell_paid),
    Subscription("billing.tell_refunded", RefundSucceeded, billing_story.tell_refunded),
    Subscription("orders.tell_submitted", OrdersSubmitted, orders_story.tell_submitted),
    Subscription("orders.tell_stopped", OrderStopped, orders_story.tell_stopped),
    Subscription("orders.tell_read", ReportRead, orders_story.tell_read),
    Subscription("pharmacy.tell_returned", PrescriptionReturned, pharmacy_story.tell_returned),
    Subscription("pharmacy.tell_ready", PrescriptionReady, pharmacy_story.tell_ready),
    Subscription("pharmacy.tell_dispensed", PrescriptionDispensed, pharmacy_story.tell_dispensed),
    # Boards, phones, stations and terminals.
    Subscription("notifications.zone_board", QueueChanged, told_queues.show_in_zone),
    Subscription("notifications.window_board", WindowQueueChanged, told_queues.show_at_window),
    Subscription("notifications.phone_called", TicketCalled, told_queues.call_phones),
    Subscription("notifications.phone_booked", AppointmentBooked, told_visits.booked),
    Subscription("notifications.phone_expired", AppointmentExpired, told_visits.expired),
    Subscription("notifications.phone_cancelled", AppointmentCancelled, told_visits.cancelled),
    Subscription("notifications.phone_late", AppointmentClosedLatePay, told_visits.closed_late_pay),
    Subscription("notifications.phone_owed", OrdersSubmitted, told_visits.owed),
    Subscription("notifications.phone_paid", BillPaid, told_visits.paid),
    Subscription("notifications.phone_refunded", RefundSucceeded, told_visits.refunded),
    Subscription("notifications.phone_released", ResultReleased, told_visits.released),
    Subscription("notifications.phone_ready", PrescriptionReady, told_visits.ready),
    Subscription("notifications.phone_proxy", ProxyGranted, told_access.granted),
    Subscription("notifications.phone_unbound", PersonUnbound, told_access.ended),
    Subscription("notifications.phone_of_age", CameOfAge, told_access.came_of_age),
    Subscription("notifications.phone_glass_broken", BreakGlassOpened, told_access.glass_broken),
    Subscription("notifications.phone_request_answered", RequestAnswered, told_rights.answered),
    Subscription("notifications.ward_raised", AlertRaised, told_alerts.show),
    Subscription("notifications.ward_escalated", AlertEscalated, told_alerts.show),
    Subscription("notifications.ward_accepted", AlertAccepted, told_alerts.show),
    Subscription("notifications.ward_handled", AlertHandled, told_alerts.show),
    Subscription("notifications.ward_cancelled", AlertCancelled, told_alerts.show),
    Subscription("notifications.hurry_raised", AlertRaised, told_alerts.hurry_if_nobody_listens),
    Subscription("notifications.hurry_escalated", AlertEscalated, told_alerts.hurry_if_nobody_listens),
    Subscription("notifications.bedside_charged", StayCharged, told_bedside.charged),
    Subscription("notifications.bedside_topped_up", BillPaid, told_bedside.topped_up),
    Subscription("notifications.bedside_moved", PatientMoved, told_bedside.moved),
    Subscription("notifications.bedside_discharged", PatientDischarged, told_bedside.discharged),
]
